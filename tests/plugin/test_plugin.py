"""The pytest plugin: what its fixtures do, and what a failing test is told."""

import asyncio
import threading

import pytest

from factoryledger.errors import WrongUsage
from factoryledger.testing.cassette import Cassette
from telemetry.link import Link
from telemetry.recording import Line, read

pytestmark = pytest.mark.e2e

LOOP = "asyncio_default_fixture_loop_scope=function"


def ran(pytester, text, *words):
    pytester.makepyfile(text)
    return pytester.runpytest_subprocess("-p", "no:xdist", "-o", LOOP, *words)


def test_the_fixtures_in_tests_of_every_kind(pytester):
    result = ran(
        pytester,
        """
        import asyncio, pathlib, sys, pytest

        def test_nothing_of_the_parts_is_there_before_it_is_asked_for():
            parts = {"aiomqtt", "collector", "anchor", "sqlalchemy", "recorder", "telemetry"}
            assert not parts & set(sys.modules)

        async def heard(client, count):
            found = []
            async for message in client.messages:
                found.append((message.topic.value, message.payload))
                if len(found) == count:
                    return found

        @pytest.mark.asyncio
        async def test_asyncio(mosquitto, replay, ledger):
            async with mosquitto.client() as client:
                await client.subscribe(mosquitto.topic("odd/#"), qos=1)
                played = await replay("odd", topics=["odd/3", "odd/4"])
                found = await asyncio.wait_for(heard(client, 2), 5)
                await client.publish(mosquitto.topic("mine"), b"x", qos=1)
            assert found == [(mosquitto.topic("odd/3"), bytes(range(256))),
                             (mosquitto.topic("odd/4"), bytes([255, 254]))]
            assert (played.sent, played.acknowledged, played.whole) == (2, 2, True)
            assert ledger.stored == 3
            ledger.assert_verified()

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        async def test_anyio(replay, ledger):
            await replay("odd", remap=["odd=even"])
            assert ledger.stored.on("even/#") == 13

        def test_plain(replay, ledger, mosquitto):
            assert ledger.stored == 0
            replay("odd", start=0.3, stop=0.5)
            assert ledger.stored == [("odd/3", bytes(range(256))), ("odd/4", bytes([255, 254]))]
            assert ledger.stored == [bytes(range(256)), bytes([255, 254])]
            assert ledger.stored.topics == ["odd/3", "odd/4"]
            assert mosquitto.url == f"mqtt://{mosquitto.host}:{mosquitto.port}"
            ledger.assert_verified()

        def test_the_same_every_time(make_ledger, replay):
            one, other = make_ledger(clock="recording"), make_ledger(clock="recording")
            replay("workshop", times=True, speed=60)
            assert one.stored == other.stored == 108
            assert one.roots == other.roots
            assert len(one.roots) > 20
            assert one.stored[0].received == 1_767_225_600_000_000

        @pytest.mark.parametrize("name", ["workshop", "sparkplug"])
        def test_yesterday_as_today(name, ledger, replay):
            replay(name, sign=ledger.data.path, rebase="now")
            stored = ledger.stored
            assert set(stored.statuses) <= {"accepted", "unsigned"}
            assert stored.statuses["accepted"] > 30
            first = stored.on("#")[0]
            assert abs(first.received - first.time) < 60_000_000
            stats = ledger.stats
            assert (stats.gaps, stats.breaks) == ((), ())
            ledger.assert_verified()

        def test_sparkplug_and_a_machine_of_ones_own(ledger, replay):
            replay("sparkplug", enrol=ledger)
            assert set(ledger.stored.statuses) <= {"accepted", "unsigned"}
            assert ledger.stored.statuses["accepted"] > 30
            assert ledger.enrol("press-9").public_key
            ledger.assert_verified()
        """,
        "-W",
        "error",
    )
    result.assert_outcomes(passed=8)


