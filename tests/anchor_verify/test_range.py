"""One proof of a machine's messages of a time: what it shows, how large it is, what it refuses."""

import json
from dataclasses import replace
from hashlib import sha256
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verify_logs import MemorySource
from verify_world import START, US, Machine, MemoryLedger, World, machines, small_world

from anchor.errors import Malformed, Missing, Refused
from anchor.merkle import leaf_hash, tree_root
from anchor.proving.prove import ProvingLog
from anchor.proving.range_prove import prove_range
from anchor.proving.range_verify import verify_range
from anchor.range_file import ErasedMessage, RangeFile, is_range_file
from anchor.range_verified import VerifiedRange
from anchor.reading.log_reader import LogReader
from anchor.shared_paths import check_shared, shared_path
from telemetry.rows import MessageRow


class RangedLedger(MemoryLedger):
    """A store in memory that is asked for a time."""

    def between(self, device: str, start: int, stop: int) -> list[MessageRow]:
        return [
            row
            for row in self.message_rows
            if row.status == "accepted" and row.device == device and start <= (row.time or 0) < stop
        ]


def ranged(world: World) -> RangedLedger:
    return RangedLedger(
        **{name: getattr(world.ledger, name) for name in MemoryLedger.__dataclass_fields__}
    )


# -- shared paths ------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(1, 300), st.data())
def test_any_leaves_share_one_path(size: int, data: st.DataObject) -> None:
    hashes = [leaf_hash(b"%d" % i) for i in range(size)]
    places = sorted(data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=size)))
    path = shared_path(places, size, lambda a, b: tree_root(hashes[a:b]))
    leaves = {place: hashes[place] for place in places}
    root = tree_root(hashes)
    check_shared(leaves, size=size, hashes=path, root=root)
    wrong = [
        dict(leaves=leaves, hashes=(*path, bytes(32))),
        dict(leaves=leaves, hashes=path[:-1] if path else (bytes(32),)),
        dict(leaves={**leaves, places[0]: bytes(32)}, hashes=path),
        dict(leaves={**leaves, size: bytes(32)}, hashes=path),
        dict(leaves={**leaves, places[0]: bytes(31)}, hashes=path),
        dict(leaves={}, hashes=path),
    ]
    for claim in wrong:
        with pytest.raises(Refused):
            check_shared(claim["leaves"], size=size, hashes=claim["hashes"], root=root)
    for at, step in enumerate(path):
        other = (*path[:at], sha256(step).digest(), *path[at + 1 :])
        with pytest.raises(Refused):
            check_shared(leaves, size=size, hashes=other, root=root)


def test_places_that_are_no_leaves_have_no_path() -> None:
    for places in ([], [3], [-1], [1, 0], [1, 1]):
        with pytest.raises(ValueError, match="no leaves"):
            shared_path(places, 3, lambda _, __: bytes(32))


# -- ranges ------------------------------------------------------------------------------------


def told(
    world: World, device: str, start: int, stop: int, metric: str | None = None
) -> tuple[bytes, VerifiedRange]:
    """The proof of what a machine made from second `start` until before `stop` after the start."""
    known = ProvingLog.scan(
        LogReader(MemorySource(world.published), world.anchor.verifier), world.policy
    )
    file = prove_range(
        ledger=ranged(world),
        known=known,
        device=device,
        start=(START + start) * US,
        stop=(START + stop) * US,
        metric=metric,
    ).to_bytes()
    return file, verify_range(file, world.policy)


def filled(*gone: int) -> tuple[World, Machine]:
    """A machine that measures once a second from second 100 on, among two others; some lost."""
    world, fleet = small_world()
    world.anchor_now()
    world.cite(*fleet)
    machine = fleet[0]
    base = machine.seq
    for second in range(100, 130):
        batch = []
        for each in fleet:
            sent = each.message((START + second) * US, temperature=20.0 + second, load=0.5)
            if each is not machine or each.seq - 1 - base not in gone:
                batch.append(sent)
        world.collect("c0", batch)
    world.anchor_now()
    return world, machine


def test_all_of_a_time_is_proved_with_what_stands_before_and_after() -> None:
    world, machine = filled()
    file, found = told(world, machine.name, 105, 115)
    assert len(found.within) == 10
    assert len(found.messages) == 12
    assert (found.missing, found.broken) == ([], [])
    assert [one.value for one in found.readings if one.metric == "temperature"] == [
        20.0 + second for second in range(105, 115)
    ]
    text = "\n".join(found.lines())
    assert "10 messages are what machine" in text
    assert "Measured: temperature, 10 readings from" in text
    assert "lowest 125.0, highest 134.0" in text
    assert "Nothing is missing in session s1" in text
    assert "nothing was made in that time before" not in text
    assert "nothing was made in that time after" not in text
    assert "The first was signed not before" in text
    assert "All were there not after" in text
    assert is_range_file(file)
    assert RangeFile.from_bytes(file).to_bytes() == file
    assert json.loads(json.dumps(found.to_json()))["messages"] == 10


