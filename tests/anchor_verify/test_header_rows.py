"""Messages signed by a header: audited, proved and verified like those of JSON."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from verify_logs import MemorySource
from verify_world import World, machines

from anchor.audit.whole import Audit, audit
from anchor.proving.prove import prove
from anchor.proving.verify import verify
from anchor.reading.log_reader import LogReader
from telemetry.header import header_properties
from telemetry.rows import MessageRow

PAYLOADS = (b"\x18\x00", b"\x18\x01", b"\x08\x01\x18\x02")


def world_of_headers() -> tuple[World, list[MessageRow]]:
    """JSON and headers in one chain, the later ones citing the log."""
    world = World()
    machine = machines(1)[0]
    world.enrol_device(machine)
    world.add_collector("c0")
    rows = world.collect(
        "c0",
        [
            machine.enclosed(world.time(), PAYLOADS[0]),
            machine.message(world.time()),
            machine.enclosed(world.time(), PAYLOADS[1]),
        ],
    )
    world.anchor_now()
    world.cite(machine)
    rows += world.collect("c0", [machine.enclosed(world.time(), PAYLOADS[2])])
    world.anchor_now()
    return world, rows


def audit_of(world: World) -> Audit:
    log = LogReader(MemorySource(world.published), world.anchor.verifier)
    return audit(ledger=world.ledger, log=log, policy=world.policy)


def test_they_are_accepted_and_the_audit_is_clean() -> None:
    world, rows = world_of_headers()
    assert [row.status for row in rows] == ["accepted"] * 4
    assert [row.seq for row in rows] == [0, 1, 2, 3]
    found = audit_of(world)
    assert found.clean
    assert (found.counts.breaks, found.counts.gaps, found.counts.unjudged) == (0, 0, 0)


def changed_header(row: MessageRow) -> dict[str, Any]:
    return {"properties": (row.properties or "").replace('\\"seq\\":2', '\\"seq\\":7')}


CHANGES: dict[str, tuple[Callable[[MessageRow], dict[str, Any]], str]] = {
    "payload": (lambda _: {"payload": b"\x18\x63"}, "altered"),
    "header": (changed_header, "altered"),
    "no header": (lambda _: {"properties": None}, "altered"),
    "header of another message": (
        lambda _: {"properties": header_properties('{"device":"x"').to_text()},
        "altered",
    ),
    "seq": (lambda _: {"seq": 9}, "altered"),
    "time": (lambda row: {"time": (row.time or 0) + 1}, "altered"),
    "status": (
        lambda _: {
            "status": "unsigned",
            **dict.fromkeys(["device", "session", "seq", "time", "key", "entry", "body_hash"]),
            "keys": 0,
        },
        "altered",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_changed_in_a_row_is_found_and_named(name: str) -> None:
    world, rows = world_of_headers()
    change, kind = CHANGES[name]
    place = world.ledger.message_rows.index(rows[2])
    world.ledger.message_rows[place] = replace(rows[2], **change(rows[2]))
    found = audit_of(world)
    assert not found.clean
    assert (kind, 2) in {(finding.kind, finding.position) for finding in found.findings}


def test_a_machine_that_goes_on_from_one_message_twice_is_a_fork() -> None:
    world, _ = world_of_headers()
    clone = replace(machines(1)[0], session="clone")
    clone.prev = world.ledger.message_rows[0].body_hash
    world.collect("c0", [clone.enclosed(world.time(), b"")])
    world.anchor_now()
    assert [finding.kind for finding in audit_of(world).findings] == ["fork"]


def test_such_a_message_is_proved_and_verified_with_both_times(tmp_path: Path) -> None:
    world, rows = world_of_headers()
    log = LogReader(MemorySource(world.published), world.anchor.verifier)
    proof = prove(ledger=world.ledger, log=log, policy=world.policy, row=rows[3])
    found = verify(proof.to_bytes(), world.policy)
    assert (found.status, found.seq, found.kind) == ("accepted", 3, "DDATA")
    assert (found.payload, found.judged_here) == (PAYLOADS[2], True)
    assert None not in (found.not_before, found.not_after)
    assert found.lines()
