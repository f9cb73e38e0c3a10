"""By the recording's clock: through the broker as past it, the same rows and the same roots."""

import asyncio
import dataclasses
from types import SimpleNamespace

import pytest

from collector.ingest import ingest
from collector.recorded_intake import RecordedIntake
from collector.service import collect
from recorder.replay import replay
from telemetry.link import Link
from telemetry.properties import NO_PROPERTIES, Properties
from telemetry.recorded_time import NAME, stamped
from telemetry.recording import Header, Line, Writer

START = 1_764_000_000_000_000
SECOND = 1_000_000


def write(path, lines):
    with path.open("wb") as file, Writer(file, Header("t", ("#",), "simulated", START)) as writer:
        for line in lines:
            writer.write(line)
    return path


def lines_of(works, prefix):
    """Signed, of a stranger, foreign with properties, own, back in time; over three seconds."""
    machine = works.machine("press-1", prefix=prefix)
    stranger = works.machine("press-2", prefix=prefix, enrolled=False)
    signed = [machine.message() for _ in range(2100)]
    lines = [Line(START + n * 100, *message, 1) for n, message in enumerate(signed)]
    rich = Properties(content_type="x/y", user_properties=(("a", "1"),))
    lines += [
        Line(START + 400_000, *signed[7], 1),
        Line(START + 1_500_000, *stranger.message(), 1),
        Line(START + 1_400_000, f"{prefix}/foreign", b"\x00\xff", 1, properties=rich),
        Line(START + 1_600_000, f"{prefix}/ledger/checkpoint", b"ours", 1),
        Line(START + 2_600_000, f"{prefix}/foreign", "grüße".encode(), 0, retain=True),
        Line(START + 3_100_000, f"{prefix}/foreign", b"", 1),
    ]
    return lines


def stored(works):
    """Rows and roots of the store's one collector, but for its name."""
    reader = works.reader()
    (collector,) = (row.id for row in reader.collectors())
    rows = [dataclasses.replace(row, collector="") for row in reader.messages(collector)]
    return rows, [(batch.start, batch.size, batch.root) for batch in reader.batches(collector)]


async def through_the_broker(works, broker, prefix, file, speed, skipped=0):
    stop, ready = asyncio.Event(), asyncio.Event()
    collecting = asyncio.create_task(
        collect(
            store_url=works.url,
            link=lambda **how: Link(broker.address, **how),
            filters=[f"{prefix}/#"],
            identity_for=works.identity_for,
            authority=works.authority,
            requests=works.requests,
            prefix=prefix,
            stop=stop,
            on_ready=ready.set,
            recorded_clock=True,
            session_expiry=0,
            new_id=lambda: prefix.rpartition("/")[2],
        )
    )
    await asyncio.wait_for(ready.wait(), 10)
    played = await replay(
        address=broker.address, file=file, stop=asyncio.Event(), speed=speed, times=True,
        keep_going=True,
    )  # fmt: skip
    assert played.disordered == 1
    assert played.skipped == skipped
    for _ in range(1000):
        seen = works.reader().stats(gaps=False)
        if seen.in_flight == 0 and seen.received + seen.own == played.sent:
            break
        await asyncio.sleep(0.01)
    else:
        pytest.fail(f"the recording's end did not end its last batch: {seen}")
    stop.set()
    await asyncio.wait_for(collecting, 10)


@pytest.mark.e2e
@pytest.mark.parametrize("speed", [None, 40.0, 4.0])
def test_rows_and_roots_are_those_of_an_ingest(
    speed, works, another_works, broker, topic_prefix, tmp_path
):
    file = write(tmp_path / "r.jsonl", lines_of(works, topic_prefix))
    another_works.requests = works.requests
    ingest(
        store_url=another_works.url,
        file=file,
        identity_for=another_works.identity_for,
        authority=another_works.authority,
        requests=another_works.requests,
    )
    asyncio.run(through_the_broker(works, broker, topic_prefix, file, speed))
    rows, batches = stored(works)
    assert (rows, batches) == stored(another_works)
    assert len(rows) == 2104
    assert len(batches) == 4
    assert not any(NAME in (row.properties or "") for row in rows)