def test_one_metric_alone_is_told() -> None:
    world, machine = filled()
    _, found = told(world, machine.name, 105, 115, "load")
    assert {one.metric for one in found.readings} == {"load"}
    assert "temperature" not in "".join(found.lines())
    _, none = told(world, machine.name, 105, 115, "colour")
    assert any("measured no colour" in line for line in none.lines())


def test_what_is_missing_is_said() -> None:
    world, machine = filled(7, 8, 9, 12)
    _, found = told(world, machine.name, 100, 120)
    first = found.messages[0].seq + 1  # a neighbour stands before
    assert found.missing == [("s1", first + 7, first + 9), ("s1", first + 12, first + 12)]
    text = "\n".join(found.lines())
    assert f"messages {first + 7} to {first + 9} are not in this proof" in text
    assert f"message {first + 12} is not in this proof" in text
    assert "Nothing is missing" not in text


def test_the_ends_are_open_where_no_neighbour_shows_otherwise() -> None:
    world, machine = filled()
    _, found = told(world, machine.name, 120, 200)
    assert any("after the last message here" in gap for gap in found.not_proven())
    assert not any("before the first message here" in gap for gap in found.not_proven())


def test_messages_that_a_prover_leaves_out_are_missed() -> None:
    """The whole proof made anew without two of its messages: it verifies, and says what lacks."""
    world, machine = filled()
    ledger = ranged(world)
    left_out = {108, 109}
    kept = [
        row
        for row in ledger.message_rows
        if row.device != machine.name or (row.time or 0) // US - START not in left_out
    ]
    known = ProvingLog.scan(
        LogReader(MemorySource(world.published), world.anchor.verifier), world.policy
    )
    file = prove_range(
        ledger=replace(ledger, message_rows=kept),
        known=known,
        device=machine.name,
        start=(START + 105) * US,
        stop=(START + 115) * US,
    )
    found = verify_range(file.to_bytes(), world.policy)
    assert [last - first + 1 for _, first, last in found.missing] == [2]


def test_a_rotated_key_and_a_new_session_are_told() -> None:
    world, fleet = small_world()
    machine = fleet[0]
    prior = sha256(world.requests[0]).digest()
    first = [machine.message((START + 100) * US), machine.message((START + 101) * US)]
    world.collect("c0", first)
    new = type(machine.key).from_seed(bytes(range(32)))
    old = machine.key
    world.rotate_device(machine, new, prior)
    machine.restart("s2")
    world.collect("c0", [machine.message((START + 102) * US)])
    world.anchor_now()
    _, found = told(world, machine.name, 100, 110)
    keys = {one.message.key for one in found.messages if one.message}
    assert keys == {old.key_id, new.key_id}
    assert list(found.sessions) == ["s1", "s2"]
    assert not any("lies between session" in gap for gap in found.not_proven())


def test_an_erased_message_counts_and_says_nothing() -> None:
    world, machine = filled()
    ledger = world.ledger
    for at, row in enumerate(ledger.message_rows):
        if row.device == machine.name and (row.time or 0) // US - START == 107:
            ledger.message_rows[at] = replace(row, payload=None)
    file, found = told(world, machine.name, 105, 115)
    assert sum(isinstance(m, ErasedMessage) for m in RangeFile.from_bytes(file).parts[0].messages)
    assert len([one for one in found.readings if one.metric == "load"]) == 9
    assert any("payloads are erased" in gap for gap in found.not_proven())
    assert found.missing == []
    assert "9 messages are what machine" in found.lines()[0], "none vouches for the tenth"
    assert any("that the machine signed them" in gap for gap in found.not_proven())


def test_what_a_later_message_cites_bounds_no_earlier_one_that_came_late() -> None:
    world, fleet = small_world()
    machine = fleet[0]
    machine.restart("s2")
    machine.cited = None
    late = machine.message((START + 100) * US)
    world.anchor_now()
    world.cite(machine)
    world.collect("c0", [machine.message((START + 101) * US)])
    world.collect("c0", [late])
    world.anchor_now()
    _, found = told(world, machine.name, 100, 102)
    assert [one.seq for one in found.within] == [0, 1]
    assert found.not_before is None
    assert any("after which time the first" in gap for gap in found.not_proven())


def test_what_two_collectors_hold_is_one_range() -> None:
    world, fleet = small_world()
    world.add_collector("c1")
    machine = fleet[0]
    for second, name in enumerate(("c0", "c1", "c0", "c1"), 100):
        world.collect(name, [machine.message((START + second) * US)])
    world.anchor_now()
    _, found = told(world, machine.name, 100, 104)
    assert set(found.collectors) == {"c0", "c1"}
    assert (len(found.within), found.missing, found.broken) == (4, [], [])


