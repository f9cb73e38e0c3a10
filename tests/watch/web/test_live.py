"""The live stream: whole at once, then what changes; a client that reads nothing costs nothing."""

import asyncio
import contextlib
import json
import socket
import time

import httpx
import pytest
from serve_world import served

from watch.web.live import MOST_STREAMS, Stream

PLACE = "works/north/hall/line-1"


def spoken(text):
    """The events of a stream's text, as name and data."""
    for block in text.split("\n\n"):
        lines = dict(line.partition(": ")[::2] for line in block.splitlines() if ": " in line)
        if "event" in lines:
            yield lines["event"], json.loads(lines["data"])


def say(world, device, seq, **readings):
    body = {"session": "s1", "seq": seq, "time": f"2026-01-01T00:00:{seq % 60:02d}.000000Z"}
    world.floor.hear(
        f"{PLACE}/{device}/telemetry",
        json.dumps({**body, "readings": readings}).encode(),
        world.now,
    )


@pytest.fixture
def stream(world):
    """A stream of a device, with what it has said so far; `more` waits for the next part."""

    @contextlib.asynccontextmanager
    async def opened(device=None, **options):
        one = Stream(world.hub, device, **options)
        parts = one.run(world.get_status())
        try:
            yield one, lambda: anext(parts)
        finally:
            await parts.aclose()

    from watch.web.api import status_of

    world.get_status = lambda: status_of(world.service, "none")
    return opened


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 20))


def test_a_stream_begins_whole(world, stream):
    async def go():
        async with stream() as (_, more):
            return (await more()).decode()

    text = run(go())
    assert text.startswith("retry: ")
    events = dict(spoken(text))
    assert len(events["hello"]["machines"]) == 3
    assert events["pipeline"]["conserved"] is True
    assert events["log"]["entries"] == []


def test_only_what_changes_follows_and_readings_of_the_device_alone(world, stream):
    async def go():
        async with stream("mill-01") as (_, more):
            await more()
            say(world, "mill-02", 1, load=1)
            body = {"session": "x", "seq": 1, "time": "2026-01-02T00:00:00.000000Z"}
            topic = "example-works/north/machining/line-1/mill-01/telemetry"
            world.floor.hear(topic, json.dumps({**body, "readings": {"load": 7}}).encode(), 5)
            text = ""
            while "event: machines" not in text or "event: readings" not in text:
                text += (await more()).decode()
            return text

    events = list(spoken(run(go())))
    devices = {m["device"] for name, said in events if name == "machines" for m in said["machines"]}
    points = [said for name, said in events if name == "readings"]
    assert devices == {"mill-01", "mill-02"}
    assert [one["device"] for one in points] == ["mill-01"]
    assert points[0]["points"] == [[1767312000000000, {"load": 7.0}, "x", 1, 5]]


def test_alarms_are_told_as_they_begin_and_end(world, stream):
    async def go():
        async with stream() as (_, more):
            await more()
            world.floor.hear(f"{PLACE}/mill-9/death", b"gone", world.now)
            say(world, "mill-9", 1, load=1)
            text = ""
            while text.count("event: alarm") < 2:
                text += (await more()).decode()
            return text

    told = [said for name, said in spoken(run(go())) if name == "alarm"]
    assert [(one["kind"], one["until"] is None) for one in told] == [
        ("offline", True),
        ("offline", False),
    ]


def test_the_same_again_is_told_nobody(world, stream):
    async def go():
        async with stream() as (one, more):
            await more()
            world.hub.tell("log", world.lookout.hub.latest["log"])
            return one.wake.is_set()

    assert run(go()) is False


def test_a_stream_says_that_it_is_still_there(stream):
    async def go():
        async with stream(comment_every=0.1) as (_, more):
            await more()
            return await more()

    assert run(go()) == b": still here\n\n"


def test_who_reads_nothing_is_sent_the_newest_alone(world, stream):
    async def go():
        async with stream("mill-1") as (one, more):
            await more()
            for seq in range(20_000):
                say(world, "mill-1", seq, load=seq)
            for seq in range(2_000):
                world.floor.hear(f"{PLACE}/mill-{seq}/death", b"gone", world.now)
            assert len(one.scans) == 256
            assert len(one.alarms) == 256
            text = ""
            while "event: machines" not in text:
                text += (await more()).decode()
            return text

    events = list(spoken(run(go())))
    points = [point for name, said in events if name == "readings" for point in said["points"]]
    assert points[-1][1] == {"load": 19_999.0}
    assert len(points) == 256
    machines = [said for name, said in events if name == "machines"]
    assert len(machines) == 1
    assert len(machines[0]["machines"]) == 2_000


def test_streams_are_so_many_and_more_are_told_to_come_again(world, stream):
    async def go():
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(MOST_STREAMS):
                _, more = await stack.enter_async_context(stream())
                await more()
            async with world.client() as client:
                return await client.get("/api/v1/live")

    answer = run(go())
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert world.hub.streams == set()


def test_a_page_over_a_socket_sees_what_is_said_and_ends_with_the_server(world):
    with served(world) as url, httpx.stream("GET", f"{url}/api/v1/live?device=mill-1") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        parts = answer.iter_text()
        text = next(parts)
        say(world, "mill-1", 1, load=5)
        while "event: readings" not in text:
            text += next(parts)
    assert any(name == "readings" for name, _ in spoken(text))


@pytest.fixture
def stuck(world):
    """A client over a real socket that asks for the stream and reads nothing of it."""
    with served(world) as url, contextlib.closing(socket.socket()) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, port = url.removeprefix("http://").split(":")
        client.connect((host, int(port)))
        client.sendall(f"GET /api/v1/live HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        deadline = time.monotonic() + 10
        while not world.hub.streams:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield client


@pytest.mark.usefixtures("stuck")
def test_a_client_that_reads_nothing_is_held_up_alone(world):
    held = next(iter(world.hub.streams))
    for value in range(60):
        for number in range(2000):
            say(world, f"mill-{number}", value, load=value)
        time.sleep(0.15)
        if held.version < world.floor.version - 2000:
            break

    # It was sent what fits the sockets' buffers, and nothing since: a mark, not a queue.
    assert held.version < world.floor.version - 2000
    assert len(held.scans) + len(held.alarms) == 0
    assert world.get("/api/v1/machines").status_code == 200


def test_a_stuck_client_is_cut_off():
    from watch.web.watching import EventStream

    ended = []

    async def parts():
        try:
            while True:
                yield b"x"
        finally:
            ended.append(True)

    async def sending(_message):
        if _message["type"] == "http.response.body":
            await asyncio.sleep(3600)

    async def receive():
        await asyncio.sleep(3600)

    run(EventStream(parts(), stuck_after=0.05)({}, receive, sending))
    assert ended == [True]