def test_a_failing_test_is_told_why(pytester):
    result = ran(
        pytester,
        """
        import sqlite3

        def test_number(ledger, replay):
            replay("odd", topics=["odd/1", "odd/2"])
            assert ledger.stored == 3

        def test_payloads(ledger, replay):
            replay("odd", topics=["odd/1", "odd/5"])
            assert ledger.stored == [b"plain", b"other"]

        def test_missing(ledger, replay):
            replay("odd", topics=["odd/1"])
            assert [b"plain", b"more"] == ledger.stored

        def test_text(ledger):
            assert ledger.stored == "plain"

        def test_nothing_is_verified(ledger):
            ledger.assert_verified()

        def test_tampered(ledger, replay):
            replay("odd", topics=["odd/1"])
            assert ledger.stored == 1
            with sqlite3.connect(ledger.data.path / "ledger.db") as store:
                store.execute("UPDATE messages SET payload = 'changed'")
            store.close()
            ledger.assert_verified()

        def test_cut(replay, tmp_path):
            (tmp_path / "cut.jsonl").write_bytes(replay._found("odd").read_bytes()[:3000])
            replay(tmp_path / "cut.jsonl")

        def test_no_file(replay):
            replay("nothing")
        """,
    )
    result.assert_outcomes(failed=8)
    result.stdout.fnmatch_lines(
        [
            "*2 messages stored, not 3*",
            "*by status: 2 unsigned*",
            "*1 on odd/1*",
            "*number 1 is ('odd/5', *, expected b'other'*",
            "*number 1 is missing: b'more'*",
            "*compared with a number, a list of payloads*",
            "*nothing is stored, so nothing is verified*",
            "*the ledger does not verify:*",
            "*payload*",
            "*was not replayed as a whole*",
            "*no recording nothing in *",
        ]
    )


def test_the_marker_says_what_is_missing_and_then_records(
    pytester, broker, topic_prefix, monkeypatch
):
    text = f"""
        import pytest

        @pytest.mark.recorded("plant.jsonl", topics=["{topic_prefix}/#"], count=1, duration=9)
        def test_plant(ledger, replay):
            assert replay().sent == ledger.stored == 1

        def test_no_marker(replay):
            with pytest.raises(ValueError, match="mark.recorded"):
                replay()
        """
    result = ran(pytester, text)
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*no recording *plant.jsonl: make it with --recorded-mode once*"])

    stop = threading.Event()
    plant = threading.Thread(target=publish, args=(broker.address, topic_prefix, ["a"], stop))
    plant.start()
    where = ["--recorded-mode", "once", "--recorded-broker", str(broker.address)]
    ran(pytester, text, *where).assert_outcomes(passed=2)
    stop.set()
    plant.join()
    assert len(lines(pytester.path / "recordings" / "plant.jsonl")) == 1


def publish(address, prefix, topics, stop):
    """Be a plant: numbers on some topics, until stopped."""

    async def run():
        async with Link(address, client_id="") as link:
            number = 0
            while not stop.is_set():
                for topic in topics:
                    await link.publish(f"{prefix}/{topic}", b"%d" % number)
                number += 1
                await asyncio.sleep(0.02)

    asyncio.run(run())


@pytest.fixture
def cassette(broker, topic_prefix, tmp_path):
    """Give a recording ready, with a plant that speaks on these topics meanwhile."""

    def ready(mode, topics=(), count=4, source=True, duration=3.0):
        stop = threading.Event()
        plant = threading.Thread(target=publish, args=(broker.address, topic_prefix, topics, stop))
        plant.start()
        where = str(broker.address) if source else ""
        made = Cassette(
            tmp_path / "recordings" / "x.jsonl", mode, where, [f"{topic_prefix}/#"], count, duration
        )
        try:
            return asyncio.run(made.ready())
        finally:
            stop.set()
            plant.join()

    return ready


def test_the_modes_are_those_of_cassettes(cassette):
    with pytest.raises(WrongUsage, match="--recorded-mode once"):
        cassette("none")
    with pytest.raises(WrongUsage, match="from where"):
        cassette("once", source=False)
    file = cassette("once", ["a"])
    first = file.read_bytes()
    assert len(lines(file)) == 4
    for mode in ("once", "none"):
        assert cassette(mode, ["c"]).read_bytes() == first

    cassette("new_episodes", ["a", "b"])
    added = lines(file)
    assert [line.topic.rpartition("/")[2] for line in added] == ["a"] * 4 + ["b"] * 4
    assert added[4].received - added[3].received == 1_000_000
    whole = file.read_bytes()
    cassette("new_episodes", ["a", "b"], duration=0.3)
    assert file.read_bytes() == whole

    cassette("all", ["c"], count=2)
    assert len(lines(file)) == 2
    with pytest.raises(WrongUsage, match="nothing came"):
        cassette("all", duration=0.3)
    assert len(lines(file)) == 2
    assert {one.name for one in file.parent.iterdir()} == {"x.jsonl"}


def lines(file) -> list[Line]:
    with file.open("rb") as opened:
        reading = read(opened, str(file))
        found = [line for _, line in reading]
    assert reading.complete is True
    return found
