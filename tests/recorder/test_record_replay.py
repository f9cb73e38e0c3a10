"""MQTT to a recording and back, through a real Mosquitto."""

import asyncio
import contextlib
import io
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from factoryledger.broker import LocalBroker
from recorder.pace import Controls
from recorder.record import record
from recorder.replay import replay
from recorder.score import Score
from telemetry.errors import BrokerUnavailable, MalformedRecording, PacketTooLarge
from telemetry.link import Address, Backoff, Link, Subscription
from telemetry.properties import Properties
from telemetry.recorded_time import unstamped
from telemetry.recording import Header, Line, Writer, read

SHARED = Path(__file__).parents[3] / "shared" / "recordings"
SESSIONS = sorted(SHARED.glob("*.log"))

RICH = Properties(
    payload_format_indicator=1,
    content_type="application/x",
    response_topic="r",
    correlation_data=b"\x00\xff",
    user_properties=(("a", "1"), ("a", "2")),
)
START = 1_764_000_000_000_000


def lines(prefix):
    """Give messages of every shape that MQTT carries."""
    payloads = [
        b"",
        b"plain",
        "ü €".encode(),
        bytes(range(256)),
        b'{"a":1.50}',
        b'{"a":1}',
        b"\x1b[2J",
    ]
    made = [
        Line(START + n * 1000, f"{prefix}/t{n}", payload, n % 2)
        for n, payload in enumerate(payloads)
    ]
    made.append(Line(START + 8000, f"{prefix}/rich", b"r", 1, properties=RICH))
    made.append(Line(START + 9000, f"{prefix}/ü/$x y", b"large" * 100_000, 1))
    return made


def write_recording(path, messages, *, end=True):
    with path.open("wb") as file:
        writer = Writer(file, Header("test", ("#",), "simulated", START))
        for line in messages:
            writer.write(line)
        if end:
            writer.close()
    return path


def what(line):
    """Give all of a line but when it was received."""
    return line.topic, line.payload, line.qos, line.retain, line.properties


def read_all(data):
    reading = read(io.BytesIO(data), "test")
    return [line for _, line in reading], reading


async def recording(broker, filters, during, **rest):
    """Record while `during` runs, then stop (unless the recording ends by itself)."""
    out, stop, ready = io.BytesIO(), asyncio.Event(), asyncio.Event()
    task = asyncio.ensure_future(
        record(
            address=broker.address,
            filters=filters,
            out=out,
            stop=stop,
            on_ready=ready.set,
            **rest,
        )
    )
    await asyncio.wait([task, asyncio.ensure_future(ready.wait())], return_when="FIRST_COMPLETED")
    result = await during()
    if "count" not in rest and "duration" not in rest:
        stop.set()
    return out.getvalue, await asyncio.wait_for(task, 20), result


async def tell_last(broker, prefix):
    """Publish one last message and see it come back: all before it went the same way."""
    seen = asyncio.Event()
    subscriptions = [Subscription(f"{prefix}/#")]
    async with Link(
        broker.address,
        client_id=f"last-{uuid.uuid4().hex[:8]}",
        subscriptions=subscriptions,
        on_arrivals=lambda _: seen.set(),
    ) as us:
        await us.publish(f"{prefix}/last", b"last")
        await asyncio.wait_for(seen.wait(), 5)
    await asyncio.sleep(0.1)


@pytest.mark.e2e
def test_record_replay_record_gives_the_same_lines(broker, topic_prefix, tmp_path):
    async def run():
        made = lines(topic_prefix)
        source = write_recording(tmp_path / "source", made)

        async def play(path):
            return await replay(
                address=broker.address, file=path, stop=asyncio.Event(), speed=None, qos=None
            )

        get, done, played = await recording(
            broker, [f"{topic_prefix}/#"], lambda: play(source), count=len(made)
        )
        first, reading = read_all(get())
        assert reading.complete
        assert done.count == len(made)
        assert [what(line) for line in first] == [what(line) for line in made]
        assert played.sent == len(made)
        assert played.acknowledged == sum(line.qos for line in made)
        assert (played.refused, played.unheard, played.complete) == (0, 0, True)

        second_file = tmp_path / "second"
        second_file.write_bytes(get())
        get, _, _ = await recording(
            broker, [f"{topic_prefix}/#"], lambda: play(second_file), count=len(made)
        )
        second, _ = read_all(get())
        assert [what(line) for line in second] == [what(line) for line in first]

    asyncio.run(run())


