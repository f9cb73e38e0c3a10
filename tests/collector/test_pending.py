"""Receipts that wait: each committed message in one, in time, and at a bounded cost."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.batch import Receipted
from collector.pending import FREE, LATEST, SHARE, Pending
from collector.receipting import owed
from telemetry.receipt import ReceiptLeaf, bodies_digest

MANY = 10**6


def body(device, seq):
    return f"{device} {seq}".encode().ljust(32, b".")


def topic(device, prefix=""):
    return f"{prefix}acme/site/hall/line/{device}/telemetry"


def message(seq, device="press-1", *, again=False, prefix="", collector="c", session="s"):
    number = (device, session, seq)
    return Receipted(topic(device, prefix), number, body(device, seq), collector, again)


def leaves(pieces):
    return [ReceiptLeaf.from_bytes(one.leaf) for one in owed(pieces)]


def seqs(leaf):
    return [seq for first, last in leaf.ranges for seq in range(first, last + 1)]


def add(pending, *messages, now=0.0, anchored_by=1000):
    fresh = sum(not one.again for one in messages)
    pending.stored(fresh)
    pending.add(messages, now=now, anchored_by=anchored_by)


def exhausted(now=0.0, **how):
    """Nothing is left to pay with at this moment."""
    pending = Pending(**how)
    for n in range(int(FREE)):
        pending.add([message(0, f"early-{n}")], now=now, anchored_by=1)
    assert len(pending.due(now, room=MANY)) == FREE
    return pending


def test_a_small_factory_has_its_receipts_at_once():
    pending = Pending()
    for second in range(100):
        add(pending, *[message(second, f"press-{n}") for n in range(50)], now=float(second))
        assert len(pending.due(float(second), room=MANY)) == 50


def test_what_waits_grows_into_one_receipt():
    pending = exhausted()
    for seq in (0, 1, 2, 5, 6, 9):
        add(pending, message(seq), now=seq / 1000)
    (leaf,) = leaves(pending.due(1.0, room=MANY))
    assert leaf.ranges == ((0, 2), (5, 6), (9, 9))
    assert leaf.bodies == bodies_digest(body("press-1", seq) for seq in (0, 1, 2, 5, 6, 9))
    assert not pending.due(MANY, room=MANY)


def test_the_oldest_goes_first_and_the_latest_goes_whatever_it_costs():
    pending = exhausted()
    for n in range(200):
        pending.add([message(0, f"press-{n}")], now=n / 1000, anchored_by=1)
    assert not pending.due(0.0, room=MANY)
    paid = pending.due(0.5, room=MANY)
    assert [piece.place[0] for piece in paid] == [f"press-{n}" for n in range(25)]
    pending.due(LATEST + 0.0245, room=0)  # time passes, nothing can go
    late = pending.due(LATEST + 0.15, room=MANY)
    assert [piece.place[0] for piece in late[:126]] == [f"press-{n}" for n in range(25, 151)]


def test_its_promise_is_that_of_its_oldest_message():
    pending = exhausted()
    add(pending, message(0), now=0.0, anchored_by=1000)
    add(pending, message(1), now=1.0, anchored_by=2000)
    add(pending, message(2), now=2.0, anchored_by=500)  # the wall clock was set back
    (leaf,) = leaves(pending.due(3.0, room=MANY))
    assert leaf.anchored_by == 500


def test_repeats_have_receipts_of_their_own_in_runs_without_a_gap():
    """Else a stranger who repeats what an outbox has forgotten would spoil all of it."""
    pending = Pending()
    again = [message(seq, again=True) for seq in (3, 40, 41, 42, 7)]
    add(pending, message(50), *again, message(51))
    found = [leaf.ranges for leaf in leaves(pending.due(0.0, room=MANY))]
    assert found == [((3, 3),), ((7, 7),), ((40, 42),), ((50, 51),)]


def test_a_repeat_of_what_still_waits_is_not_receipted_twice():
    pending = exhausted()
    add(pending, message(0), message(1), message(1, again=True), message(0, again=True))
    add(pending, message(9, again=True), message(9, again=True))
    assert [leaf.ranges for leaf in leaves(pending.due(1.0, room=MANY))] == [((0, 1),), ((9, 9),)]


def test_a_repeat_is_answered_where_it_came_from():
    pending = Pending()
    add(pending, message(0), message(0, again=True, prefix="bridge/"))
    (one,) = owed(pending.due(0.0, room=MANY))
    assert one.topics == (
        "acme/site/hall/line/press-1/receipt",
        "bridge/acme/site/hall/line/press-1/receipt",
    )


def test_a_thousand_prefixes_are_no_receipt_of_a_thousand_topics():
    pending = exhausted()
    add(pending, message(0))
    add(pending, *[message(0, again=True, prefix=f"p{n}/") for n in range(1000)])
    pieces = pending.due(LATEST, room=MANY)
    assert max(len(piece.topics) for piece in pieces) <= 4
    assert len({topic for one in owed(pieces) for topic in one.topics}) == 1001


def test_long_pieces_and_many_ranges_are_broken_up():
    pending = exhausted()
    add(pending, *[message(seq) for seq in range(10_000)])
    add(pending, *[message(2 * seq, "press-2") for seq in range(1000)])
    found = leaves(pending.due(LATEST, room=MANY))
    assert max(len(seqs(leaf)) for leaf in found) == 4096
    assert max(len(leaf.ranges) for leaf in found) == 256
    assert sum(len(seqs(leaf)) for leaf in found) == 11_000


def test_no_more_than_the_connection_takes_and_the_rest_stays():
    pending = Pending()
    add(pending, *[message(0, f"press-{n}") for n in range(40)])
    assert not pending.due(0.0, room=0)
    assert len(pending.due(0.0, room=10)) == 10
    assert len(pending.rest(room=20)) == 20
    assert len(pending.rest(room=20)) == 10
    assert len(pending) == 0


def test_too_much_that_waits_goes_at_once():
    pending = exhausted(most=100)
    add(pending, *[message(0, f"press-{n}") for n in range(180)])
    assert len(pending.due(0.0, room=MANY)) == 80
    assert len(pending) == 100


@pytest.mark.parametrize(("machines", "interval"), [(1000, 1), (10_000, 1), (10_000, 10)])
def test_what_it_costs(machines, interval):
    """5 % of the messages where machines speak every second; the latest moment where they rest."""
    pending, seconds, sent, messages = Pending(), 120, 0, 0
    oldest = 0.0
    for tick in range(4 * seconds):
        now = tick / 4
        speaking = range(tick % (4 * interval), machines, 4 * interval)
        batch = [message(int(now // interval), f"m-{n}") for n in speaking]
        pending.stored(len(batch))
        pending.add(batch, now=now, anchored_by=1)
        pieces = pending.due(now, room=MANY)
        oldest = max([oldest, *(now - piece.since for piece in pieces)])
        sent, messages = sent + len(pieces), messages + len(batch)
    assert oldest <= LATEST + 0.25
    assert sent <= FREE + max(FREE * seconds, SHARE * messages, seconds / LATEST * machines)
    if interval == 1:
        assert sent <= FREE + max(SHARE * messages, FREE * seconds)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("new"), st.sampled_from("abc"), st.integers(1, 5)),
        st.tuples(st.just("skip"), st.sampled_from("abc"), st.integers(1, 3)),
        st.tuples(st.just("again"), st.sampled_from("abc"), st.integers(0, 30)),
        st.tuples(st.just("wait"), st.just(""), st.integers(0, 15)),
        st.tuples(st.just("due"), st.just(""), st.integers(0, 5)),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(steps=STEPS, poor=st.booleans())
def test_each_committed_message_is_in_a_receipt_whatever_comes_between(steps, poor):
    pending, now = exhausted() if poor else Pending(), 0.0
    committed, next_seq, waiting_since, told, repeats = set(), Counter(), {}, [], 0

    def check(pieces):
        for leaf in leaves(pieces):
            numbers = [(leaf.device, seq) for seq in seqs(leaf)]
            assert committed.issuperset(numbers)  # none before its commit
            assert leaf.bodies == bodies_digest(body(*number) for number in numbers)
            told.extend(numbers)
            for number in numbers:
                waiting_since.pop(number, None)

    for step, device, amount in steps:
        if step == "new":
            batch = [message(next_seq[device] + n, device) for n in range(amount)]
            next_seq[device] += amount
        elif step == "again":
            batch = [
                message(seq, device, again=True) for seq in [amount] if (device, seq) in committed
            ]
        else:
            batch = []
            next_seq[device] += amount if step == "skip" else 0
            now += amount if step == "wait" else 0
        for one in batch:
            repeats += one.again
            committed.add((one.number[0], one.number[2]))
            waiting_since.setdefault((one.number[0], one.number[2]), now)
        add(pending, *batch, now=now)
        if step == "due":
            check(pending.due(now, room=amount))
            late = [number for number, since in waiting_since.items() if now - since >= LATEST]
            check(pending.due(now, room=MANY))
            assert not waiting_since.keys() & set(late)
    check(pending.rest(room=MANY))
    assert not waiting_since
    assert set(told) == committed
    assert len(told) <= len(committed) + repeats
