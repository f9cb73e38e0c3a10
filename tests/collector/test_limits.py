"""What is refused, why, and that nothing of it is lost from the count."""

import asyncio

import pytest

from collector.ahead import Ahead
from collector.arrived import Arrived
from collector.intake import Intake
from collector.limits import BURST, Gate, Limits
from collector.refusing import SAMPLE_BYTES, SAMPLES
from telemetry.link import Arrival
from telemetry.properties import NO_PROPERTIES

DATABASES = ("sqlite", "postgresql")


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def gate(**limits):
    clock = Clock()
    return Gate(Limits(**limits), clock), clock


def arrived(topic="a/b/c", payload=b"x", properties=None):
    return Arrived(topic, payload, properties, 1)


def let_in(found, *arrivals):
    return [found.refuses(one) is None for one in arrivals]


def test_sizes():
    found, _ = gate(payload=10, properties=20)
    assert let_in(found, arrived(payload=b"x" * 10), arrived(payload=b"x" * 11)) == [True, False]
    long = arrived(properties="p" * 21)
    assert found.refuses(long) == "properties: 21 characters, at most 20 are taken"
    endless, _ = gate(payload=None, properties=None)
    assert let_in(endless, arrived(payload=b"x" * 10**7, properties="p" * 10**6)) == [True]


def test_a_sender_has_its_own_rate_whatever_it_says():
    """The topics of a machine differ in their last level."""
    found, clock = gate(rate=2)
    press = [arrived(f"site/press-1/{kind}") for kind in ("telemetry", "birth", "state", "event")]
    assert sum(let_in(found, *press * 10)) == 2 * BURST
    assert let_in(found, arrived("site/press-2/telemetry"), arrived("top")) == [True, True]
    clock.now += 1
    assert sum(let_in(found, *press)) == 2
    clock.now += 10**6
    assert sum(let_in(found, *press * 10)) == 2 * BURST
    clock.now -= 10**6  # a clock that goes back gives nothing
    assert let_in(found, *press) == [False] * 4


def test_bytes_of_a_sender():
    found, clock = gate(bytes=100)
    assert let_in(found, *[arrived(payload=b"x" * 300)] * 4) == [True, True, True, False]
    clock.now += 100
    # What is larger than all that may ever be saved up comes when there is that much.
    huge = arrived(payload=b"x" * 10**6)
    assert let_in(found, huge, arrived()) == [True, False]


def test_what_nobody_vouches_for_has_one_rate_for_all():
    found, clock = gate(unproven=1)
    strangers = ["unsigned", "malformed", "bad-signature", "unknown-device"] * 10
    assert sum(found.refuses_status(status, "t") is None for status in strangers) == BURST
    assert found.refuses_status("accepted", "t") is None
    assert found.refuses_status("revoked", "t") is None
    clock.now += 3
    assert sum(found.refuses_status(status, "t") is None for status in strangers) == 3


def test_devices_that_nobody_enrolled_have_a_rate_of_their_own():
    """Whoever invents names does not use up what strangers without any may send."""
    found, clock = gate(unproven=1, unknown=2)
    invented = ["unknown-device"] * 50
    assert sum(found.refuses_status(one, "t") is None for one in invented) == 2 * BURST
    assert found.refuses_status("unknown-device", "t").startswith("unknown: more than 2 ")
    assert sum(found.refuses_status("unsigned", "t") is None for _ in range(50)) == BURST
    clock.now += 1
    assert sum(found.refuses_status(one, "t") is None for one in invented) == 2


def forged(count, sealed):
    """One machine's message with another end, each from a topic of its own."""
    topic, payload = sealed
    return [(f"{n}/{topic}", payload[:-40] + b"A" * 20 + payload[-20:]) for n in range(count)]


def test_signatures_of_the_unproven_are_checked_so_often_and_no_oftener():
    found, clock = gate(checks=2)
    signed = b'{"a":1,"sig":"' + b"A" * 86 + b'=="}'
    many = [arrived(f"{n}/press-1/telemetry", signed) for n in range(100)]
    assert sum(let_in(found, *many)) == 2 * BURST
    assert found.refuses(many[0]).startswith("checks: more than 2/s")
    # What is not signed costs no check, and who has signed well is checked for ever.
    assert let_in(found, arrived("x/y", b"unsigned")) == [True]
    proven = arrived("0/press-1/telemetry", signed)
    assert found.refuses_status("bad-signature", proven.topic) is None
    assert let_in(found, proven) == [False]
    assert found.refuses_status("accepted", proven.topic) is None
    assert let_in(found, *[proven] * 100) == [True] * 100
    assert let_in(found, many[1]) == [False]
    clock.now += 1
    assert sum(let_in(found, *many[1:])) == 2