@pytest.mark.e2e
@pytest.mark.parametrize("session", SESSIONS or [None], ids=lambda path: path and path.stem[:20])
def test_the_real_sessions_arrive_byte_for_byte(session, broker, topic_prefix):
    if session is None:
        pytest.skip("the shared folder of recordings is not beside this checkout")

    async def run():
        with session.open("rb") as file:
            made = [line for _, line in read(file, session.name)]
        assert len(made) in {412, 1483}
        filters = sorted({f"{line.topic.split('/')[0]}/#" for line in made})
        async with contextlib.AsyncExitStack() as stack:
            # Other tests' messages share the broker, not the sessions' first levels.
            got, complete = [], asyncio.Event()

            def take(arrivals):
                got.extend(one for one in arrivals if not one.retain)
                us.acknowledge(arrivals)
                if len(got) >= len(made):
                    complete.set()

            us = Link(
                broker.address,
                client_id=topic_prefix.replace("/", "-"),
                subscriptions=[
                    Subscription(one, retain_handling=2, retain_as_published=False)
                    for one in filters
                ],
                on_arrivals=take,
            )
            await stack.enter_async_context(us)
            played = await replay(
                address=broker.address, file=session, stop=asyncio.Event(), speed=None
            )
            await asyncio.wait_for(complete.wait(), 20)
        assert (played.sent, played.acknowledged) == (len(made), len(made))
        assert played.complete is None
        assert [(one.topic, one.payload) for one in got] == [
            (line.topic, line.payload) for line in made
        ]

    asyncio.run(run())


@pytest.mark.e2e
def test_a_recording_ends_by_stop_by_duration_and_by_count(broker, topic_prefix):
    async def run():
        async def publish():
            async with Link(broker.address, client_id=f"p-{uuid.uuid4().hex[:8]}") as us:
                for number in range(5):
                    await us.publish(f"{topic_prefix}/t", b"%d" % number)
            await tell_last(broker, topic_prefix)

        for rest, expected in (({}, 6), ({"duration": 1.0}, 6), ({"count": 3}, 3)):
            get, done, _ = await recording(
                broker, [f"{topic_prefix}/t", f"{topic_prefix}/last"], publish, **rest
            )
            got, reading = read_all(get())
            assert reading.complete
            assert reading.header.topics == (f"{topic_prefix}/t", f"{topic_prefix}/last")
            assert reading.header.clock == "system"
            assert (len(got), done.count) == (expected, expected)
            assert [line.payload for line in got[:3]] == [b"0", b"1", b"2"]

    asyncio.run(run())


@pytest.mark.e2e
def test_times_stand_still_while_the_clock_is_behind(broker, topic_prefix):
    async def run():
        clock = iter([50, 100, 40, 30, *range(200, 300)])

        async def publish():
            async with Link(broker.address, client_id=f"p-{uuid.uuid4().hex[:8]}") as us:
                for number in range(4):
                    await us.publish(f"{topic_prefix}/t", b"%d" % number)
                    await asyncio.sleep(0.05)

        get, _, _ = await recording(
            broker, [f"{topic_prefix}/#"], publish, count=4, clock=lambda: next(clock)
        )
        got, _ = read_all(get())
        assert [line.received for line in got] == [100, 100, 100, 200]

    asyncio.run(run())


@pytest.mark.e2e
def test_times_are_those_of_the_given_clock(broker, topic_prefix):
    async def run():
        get, _, _ = await recording(
            broker, [f"{topic_prefix}/#"], lambda: tell_last(broker, topic_prefix), clock=lambda: 42
        )
        (line,), reading = read_all(get())
        assert (line.received, reading.header.started) == (42, 42)

    asyncio.run(run())


class FullDisk(io.BytesIO):
    """A file whose system refuses after some bytes, at the flush."""

    def flush(self):
        if len(self.getvalue()) > 1000:
            raise OSError(28, "No space left on device")


