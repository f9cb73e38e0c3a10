"""Gathering batches: by count, bytes and time, in bounds, and drained at the end."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.counting import Door
from collector.intake import Intake
from telemetry.link import Arrival
from telemetry.properties import NO_PROPERTIES, Properties

LONG = 60.0


def arrivals(count, size=1, properties=NO_PROPERTIES):
    return [
        Arrival(
            topic="t",
            payload=bytes(size),
            qos=0,
            retain=False,
            duplicate=False,
            properties=properties,
            packet_id=None,
            epoch=1,
        )
        for _ in range(count)
    ]


class Reading:
    """Whether the link reads, as the intake asks of it."""

    def __init__(self):
        self.on = True

    def pause(self):
        assert self.on
        self.on = False

    def resume(self):
        assert not self.on
        self.on = True


def intake(reading, *, count=10, seconds=LONG):
    return Intake(
        count=count, seconds=seconds, now=lambda: 42, pause=reading.pause, resume=reading.resume
    )


def within(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 10))


def test_a_full_batch_leaves_at_once_and_the_door_knows_the_rest():
    async def scenario():
        made = intake(Reading())
        waiting = asyncio.create_task(made.gather())
        await asyncio.sleep(0)
        made.arrived(arrivals(13))
        gathered = await waiting
        assert len(gathered.arrivals) == 10
        assert gathered.door == Door(13, 3)
        assert list(gathered.received) == [42] * 10
        made.close()
        assert (await made.gather()).door == Door(13, 0)
        assert await made.gather() is None

    within(scenario())


def test_time_alone_ends_a_batch():
    async def scenario():
        made = intake(Reading(), seconds=0.02)
        made.arrived(arrivals(1))
        assert len((await made.gather()).arrivals) == 1
        waiting = asyncio.create_task(made.gather())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        made.arrived(arrivals(2))
        assert len((await waiting).arrivals) == 2

    within(scenario())


def test_bytes_end_a_batch():
    async def scenario():
        made = intake(Reading(), count=1000)
        made.arrived(arrivals(40, size=2**20))
        gathered = await made.gather()
        assert len(gathered.arrivals) == 8
        assert gathered.door.in_flight == 32

    within(scenario())


def test_what_properties_hold_counts_as_what_payloads_hold():
    """Or a sender fills the memory with them, of which no payload tells."""
    heavy = Properties(user_properties=(("a", "x" * 2**20),))

    async def scenario():
        reading = Reading()
        made = intake(reading, count=1000)
        made.arrived(arrivals(31, properties=heavy))
        assert reading.on
        made.arrived(arrivals(1, properties=heavy))
        assert not reading.on
        assert made.waiting_bytes > 2**25
        assert len((await made.gather()).arrivals) == 8
        for _ in range(3):
            await made.gather()
        assert (made.waiting_bytes, reading.on) == (0, True)

    within(scenario())


def test_reading_is_paused_at_four_batches_and_goes_on_at_two():
    async def scenario():
        reading = Reading()
        made = intake(reading)
        made.arrived(arrivals(39))
        assert reading.on
        made.arrived(arrivals(1))
        assert not reading.on
        await made.gather()
        assert not reading.on
        await made.gather()
        assert reading.on

    within(scenario())


def test_after_close_nothing_more_is_taken():
    async def scenario():
        made = intake(Reading())
        made.arrived(arrivals(1))
        made.close()
        made.arrived(arrivals(5))
        gathered = await made.gather()
        assert (len(gathered.arrivals), gathered.door) == (1, Door(1, 0))
        assert await made.gather() is None

    within(scenario())


def test_closing_wakes_a_waiting_gather():
    async def scenario():
        made = intake(Reading())
        waiting = asyncio.create_task(made.gather())
        await asyncio.sleep(0)
        made.close()
        assert await waiting is None

    within(scenario())


@given(
    st.lists(st.lists(st.integers(0, 3 * 2**20), max_size=25), min_size=1, max_size=6),
    st.integers(1, 12),
)
@settings(deadline=None, max_examples=60)
def test_batches_hold_all_in_order_and_each_its_own_time(reads, count):
    """However reads and batches fall: a batch ends with the message that fills it."""

    async def scenario():
        clock = iter(range(1000))
        made = Intake(
            count=count,
            seconds=0.0,
            now=lambda: next(clock),
            pause=lambda: None,
            resume=lambda: None,
        )
        sent = []
        for sizes in reads:
            read = [one for size in sizes for one in arrivals(1, size=size)]
            made.arrived(read)
            sent.append(read)
        made.close()
        batches = []
        while (gathered := await made.gather()) is not None:
            batches.append(gathered)
        return sent, batches, made

    sent, batches, made = within(scenario())
    given_ = [pair for one in batches for pair in zip(one.arrivals, one.received, strict=True)]
    whole = [read for read in sent if read]
    expected = [(one, at) for at, read in enumerate(whole) for one in read]
    assert [(id(one), at) for one, at in given_] == [(id(one), at) for one, at in expected]
    assert made.waiting_bytes == 0
    assert made.door == Door(len(expected), 0)
    for one in batches[:-1]:
        sizes = [len(arrival.topic) + len(arrival.payload) for arrival in one.arrivals]
        assert len(sizes) == count or sum(sizes) >= 8 * 2**20
        assert sum(sizes[:-1]) < 8 * 2**20