@pytest.mark.e2e
def test_rows_and_roots_are_those_of_an_ingest_that_skips_what_is_broken(
    works, another_works, broker, topic_prefix, tmp_path
):
    file = write(tmp_path / "r.jsonl", lines_of(works, topic_prefix))
    content = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*content[:501], b"broken\n", *content[501:]]))
    another_works.requests = works.requests
    ingest(
        store_url=another_works.url,
        file=file,
        identity_for=another_works.identity_for,
        authority=another_works.authority,
        requests=another_works.requests,
        keep_going=True,
    )
    # The line, and the end mark that does not fit any more.
    asyncio.run(through_the_broker(works, broker, topic_prefix, file, None, skipped=2))
    assert stored(works) == stored(another_works)
    assert [size for _, size, _ in stored(works)[1]][:2] == [500, 1600]


def arrival(received=None, *, last=False, topic="t"):
    properties = NO_PROPERTIES
    if received is not None:
        properties = stamped(properties, received, last=last)
    return SimpleNamespace(topic=topic, payload=b"x", properties=properties)


def intake(**how):
    return RecordedIntake(now=lambda: 7, pause=list, resume=list, **how)


def test_what_has_no_time_of_its_own_is_received_when_the_newest_was():
    async def run():
        made = intake()
        made.arrived([arrival(topic="early")])
        made.arrived([arrival(START), arrival(), arrival(START + 5, last=True)])
        return await made.gather()

    gathered = asyncio.run(run())
    # The early one would be newer than the whole recording by this computer's clock.
    assert gathered.received == [START, START, START, START + 5]
    assert [one.topic for one in gathered.arrivals] == ["early", "t", "t", "t"]
    assert gathered.arrivals[0].properties is NO_PROPERTIES


def test_where_nothing_has_a_time_it_is_the_systems():
    async def run():
        made = intake(patience=0.05)
        made.arrived([arrival(), arrival()])
        first = await asyncio.wait_for(made.gather(), 5)
        made.arrived([arrival()])
        made.close()
        return first.received, (await made.gather()).received, await made.gather()

    assert asyncio.run(run()) == ([7, 7], [7], None)


def test_batches_end_by_time_by_count_and_with_the_recording():
    async def run():
        made = intake()
        made.arrived([arrival(START), arrival(START + SECOND - 1), arrival(START + SECOND)])
        first = await made.gather()
        made.arrived([arrival(START + SECOND + n) for n in range(2000)])
        second = await made.gather()
        made.arrived([arrival(START + SECOND + 3000, last=True)])
        third = await asyncio.wait_for(made.gather(), 5)  # at once: the recording has ended
        made.close()
        return [len(one.received) for one in (first, second, third)], await made.gather(), made

    sizes, after, made = asyncio.run(run())
    assert sizes == [2, 2000, 2]
    assert after is None
    assert (made.door.received, made.door.in_flight, made.waiting_bytes) == (2004, 0, 0)


def test_a_recording_that_goes_silent_is_not_waited_for_for_ever(quiet_log):
    async def run():
        made = intake(patience=0.05)
        made.arrived([arrival(START)])
        return await asyncio.wait_for(made.gather(), 5)

    assert len(asyncio.run(run()).received) == 1
    assert [line["event"] for line in quiet_log] == ["recording went silent: roots may differ"]


def test_full_batches_stop_the_reading_until_they_are_taken():
    calls = []

    async def run():
        made = RecordedIntake(
            now=lambda: 7, pause=lambda: calls.append("p"), resume=lambda: calls.append("r")
        )
        made.arrived([arrival(START + n * SECOND) for n in range(6)])
        assert made.paused
        for _ in range(5):
            await made.gather()
            if len(calls) > 1:
                break
        return made

    assert not asyncio.run(run()).paused
    assert calls == ["p", "r"]