@pytest.mark.e2e
def test_what_cannot_be_written_is_not_acknowledged_and_ends_it(broker, topic_prefix):
    async def run():
        out, ready = FullDisk(), asyncio.Event()
        task = asyncio.ensure_future(
            record(
                address=broker.address,
                filters=[f"{topic_prefix}/#"],
                out=out,
                stop=asyncio.Event(),
                on_ready=ready.set,
            )
        )
        await ready.wait()
        async with Link(broker.address, client_id=f"p-{uuid.uuid4().hex[:8]}") as us:
            await us.publish(f"{topic_prefix}/t", bytes(2000))
        with pytest.raises(OSError, match="No space left"):
            await asyncio.wait_for(task, 10)
        _, reading = read_all(out.getvalue())
        assert reading.complete is False

    asyncio.run(run())


@pytest.mark.e2e
@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.zst"])
def test_a_kill_leaves_every_acknowledged_message_in_a_readable_file(
    suffix, broker, topic_prefix, tmp_path
):
    """At a moment of chance: what is there is the beginning of what was sent, without a gap."""
    out = tmp_path / f"killed.{suffix}"
    command = ["record", "-o", str(out), f"{topic_prefix}/#", "--broker", str(broker.address)]
    process = subprocess.Popen(
        [sys.executable, "-m", "factoryledger", *command], stderr=subprocess.PIPE
    )
    while b"ready" not in (line := process.stderr.readline()):
        assert line, "it ended before it was ready"
    kill_at = random.randrange(50, 3000)

    async def flood():
        async with Link(broker.address, client_id=f"p-{uuid.uuid4().hex[:8]}") as us:
            for start in range(0, 4000, 50):
                if start <= kill_at < start + 50:
                    while not read_all(out.read_bytes())[0]:  # noqa: ASYNC110 - a file, no event
                        await asyncio.sleep(0.01)
                    os.kill(process.pid, signal.SIGKILL)
                numbers = range(start, start + 50)
                posts = [us.post(f"{topic_prefix}/t", b"%d" % number) for number in numbers]
                await asyncio.gather(*posts)

    asyncio.run(flood())
    process.wait()
    process.stderr.close()
    got, reading = read_all(out.read_bytes())
    assert (reading.complete, reading.skipped) == (False, 0), kill_at
    assert f"line {len(got) + 2}: " in str(reading.cut)
    assert [line.payload for line in got] == [b"%d" % number for number in range(len(got))]
    assert 0 < len(got) <= kill_at + 50


@pytest.mark.e2e
def test_replay_keeps_the_recordings_times_without_drift(broker, topic_prefix, tmp_path):
    async def run():
        gaps = [0, 200_000, 100_000, 900_000, 800_000]  # one that goes back, too
        made = [Line(START + gap, f"{topic_prefix}/t", b"%d" % gap, 1) for gap in gaps]
        path = write_recording(tmp_path / "r", made)
        began = time.monotonic()
        played = await replay(
            address=broker.address, file=path, stop=asyncio.Event(), speed=2.0, keep_going=True
        )
        assert time.monotonic() - began >= 0.45
        assert (played.sent, played.disordered, played.whole) == (5, 2, True)
        assert played.unheard == 5  # nobody subscribed
        assert 0 <= played.late_p50 <= played.late_p99 <= played.late_max

    asyncio.run(run())


@pytest.mark.e2e
def test_replay_stops_when_told_and_reports_what_it_sent(broker, topic_prefix, tmp_path):
    async def run():
        made = [Line(START + n * 60_000_000, f"{topic_prefix}/t", b"", 1) for n in range(3)]
        path = write_recording(tmp_path / "r", made)
        stop = asyncio.Event()
        played = await asyncio.wait_for(
            replay(
                address=broker.address,
                file=path,
                stop=stop,
                on_ready=lambda: asyncio.get_running_loop().call_later(0.2, stop.set),
            ),
            10,
        )
        assert (played.sent, played.acknowledged) == (1, 1)

    asyncio.run(run())


