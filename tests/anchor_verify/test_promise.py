"""A receipt's promise: kept, open, broken or not to be told, by what evidence."""

from dataclasses import replace
from hashlib import sha256

import pytest
from verify_logs import MemorySource
from verify_world import ORIGIN, US, World, seed, small_world

from anchor.errors import Malformed, Missing, Refused
from anchor.key_entry import revoke
from anchor.note import SignerKey
from anchor.proving.promise import State, Verdict
from anchor.proving.promise_evidence import PromiseVerifier
from anchor.proving.prove import ProvingLog, prove
from anchor.reading.log_reader import LogReader
from anchor.receipts import ReceiptTree
from telemetry.receipt import ReceiptLeaf, as_ranges, bodies_digest
from telemetry.rows import MessageRow

LATER = 10**6 * US


def rows_of(world: World, device: str) -> list[MessageRow]:
    return [row for row in world.ledger.message_rows if row.device == device]


def receipt(
    world: World,
    rows: list[MessageRow],
    *,
    by: int,
    key: SignerKey | None = None,
    collector: str | None = None,
) -> bytes:
    """What the collector of these rows would say of them."""
    first = rows[0]
    leaf = ReceiptLeaf(
        collector=collector or first.collector,
        device=first.device or "",
        session=first.session or "",
        ranges=as_ranges(row.seq for row in rows if row.seq is not None),
        bodies=bodies_digest(row.body_hash or b"" for row in rows),
        anchored_by=by,
    )
    signer = key or world.collectors["c0"].key
    return ReceiptTree(signer).seal([leaf.to_bytes()])[0]


def log_of(world: World) -> ProvingLog:
    reader = LogReader(MemorySource(world.published), world.anchor.verifier)
    return ProvingLog.scan(reader, world.policy)


def judged(world: World, payload: bytes, *, store: bool = True, now: int | None = None) -> Verdict:
    verifier = PromiseVerifier(
        world.policy, log=log_of(world), ledger=world.ledger if store else None
    )
    return verifier.judge(payload, now=world.now * US if now is None else now)


def unanchored(world: World, fleet: list) -> list[MessageRow]:
    """Two messages that are committed, and in no checkpoint of the anchor log."""
    return world.collect("c0", [fleet[0].message(world.time()) for _ in range(2)])


def test_kept_when_every_message_is_anchored_in_time() -> None:
    world, _ = small_world()
    rows = rows_of(world, "mill-0")
    verdict = judged(world, receipt(world, rows, by=world.now * US + LATER), now=2 * LATER * 10**6)
    assert verdict.state is State.KEPT
    text = "\n".join(verdict.lines())
    assert "6 messages of machine mill-0, session s1: seq 0 to 5" in text
    assert f"{ORIGIN}/collector/c0" in text
    assert verdict.to_json()["ranges"] == [[0, 5]]


def test_kept_by_the_earliest_checkpoint_that_contains_them() -> None:
    world, _ = small_world()
    rows = rows_of(world, "mill-0")[:2]
    first = world.cosigned_at[0] + 1  # when the second witness had cosigned
    assert "anchored not after" in judged(world, receipt(world, rows, by=first * US)).reason
    early = judged(world, receipt(world, rows, by=first * US - 1))
    assert early.state is State.KEPT
    assert "none shows that they were late" in early.reason


def test_open_before_its_time() -> None:
    world, fleet = small_world()
    rows = unanchored(world, fleet)
    assert judged(world, receipt(world, rows, by=world.now * US + LATER)).state is State.OPEN


def test_broken_when_a_later_checkpoint_does_not_contain_them() -> None:
    world, fleet = small_world()
    rows = unanchored(world, fleet)
    payload = receipt(world, rows, by=world.now * US)
    world.pending = []  # the anchor passes the batch over
    world.anchor_now()
    verdict = judged(world, payload)
    assert verdict.state is State.BROKEN
    assert "the anchor log does not" in verdict.reason


def test_broken_when_they_came_too_late() -> None:
    world, fleet = small_world()
    rows = unanchored(world, fleet)
    payload, held = receipt(world, rows, by=world.now * US), world.pending
    world.pending = []
    world.anchor_now()  # after the deadline, and without them
    world.pending = held
    world.anchor_now()
    verdict = judged(world, payload)
    assert verdict.state is State.BROKEN
    assert "came too late" in verdict.reason


@pytest.mark.parametrize("loss", ["row", "body"])
def test_broken_when_the_store_lacks_what_was_receipted(loss: str) -> None:
    """The collector said that it has them; its store has not, or has others."""
    world, fleet = small_world()
    rows = rows_of(world, "mill-0")
    lying = [*rows, replace(rows[-1], seq=6)] if loss == "row" else rows
    if loss == "body":
        lying = [*rows[:-1], replace(rows[-1], body_hash=bytes(32))]
    payload = receipt(world, lying, by=world.now * US)
    assert judged(world, payload).state is State.OPEN  # not yet: it may still come
    world.collect("c0", [fleet[1].message(world.time())])
    world.anchor_now()
    verdict = judged(world, payload)
    assert verdict.state is State.BROKEN
    assert ("no message 6" if loss == "row" else "other messages") in verdict.reason


