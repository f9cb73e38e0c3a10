"""What is to be sent now: windows, resends, backoff; time and chance are arguments."""

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.chain import Entry
from simulator.delivery import Delivery


@cache
def entry(seq):
    return Entry("telemetry", ("s", seq), b"", bytes(32))


def delivery(**settings_):
    given_ = {"chance": lambda: 1.0, "window": 4, "resend_after": 5.0, "resend_limit": 20.0}
    return Delivery(**(given_ | settings_))


def drained(way, now):
    sent = []
    while (one := way.next(now)) is not None:
        sent.append(one.seq)
    return sent


def test_oldest_first_and_no_more_than_the_window():
    way = delivery()
    way.offer(entry(n) for n in range(7))
    assert drained(way, 0.0) == [0, 1, 2, 3]
    assert drained(way, 1.0) == []
    way.gone([entry(1), entry(2)], receipted=True)
    assert drained(way, 1.0) == [4, 5]
    assert way.resent == 0


def test_what_has_no_receipt_is_sent_again_before_what_is_new_and_ever_later():
    way = delivery(window=100)
    way.offer([entry(0), entry(1)])
    assert drained(way, 0.0) == [0, 1]
    way.offer([entry(2)])
    assert way.resend_at() == 5.0
    way.resend_due(4.9)
    assert drained(way, 4.9) == [2]
    way.offer([entry(3)])
    way.resend_due(5.0)
    assert drained(way, 5.0) == [0, 1, 3]
    assert way.resent == 2
    assert way.resend_at() == 4.9 + 10.0
    way.resend_due(14.9)
    assert way.resend_at() == 5.0 + 20.0
    assert drained(way, 14.9) == [2]
    way.resend_due(25.0)
    assert way.resend_at() == 14.9 + 20.0  # no wait is longer than the limit


def test_a_receipt_brings_the_wait_back():
    way = delivery()
    way.offer([entry(0), entry(1)])
    for now in (0.0, 5.0, 15.0):
        way.resend_due(now)
        assert drained(way, now) == [0, 1]
    assert way.resend_at() == 35.0
    way.gone([entry(0)], receipted=True)
    assert way.resend_at() == 20.0


def test_the_window_halves_while_nobody_answers_and_doubles_with_receipts():
    way = delivery(window=300)
    way.offer(entry(n) for n in range(500))
    sent, now = [len(drained(way, 0.0))], 0.0
    for _ in range(4):
        now += 100.0
        way.resend_due(now)
        sent.append(len(drained(way, now)))
    assert sent == [300, 150, 75, 64, 64]
    for first, expected in enumerate((128, 256, 300, 300)):
        way.gone([entry(first)], receipted=True)
        drained(way, now)
        assert len(way._out) == expected


def test_an_eviction_does_not_bring_the_wait_back():
    way = delivery()
    way.offer([entry(0), entry(1)])
    drained(way, 0.0)
    way.resend_due(5.0)
    drained(way, 5.0)
    way.gone([entry(0)], receipted=False)
    assert way.resend_at() == 15.0


def test_waits_are_jittered_between_nine_tenths_and_the_whole():
    assert delivery(chance=lambda: 0.0)._wait == 4.5
    assert delivery(chance=lambda: 1.0)._wait == 5.0


def test_a_new_connection_sends_all_again():
    way = delivery()
    way.offer(entry(n) for n in range(6))
    assert drained(way, 0.0) == [0, 1, 2, 3]
    way.gone([entry(0)], receipted=True)
    way.restart(entry(n) for n in range(1, 6))
    assert drained(way, 1.0) == [1, 2, 3, 4]
    assert way.resent == 3
    way.gone([entry(5)], receipted=False)
    assert way.next(1.0) is None


def test_what_is_queued_or_out_is_not_queued_twice():
    way = delivery()
    way.offer([entry(0), entry(1), entry(0)])
    assert drained(way, 0.0) == [0, 1]
    way.offer([entry(0), entry(1)])
    assert drained(way, 0.0) == []


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["offer", "send", "gone", "later", "bounce", "anew"]),
                          st.integers(0, 12)), max_size=40))  # fmt: skip
def test_every_message_is_sent_until_it_is_gone(steps):
    way, now, held, new = delivery(), 0.0, {}, 0
    for step, number in steps:
        if step == "offer":
            for seq in range(new, new + number):
                held[seq] = entry(seq)
            way.offer(entry(seq) for seq in range(new, new + number))
            new += number
        elif step == "send":
            assert set(drained(way, now)) <= set(held)
        elif step == "gone":
            leaving = [held.pop(seq) for seq in list(held)[:number]]
            way.gone(leaving, receipted=True)
        elif step == "later":
            now += number
            way.resend_due(now)
        elif step == "bounce":
            for one in list(way._out)[:number]:
                way.bounced(one, now)
        else:
            way.restart(held.values())
        assert len(way._out) <= 4
    # Whatever happened: each that is held comes once its predecessors are gone.
    for seq in sorted(held):
        now += 100.0
        way.resend_due(now)
        assert seq in drained(way, now)
        way.gone([held[seq]], receipted=True)
    assert way.next(now) is None


def test_what_came_to_nobody_is_sent_again_after_a_second_then_ever_later():
    way = delivery(window=100)
    way.offer(entry(n) for n in range(3))
    assert drained(way, 0.0) == [0, 1, 2]
    for number in (0, 2):
        way.bounced(entry(number), 0.1)
    way.bounced(entry(7), 0.1)  # it is not out: nothing to do
    assert way.resend_at() == 1.1
    way.resend_due(1.0)
    assert drained(way, 1.0) == []
    way.resend_due(1.1)
    assert drained(way, 1.1) == [0, 2]
    assert way.resent == 2
    way.bounced(entry(0), 1.2)
    assert way.resend_at() == 3.2
    way.gone([entry(1)], receipted=True)
    way.resend_due(3.2)
    assert drained(way, 3.2) == [0]
    way.bounced(entry(0), 3.3)
    assert way.resend_at() == 5.3  # a receipt had brought the pause back
    way.resend_due(5.2)
    assert drained(way, 5.2) == []
    way.restart([entry(0), entry(2)])
    assert drained(way, 6.0) == [0, 2]


def test_what_came_to_nobody_fills_the_window():
    way = delivery(window=2)
    way.offer(entry(n) for n in range(5))
    assert drained(way, 0.0) == [0, 1]
    way.bounced(entry(0), 0.0)
    way.bounced(entry(1), 0.0)
    assert drained(way, 0.5) == []
    way.offer([entry(0)])
    way.gone([entry(1)], receipted=False)
    assert drained(way, 0.5) == [2]