@pytest.mark.e2e
@pytest.mark.parametrize("cut", ["broken", "short", "large"])
def test_what_stands_before_a_bad_line_is_replayed(cut, broker, topic_prefix, tmp_path):
    async def run():
        made = [Line(START, f"{topic_prefix}/t", b"%d" % n, 1) for n in range(50)]
        path = write_recording(tmp_path / "r", made, end=False)
        bad = {
            "broken": b'{"received":"yesterday"}\n',
            "short": b'{"received":"20',
            "large": Line(START, f"{topic_prefix}/t", bytes(3_000_000)).to_bytes() + b"\n",
        }[cut]
        with path.open("ab") as file:
            file.write(bad)
        error = {"broken": MalformedRecording, "large": PacketTooLarge}.get(cut)
        results = []

        async def play():
            one = replay(address=broker.address, file=path, stop=asyncio.Event(), speed=None)
            if error is None:
                results.append(await one)
            else:
                with pytest.raises(error, match=r"r, line 52"):
                    await one

        get, _, _ = await recording(broker, [f"{topic_prefix}/#"], play, count=50)
        got, _ = read_all(get())
        assert [line.payload for line in got] == [line.payload for line in made]
        if cut == "short":
            assert results[0].complete is False

    asyncio.run(run())


@pytest.mark.e2e
def test_a_broker_killed_during_a_replay_gets_the_rest_when_it_is_back(tmp_path, topic_prefix):
    async def run(own):
        count, got, complete = 400, [], asyncio.Event()
        made = [Line(START + n * 5000, f"{topic_prefix}/t", b"%d" % n, 1) for n in range(count)]
        path = write_recording(tmp_path / "r", made)

        def take(arrivals):
            got.extend(one.payload for one in arrivals)
            us.acknowledge(arrivals)
            if made[-1].payload in got:
                complete.set()

        us = Link(
            own.address,
            client_id="rx",
            subscriptions=[Subscription(f"{topic_prefix}/#")],
            on_arrivals=take,
            backoff=Backoff(first=0.01, limit=0.02),
            on_trouble=lambda _: None,
        )
        async with us:
            replaying = asyncio.ensure_future(
                replay(address=own.address, file=path, stop=asyncio.Event())
            )
            await asyncio.sleep(0.7)
            own.kill()
            await asyncio.to_thread(own.start)
            played = await asyncio.wait_for(replaying, 20)
            await asyncio.wait_for(complete.wait(), 5)
        # Each line was answered for; what the killed broker had taken may be gone with it.
        assert (played.sent, played.acknowledged) == (count, count)
        late = [int(payload) for payload in got if int(payload) > count // 2]
        assert late == sorted(late)

    with LocalBroker(0, tmp_path / "broker", embedded=False) as own:
        asyncio.run(run(own))


def test_without_a_broker_nothing_is_written_and_the_address_is_named(tmp_path):
    async def run():
        address = Address("127.0.0.1", 1)
        out = io.BytesIO()
        with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1"):
            await record(address=address, filters=["#"], out=out, stop=asyncio.Event())
        assert out.getvalue() == b""
        path = write_recording(tmp_path / "r", [])
        with pytest.raises(BrokerUnavailable):
            await replay(address=address, file=path, stop=asyncio.Event())
        with pytest.raises(FileNotFoundError):
            await replay(address=address, file=tmp_path / "none", stop=asyncio.Event())
        with pytest.raises(ValueError, match="speed"):
            await replay(address=address, file=path, stop=asyncio.Event(), speed=0)

    asyncio.run(run())


async def heard(broker, prefix, count, during):
    """Run `during` while somebody listens; give what came, until it was so much."""
    got, complete = [], asyncio.Event()

    def take(arrivals):
        got.extend(arrivals)
        us.acknowledge(arrivals)
        if len(got) >= count:
            complete.set()

    us = Link(
        broker.address,
        client_id=f"h-{uuid.uuid4().hex[:8]}",
        subscriptions=[Subscription(f"{prefix}/#")],
        on_arrivals=take,
    )
    async with us:
        result = await during()
        await asyncio.wait_for(complete.wait(), 10)
    return got, result


@pytest.mark.e2e
def test_rounds_choice_and_other_topics(broker, topic_prefix, tmp_path):
    async def run():
        made = [Line(START + n * 1000, f"t/{n % 2}", b"%d" % n, 0, retain=True) for n in range(6)]
        path = write_recording(tmp_path / "r", made)
        score = Score(topics=("t/1",), remap=(("t", topic_prefix),), retain=False)
        got, played = await heard(
            broker,
            topic_prefix,
            9,
            lambda: replay(
                address=broker.address, file=path, stop=asyncio.Event(), speed=None, score=score,
                rounds=3, times=True,
            ),
        )  # fmt: skip
        assert [one.payload for one in got] == [b"1", b"3", b"5"] * 3
        assert {(one.topic, one.qos, one.retain) for one in got} == {
            (f"{topic_prefix}/1", 1, False)
        }
        stamps = [unstamped(one.properties)[1] for one in got]
        assert [stamp.received - START for stamp in stamps] == [
            round_ + us for round_ in (0, 1_004_000, 2_008_000) for us in (1000, 3000, 5000)
        ]
        assert [stamp.last for stamp in stamps] == [False] * 8 + [True]
        assert (played.sent, played.acknowledged, played.whole) == (9, 9, True)

    asyncio.run(run())


@pytest.mark.e2e
def test_a_replay_waits_while_it_is_paused_and_goes_where_it_is_told(
    broker, topic_prefix, tmp_path
):
    async def run():
        gaps = [0, 0.1, 0.2, 30, 30.1]
        made = [
            Line(START + int(s * 1e6), f"{topic_prefix}/t", b"%d" % n) for n, s in enumerate(gaps)
        ]
        path = write_recording(tmp_path / "r", made)
        controls, loop = Controls(), asyncio.get_running_loop()
        seen = []

        def sent(count):
            seen.append(loop.time())
            if count == 1:
                controls.pause(loop.time())
                loop.call_later(0.4, lambda: controls.resume(loop.time()))
            if count == 2:
                controls.seek(30_000_000)
            if count == 3:
                controls.seek(100_000)

        got, played = await heard(
            broker,
            topic_prefix,
            5,
            lambda: replay(
                address=broker.address, file=path, stop=stop, controls=controls, on_sent=sent,
            ),
        )  # fmt: skip
        return got, played, seen

    async def ended():
        # Back at the second message, the last ones are half a minute away: that is enough.
        asyncio.get_running_loop().call_later(1.5, stop.set)
        return await run()

    stop = asyncio.Event()
    got, played, seen = asyncio.run(ended())
    assert [one.payload for one in got] == [b"0", b"1", b"3", b"1", b"2"]
    assert seen[1] - seen[0] >= 0.45
    assert seen[2] - seen[1] < 0.2
    assert played.late_max < 0.3  # what it was held up is not late
    assert (played.sent, played.whole) == (5, False)


@pytest.mark.e2e
def test_with_keep_going_a_broken_line_is_skipped_counted_and_no_success(
    broker, topic_prefix, tmp_path
):
    async def run():
        made = [Line(START, f"{topic_prefix}/t", b"%d" % n, 1) for n in range(5)]
        path = write_recording(tmp_path / "r", made)
        path.write_bytes(path.read_bytes().replace(b'"json":2', b'"json": 2'))
        _, played = await heard(
            broker,
            topic_prefix,
            4,
            lambda: replay(
                address=broker.address, file=path, stop=asyncio.Event(), speed=None,
                keep_going=True,
            ),
        )  # fmt: skip
        # The line, and the end mark that does not fit any more.
        assert (played.sent, played.acknowledged, played.skipped) == (4, 4, 2)
        assert (played.whole, played.complete) == (False, False)

    asyncio.run(run())


@pytest.mark.e2e
def test_what_is_excluded_is_let_go_and_does_not_count(broker, topic_prefix):
    async def run():
        async def publish():
            async with Link(broker.address, client_id=f"p-{uuid.uuid4().hex[:8]}") as us:
                for number in range(6):
                    await us.publish(f"{topic_prefix}/{number % 2}/t", b"%d" % number)

        counts = []
        get, done, _ = await recording(
            broker,
            [f"{topic_prefix}/#"],
            publish,
            exclude=[f"{topic_prefix}/0/#"],
            count=2,
            on_recorded=counts.append,
        )
        got, reading = read_all(get())
        assert [line.payload for line in got] == [b"1", b"3"]
        assert (reading.complete, done.count, counts[-1]) == (True, 2, 2)

    asyncio.run(run())