def test_a_changed_store_is_no_evidence() -> None:
    world, _ = small_world()
    payload = receipt(world, rows_of(world, "mill-0"), by=world.now * US)
    world.ledger.message_rows[0] = replace(world.ledger.message_rows[0], received_at=5)
    with pytest.raises(Refused, match="not what was anchored"):
        judged(world, payload)


def test_this_computers_clock_breaks_no_promise_where_witnesses_tell_the_time() -> None:
    world, fleet = small_world()
    payload = receipt(world, unanchored(world, fleet), by=world.now * US + LATER)
    verdict = judged(world, payload, now=world.now * US + 2 * LATER)
    assert verdict.state is State.UNDECIDED
    assert "give a newer state" in verdict.reason


def test_without_witnesses_this_computers_clock_decides() -> None:
    world, fleet = small_world(witnesses=0)
    payload = receipt(world, unanchored(world, fleet), by=world.now * US + LATER)
    verdict = judged(world, payload, now=world.now * US + 2 * LATER)
    assert verdict.state is State.BROKEN
    assert "no witness tells the time" in verdict.reason
    kept = judged(world, receipt(world, rows_of(world, "mill-1"), by=1))
    assert kept.state is State.KEPT


def test_proofs_show_what_is_kept_without_store_and_log() -> None:
    world, _ = small_world()
    rows = rows_of(world, "mill-1")[:2]
    log = log_of(world)
    files = [
        prove(ledger=world.ledger, log=log.reader, policy=world.policy, row=row).to_bytes()
        for row in rows
    ]
    proofs = PromiseVerifier.verified_proofs(files, world.policy)
    payload = receipt(world, rows, by=world.now * US)
    now = world.now * US + 1
    assert PromiseVerifier(world.policy, proofs=proofs).judge(payload, now=now).state is State.KEPT
    some = PromiseVerifier(world.policy, proofs=proofs[:1]).judge(payload, now=now)
    assert some.state is State.UNDECIDED


def test_the_log_alone_shows_a_collector_that_anchored_nothing() -> None:
    world, fleet = small_world()
    rows = unanchored(world, fleet)
    few = receipt(world, rows, by=world.now * US)
    many = receipt(world, [replace(rows[0], seq=n) for n in range(100)], by=world.now * US)
    world.pending = []
    world.anchor_now()
    assert judged(world, few, store=False).state is State.UNDECIDED
    assert judged(world, many, store=False).state is State.BROKEN


def test_the_stores_of_other_collectors_break_no_promise_of_this_one() -> None:
    """Who was not given its store has not seen that anything is missing: say which to give."""
    world, _ = small_world()
    payload = receipt(world, rows_of(world, "mill-0"), by=world.now * US)
    world.anchor_now()
    world.ledger.collector_rows = [replace(world.ledger.collector_rows[0], id="c1")]
    verdict = judged(world, payload, now=LATER * US)
    assert verdict.state is State.UNDECIDED
    assert "None of the stores that were read is that of collector c0" in verdict.reason
    assert "Give its store (--database)" in verdict.reason
    without = judged(world, payload, store=False, now=LATER * US)
    assert without.state is State.UNDECIDED
    assert "None of the stores" not in without.reason


def test_nothing_but_the_operators_word_says_whose_key_it_is() -> None:
    world, _ = small_world()
    rows = rows_of(world, "mill-0")
    thief = SignerKey.from_seed(f"{ORIGIN}/collector/c0", seed(777))
    unknown = SignerKey.from_seed(f"{ORIGIN}/collector/c9", seed(778))
    for key in (thief, unknown):
        with pytest.raises(Refused):
            judged(world, receipt(world, rows, by=1, key=key))
    with pytest.raises(Malformed):
        judged(world, b"no receipt")
    with pytest.raises(Missing, match="--log"):
        PromiseVerifier(world.policy).judge(receipt(world, rows, by=1), now=0)


def test_a_revocation_of_the_collectors_key_does_not_take_the_promise_back() -> None:
    world, fleet = small_world()
    payload = receipt(world, unanchored(world, fleet), by=world.now * US)
    index = log_of(world).index
    prior = sha256(index.view.entry(index.enrolled["c0"])).digest()
    world.pending = [
        revoke(operator=world.operator, kind="collector", name="c0", prior=prior, time=world.time())
    ]
    world.anchor_now()
    assert judged(world, payload).state is State.BROKEN


def test_a_receipt_that_another_collector_signed_is_about_the_one_it_names() -> None:
    world, _ = small_world()
    world.add_collector("c1")
    world.collect("c1", [("a/b", b"x")])
    world.anchor_now()
    rows = rows_of(world, "mill-0")
    payload = receipt(world, rows, by=world.now * US, key=world.collectors["c1"].key)
    assert judged(world, payload).state is State.KEPT
    elsewhere = receipt(world, rows, by=1, collector="c1")
    assert judged(world, elsewhere).state is State.BROKEN