def test_nothing_and_what_is_not_anchored_is_missing() -> None:
    world, machine = filled()
    with pytest.raises(Missing, match="was made in that time"):
        told(world, machine.name, 500, 600)
    world.collect("c0", [machine.message((START + 500) * US)])
    with pytest.raises(Missing, match="not anchored yet"):
        told(world, machine.name, 500, 600)


@pytest.mark.parametrize("change", [{"received_at": 1}, {"payload": b"{}"}, {"topic": "x"}])
def test_a_row_that_was_tampered_with_is_not_proved(change: dict[str, object]) -> None:
    world, machine = filled()
    for at, row in enumerate(world.ledger.message_rows):
        if row.device == machine.name and (row.time or 0) // US - START == 107:
            world.ledger.message_rows[at] = replace(row, **change)  # type: ignore[arg-type]
    with pytest.raises(Refused, match=r"tampered with|is not what"):
        told(world, machine.name, 105, 115)


def test_another_policy_refuses_it() -> None:
    world, machine = filled()
    file, _ = told(world, machine.name, 105, 108)
    other = World()
    other.policy = replace(world.policy, operator=other.anchor.verifier)
    with pytest.raises(Refused, match="key entries"):
        verify_range(file, other.policy)
    with pytest.raises(Malformed, match="names no operator"):
        verify_range(file, replace(world.policy, operator=None))


# -- mutations ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small() -> tuple[World, bytes]:
    world, machine = filled()
    return world, told(world, machine.name, 105, 109)[0]


def test_every_changed_byte_is_refused(small: tuple[World, bytes]) -> None:
    """Every place once, by a seeded change; nothing but Refused is ever raised."""
    world, file = small
    random = Random(5)
    changed = 0
    for at in range(0, len(file), 3):
        other = bytes([file[at] ^ random.randrange(1, 256)])
        with pytest.raises(Refused):
            verify_range(file[:at] + other + file[at + 1 :], world.policy)
        changed += 1
    assert changed > 2000


def test_parts_of_messages_that_change_places_are_refused(small: tuple[World, bytes]) -> None:
    world, file = small
    whole = RangeFile.from_bytes(file)
    [part] = whole.parts
    messages = part.messages
    first = messages[0]
    assert not isinstance(first, ErasedMessage)
    for wrong in (
        replace(part, messages=messages[1:]),
        replace(part, messages=messages[::-1]),
        replace(part, messages=(messages[0], *messages)),
        replace(part, messages=()),
        replace(part, messages=(replace(first, position=first.position + 1), *messages[1:])),
        replace(part, messages=(replace(first, entry=0), *messages[1:])),
        replace(part, messages=(replace(first, entry=9), *messages[1:])),
        replace(part, messages=(replace(first, topic=9), *messages[1:])),
        replace(part, hashes=part.hashes[1:]),
        replace(part, hashes=(*part.hashes, bytes(32))),
        replace(part, keys=part.keys[:1]),
        replace(part, keys=part.keys[::-1]),
        replace(part, keys=()),
        replace(part, cited=part.checkpoint),
    ):
        with pytest.raises(Refused):
            verify_range(replace(whole, parts=(wrong,)).to_bytes(), world.policy)
    for file_ in (
        replace(whole, device="other"),
        replace(whole, parts=()),
        replace(whole, parts=(part, part)),
        replace(whole, start=whole.stop),
    ):
        with pytest.raises(Refused):
            verify_range(file_.to_bytes(), world.policy)


def test_a_message_of_another_length_is_refused(small: tuple[World, bytes]) -> None:
    """Neither whole nor erased: it has one of two lengths."""
    _, file = small
    for wrong in (b"[]", b"[1]", b"[1,2,3]", b'"ab"', b"{}", b"[1,2,3,4,5,6,7,8,9]"):
        changed = file.replace(b'"messages":[', b'"messages":[' + wrong + b",", 1)
        with pytest.raises(Malformed):
            RangeFile.from_bytes(changed)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b'{"factoryledger":"range proof","version":2}\n',
        b'{"factoryledger":"range proof","version":1}\n',
        b'{"factoryledger":"proof","version":1}\n',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_what_is_no_range_file_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        RangeFile.from_bytes(data)


# -- size --------------------------------------------------------------------------------------


def test_the_proof_grows_slower_than_what_it_proves() -> None:
    """Bytes for each message at 1, 100 and 1,000, one of two machines."""
    world = World(witnesses=3)
    fleet = machines(2)
    for machine in fleet:
        world.enrol_device(machine)
    world.add_collector("c0")
    for start in range(0, 1100, 100):
        sent = [m.message((START + s) * US) for s in range(start, start + 100) for m in fleet]
        world.collect("c0", sent)
    world.anchor_now()
    each = {}
    for count in (1, 100, 1000):
        file, found = told(world, fleet[0].name, 50, 50 + count)
        assert len(found.within) == count
        each[count] = len(file) / count
    print(f"\nbytes a message: { {n: round(size) for n, size in each.items()} }")  # noqa: T201
    assert each[100] < each[1] / 8
    assert each[1000] < each[100]
    assert each[1000] < 1100
