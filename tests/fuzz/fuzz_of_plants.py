"""What a simulation reads: scenarios, faults, commands, outbox files, what a fleet hears."""

import tempfile
from functools import cache
from pathlib import Path

from fuzz_anchored import LOG, OPERATOR, cosigned, entries, policy, receipts
from fuzz_of_messages import header_value, payloads
from fuzz_target import Target, text

from anchor.policy import CheckpointVerifier, Policy
from anchor.receipts import ReceiptVerifier
from simulator.chain import Entry
from simulator.errors import BadScenario, OutboxDamaged
from simulator.faults.grammar import read_fault
from simulator.outbox_frame import Gone, Head, frame, read
from simulator.scenario_file import SHIPPED, load_scenario, read_scenario
from simulator.trust import Trust
from telemetry.signature import body_hash, split

SMALL = b"""\
description: two machines
seed: 3
start: 2026-01-05T06:00:00Z
enterprise: works
site: north
shifts:
  - {name: early, start: 06:00, end: 14:00, breaks: [{start: 09:00, lasts: 15m}]}
lines:
  - name: cell
    area: machining
    machines:
      - &mill {kind: mill, rate: 55, count: 2}
      - *mill
    orders:
      - {id: a, product: a, quantity: 5, due: 4h, repeat: 2}
faults:
  - {fault: spikes, machine: mill-01, metric: power, start: 40m, lasts: 20m, by: 60, share: 0.1}
"""
LAUGHS = b"seed: &a0 [x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%s: &a%d [%s]\n" % (name, n, b",".join([b"*a%d" % (n - 1)] * 8))
    for n, name in enumerate((b"site", b"enterprise", b"a", b"b", b"c", b"d", b"description"), 1)
)


def _scenario(data: bytes) -> None:
    read_scenario(text(data), "file")


def _file(data: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        file.write(data)
        file.flush()
        load_scenario(Path(file.name))


def scenarios() -> list[bytes]:
    """A small one, and one that is shipped."""
    return [SMALL, *(path.read_bytes() for path in sorted(SHIPPED.glob("workshop.yaml")))]


@cache
def outbox() -> tuple[bytes, ...]:
    """A file with a head, messages, one in a header, numbers that left."""
    parts = split(payloads()[0])
    assert parts is not None
    head = header_value()
    enclosed = split(head)
    assert enclosed is not None
    made = [
        Head("mill-01", 5, 1, body_hash(b"x")),
        Entry("telemetry", ("s1", 41), payloads()[0], body_hash(parts[0])),
        Entry("DDATA", ("s1", 3), b"\x08\x01", body_hash(enclosed[0]), head.decode()),
        Gone("s1", ((0, 4), (7, 7))),
        Gone("s1", ((5, 5),), evicted=True),
    ]
    return (b"".join(frame(one, 0) for one in made),)


def _outbox(data: bytes) -> None:
    """What is read of a file would be written so; behind it is a torn tail."""
    found = read(data)
    written = b"".join(frame(one.content, one.durable) for one in found)
    assert data.startswith(written)


def _frame(data: bytes) -> None:
    """The inside of a frame whose checksum is right."""
    import struct
    import zlib

    rest = struct.pack(">IQ", len(data), 0) + data
    read(frame(Head("mill-01"), 0) + zlib.crc32(rest).to_bytes(4, "big") + rest)


def _frame_seeds() -> list[bytes]:
    found, at = [], 0
    for one in read(outbox()[0]):
        found.append(outbox()[0][at + 16 : one.end])
        at = one.end
    return found


def _trust(data: bytes) -> None:
    """What a fleet hears on the ledger's topics: believed, or counted as refused."""
    trust = Trust(
        ReceiptVerifier(OPERATOR.verifier, LOG.name),
        CheckpointVerifier(Policy.from_bytes(policy())),
    )
    trust.take_checkpoint(data)
    trust.take_collector(data)
    trust.check(data)


DEEP = (
    b"[[[[",
    b"- - - ",
    b"{a: {a: ",
    b"&a [*a]",
    b"? ",
    b"!!python/object:os.system x",
    b"<<: *mill",
)
DATES = (
    b"0001-01-01T00:00:00+23:59",
    b"2026-99-99",
    b"9999-12-31T23:59:59-23:59",
    b"1e999999",
    b"0x" + b"f" * 5000,
)

TARGETS = [
    Target(
        "scenario",
        _scenario,
        (BadScenario,),
        scenarios,
        (*DEEP, *DATES, b"count: 1000000000", LAUGHS),
        factor=8000,
        base=32 << 20,
        longest=1 << 12,
        swollen=1 << 8,
    ),
    Target(
        "scenario-file",
        _file,
        (BadScenario,),
        lambda: [SMALL],
        (b"\xff\xfe", b"\xc3"),
        factor=8000,
        base=32 << 20,
        longest=1 << 10,
        swollen=1 << 6,
    ),
    Target(
        "fault",
        lambda data: read_fault(text(data)),
        (BadScenario,),
        lambda: [b"spikes:mill-01/power@30+60,by=3,share=0.1", b"drift:mill-01/power@1h+2h"],
        (b"@", b"+", b",by=", b"9" * 400, b"1e999"),
    ),
    Target("outbox", _outbox, (OutboxDamaged,), outbox),
    Target(
        "outbox-frame",
        _frame,
        (OutboxDamaged,),
        _frame_seeds,
        (b"null", b"[]", b"{}", b"[[[[", b'"recorded":'),
    ),
    Target("heard", _trust, (), lambda: [cosigned(), *entries()[:2], receipts()[0]]),
]