def test_a_forger_costs_no_check_beyond_the_limit_and_keeps_no_machine_out(works, feed):
    limited(feed, checks=1)
    machine = works.machine("press-1")
    first = feed.take(machine.message())
    noise = forged(50, machine.message())
    taken = feed.take(*noise, machine.message())
    assert first.statuses == {"accepted": 1}
    # One of the burst was the machine's own.
    assert taken.statuses == {"bad-signature": BURST - 1, "accepted": 1}
    assert taken.causes == {"checks": 50 - (BURST - 1)}
    reasons = {one.reason for one in works.reader().refusals()}
    assert reasons == {"checks: more than 1/s of senders that no signature has proven"}
    assert works.reader().stats().conserved


def test_what_is_kept_out_reaches_no_judge_and_each_verdict_its_message():
    """Judged ahead or not: the gate stands before the judges."""
    asked = []

    async def judge(arrivals):
        asked.extend(one.payload for one in arrivals)
        return [b"verdict on " + one.payload for one in arrivals]

    async def run():
        intake = Intake(count=4, seconds=60, now=lambda: 1, pause=list, resume=list)
        found, _ = gate(payload=1)
        ahead = Ahead(intake, judge, found.bars)
        running = asyncio.create_task(ahead.run())
        for payload in (b"a", b"large", b"b", b"larger"):
            flags = (0, False, False, NO_PROPERTIES, None, 1)
            intake.arrived([Arrival("t", payload, *flags)])
        intake.close()
        async with asyncio.timeout(30):
            prepared = await ahead.next()
            await running
        return prepared

    prepared = asyncio.run(run())
    assert asked == [b"a", b"b"]
    assert prepared.ahead[::2] == [b"verdict on a", b"verdict on b"]
    assert [bar.partition(":")[0] for bar in prepared.ahead[1::2]] == ["payload", "payload"]
    assert [one.payload for one in prepared.arrived] == [b"a", b"large", b"b", b"larger"]


def test_own_words_and_what_comes_again_are_not_counted_at_the_gate():
    found, _ = gate(rate=0.1)
    one = arrived()
    again = Arrived(one.topic, one.payload, None, 1, again=True)
    own = arrived("ledger/checkpoint")
    assert found.bars([one, again, own]) == ()
    assert [bar is None for bar in found.bars([one, again, own])] == [False, True, True]


def limited(feed, **limits):
    clock = Clock()
    feed.ledger.gate = Gate(Limits(**limits), clock)
    return clock


def test_refused_messages_are_counted_by_cause_and_samples_of_them_kept(works, feed):
    limited(feed, payload=5000, unproven=1)
    machine = works.machine("press-1")
    large = ("a/b", b"x" * 20_000)
    few = [("c/d", b"%d" % n) for n in range(15)]
    taken = feed.take(large, machine.message(), *few, machine.message())
    assert (taken.stored, taken.refused) == (2 + BURST, 1 + 5)
    assert len(taken.receipts) == 1
    stats = works.reader().stats()
    assert stats.causes == {"payload": 1, "unproven": 5}
    assert (stats.received, stats.stored, stats.refused) == (18, 12, 6)
    assert stats.conserved
    found = {one.topic: one for one in works.reader().refusals()}
    assert (found["a/b"].kept, found["a/b"].reason) == (
        SAMPLE_BYTES,
        "payload: 20000 bytes, at most 5000 are taken",
    )
    assert found["c/d"].reason.startswith("unproven: more than 1 messages/s")


def test_samples_are_bounded_for_a_collectors_whole_life(works, feed_for):
    for first in (0, 90, 180):
        with works.open() as store:
            feed = feed_for(works.live(store).ledger)
            limited(feed, payload=0)
            feed.take(*[("t", b"%d" % n) for n in range(first, first + 90)])
    assert len(list(works.reader().refusals())) == SAMPLES
    assert works.reader().stats().causes == {"payload": 270}


def test_a_machine_over_its_rate_gets_no_receipt_and_comes_in_later(works, feed):
    clock = limited(feed, rate=0.1)
    machine = works.machine("press-1")
    first, second = machine.message(), machine.message()
    assert feed.take(first, second).refused == 1
    clock.now += 10
    taken = feed.take(second)
    assert (taken.stored, len(taken.receipts)) == (1, 1)
    assert works.reader().stats().conserved


def test_own_topics_are_no_ones_messages(works, feed):
    limited(feed, payload=1)
    assert feed.take(("ledger/checkpoint", b"a checkpoint")).own == 1


@pytest.mark.sqlite
def test_without_a_gate_everything_is_let_in(works, feed):
    assert feed.ledger.gate is None
    assert feed.take(("t", b"x" * 2**25)).stored == 1
