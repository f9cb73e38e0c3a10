"""Judges beside the collector: they say what it would say, and may die at any moment."""

import asyncio
import os
import signal
import sys
import time
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import judge_process
from collector.arrived import Arrived
from collector.counting import Door
from collector.judge_frames import HEAD, frame, length, messages, statements, verdicts
from collector.panel import Panel
from collector.verdict import Verdict, decide
from telemetry.keyring import Keyring, KeyStatement

pytestmark = pytest.mark.e2e

SILENT = (sys.executable, "-c", "import time; time.sleep(60)")
DYING = (sys.executable, "-c", "raise SystemExit(1)")
BABBLING = (sys.executable, "-c", "import sys; sys.stdout.buffer.write(bytes(3) + b'\\1\\x90')")


def keys_of(works):
    """The statements that the requests folder holds by now."""
    return [works.authority.read(entry) for _, entry in works.requests.entries]


def mixed(works, count=300):
    """Arrivals of every kind of judgement, many of them signed."""
    known = works.machine("press-1")
    stranger = works.machine("press-2", enrolled=False)
    found = []
    for number in range(count):
        topic, payload = (stranger if number % 7 == 3 else known).message()
        if number % 5 == 1:
            payload = payload.replace(b'"temperature":', b'"temperature":1')  # signature fails
        if number % 11 == 2:
            payload = payload.replace(b'"session":"', b'"session":"UP')  # malformed
        if number % 3 == 1:
            topic, payload = "any/topic", b"%d" % number
        found.append(Arrived(topic, payload, None, number))
    return found


def alone(arrivals, keys):
    keyring = Keyring(keys)
    return [decide(one.topic, one.payload, one.properties, keyring) for one in arrivals]


async def ask(panel, arrivals):
    return await asyncio.wait_for(panel.judge(arrivals), 60)


@pytest.mark.parametrize("processes", [1, 3])
def test_they_say_what_the_collector_would_say(works, processes):
    arrivals = mixed(works)
    keys = keys_of(works)

    async def run():
        async with Panel(processes, keys) as panel:
            return await ask(panel, arrivals)

    found = asyncio.run(run())
    expected = alone(arrivals, keys)
    assert {verdict.status for verdict in expected} == {
        "accepted",
        "unsigned",
        "malformed",
        "bad-signature",
        "unknown-device",
    }
    for verdict, own in zip(found, expected, strict=True):
        assert verdict == (None if own.status == "unsigned" else own)


def test_statements_reach_them_in_order_and_before_what_comes_after(works):
    """A key that is revoked between two batches is revoked for the second."""
    machine = works.machine("press-1", enrolled=False)
    enrolment = works.enrol(machine)
    keys = keys_of(works)
    arrivals = [Arrived(*machine.message(), None, n) for n in range(40)]

    async def run():
        async with Panel(2, keys) as panel:
            before = await ask(panel, arrivals)
            works.revoke(machine, enrolment)
            keys.append(keys_of(works)[-1])
            return before, await ask(panel, arrivals)

    before, after = asyncio.run(run())
    assert {(one.status, one.keys) for one in before} == {("accepted", 1)}
    assert {(one.status, one.keys) for one in after} == {("revoked", 2)}
    keyring = Keyring(keys)
    assert not any(one.holds(keyring) for one in before)
    assert all(one.holds(keyring) for one in after)


def test_few_and_unsigned_messages_start_nobody(works):
    arrivals = mixed(works, 20) + [Arrived("t", b"%d" % n, None, n) for n in range(1000)]

    async def run():
        async with Panel(2, keys_of(works)) as panel:
            return await ask(panel, arrivals), panel.pids

    assert asyncio.run(run()) == ((), [])


def test_without_processes_everything_is_left_to_the_collector(works):
    async def run():
        async with Panel(0, keys_of(works)) as panel:
            return await ask(panel, mixed(works))

    assert asyncio.run(run()) == ()


def test_a_judge_that_is_killed_is_replaced_and_its_messages_are_judged(works):
    arrivals = mixed(works, 3000)
    keys = keys_of(works)

    async def run():
        async with Panel(2, keys) as panel:
            await ask(panel, arrivals)
            for _ in range(3):
                first = list(panel.pids)
                judging = asyncio.create_task(panel.judge(arrivals))
                await asyncio.sleep(0)
                for pid in first:
                    os.kill(pid, signal.SIGKILL)
                found = await asyncio.wait_for(judging, 60)
                assert not set(first) & set(panel.pids)
                yield found

    async def gather():
        return [found async for found in run()]

    expected = [None if own.status == "unsigned" else own for own in alone(arrivals, keys)]
    for found in asyncio.run(gather()):
        # What was asked twice in vain is left to the collector.
        assert all(one in (None, own) for one, own in zip(found, expected, strict=True))
        assert sum(one is None for one in found) <= expected.count(None) + 4 * 128


@pytest.mark.parametrize("command", [DYING, BABBLING, ("/no/such/program",)])
def test_where_none_can_judge_everything_is_left_to_the_collector(works, command):
    arrivals = mixed(works)

    async def run():
        async with Panel(2, keys_of(works), command) as panel:
            return [await ask(panel, arrivals) for _ in range(4)]

    for found in asyncio.run(run()):
        assert set(found) <= {None}


def test_it_closes_while_a_judge_says_nothing(works):
    async def run():
        async with Panel(2, keys_of(works), SILENT) as panel:
            judging = asyncio.create_task(panel.judge(mixed(works)))
            while len(panel.pids) < 2:  # noqa: ASYNC110 - no event for a process
                await asyncio.sleep(0.01)
            pids = list(panel.pids)
        return await asyncio.wait_for(judging, 60), pids

    found, pids = asyncio.run(run())
    assert set(found) == {None}
    assert not any(alive(pid) for pid in pids)


def test_judges_end_with_a_collector_that_is_killed(works):
    """Their standard input ends with it, however it ended."""
    script = (
        "import asyncio, sys\n"
        "from collector.arrived import Arrived\n"
        "from collector.panel import Panel\n"
        "async def main():\n"
        "    async with Panel(2, []) as panel:\n"
        "        payload = b'{' + b',\"sig\":\"' + b'A' * 86 + b'==\"}'\n"
        "        await panel.judge([Arrived('t', payload, None, 0)] * 64)\n"
        "        print(*panel.pids, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )

    async def run():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
        )
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        process.kill()
        await process.communicate()
        return [int(pid) for pid in line.split()]

    pids = asyncio.run(run())
    assert len(pids) == 2
    deadline = time.monotonic() + 30
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_message_that_a_judge_fails_on_is_left_to_the_collector():
    """Only a fault of this program can do that; here a payload that is no bytes."""
    assert judge_process._verdict(("t", None, None), Keyring()) is None


def test_rows_and_roots_are_the_same_however_many_judge(works, another_works, feed_for):
    """Also where a key ends after they judged, and where one is unknown to them."""
    machines = [works.machine(f"press-{n}") for n in range(3)]
    stranger = works.machine("press-9", enrolled=False)
    for machine in machines:
        another_works.enrol(machine)
    first = [Arrived(*machine.message(), None, 10 * n) for n in range(20) for machine in machines]
    second = [Arrived(*one.message(), None, n) for n in range(20) for one in (stranger, *machines)]

    async def judged(arrivals, keys):
        async with Panel(2, keys) as panel:
            return await ask(panel, arrivals)

    def run(place, ahead):
        enrolments = [sha256(entry).digest() for _, entry in place.requests.entries]
        with place.open() as store:
            ledger = place.live(store).ledger
            batches = []
            for arrivals in (first, second):
                verdicts = asyncio.run(judged(arrivals, ledger.statements)) if ahead else ()
                if arrivals is second:
                    place.revoke(machines[0], enrolments[0])
                    place.enrol(stranger)
                taken = ledger.take(arrivals, Door(len(arrivals)), ahead=verdicts)
                batches.append((taken.statuses, taken.batch.keys))
            rows = list(place.reader().messages(ledger.head.collector))
            return batches, rows, ledger.head.log.root

    plain, beside = run(works, ahead=False), run(another_works, ahead=True)
    assert plain == beside
    assert plain[0][1][0] == {"accepted": 60, "revoked": 20}


HASHES = st.binary(min_size=32, max_size=32)
NUMBERS = st.tuples(
    st.text("ab-9", min_size=1), st.text("ab-9", min_size=1), st.integers(0, 2**63 - 1)
)
VERDICTS = st.builds(
    Verdict,
    status=st.sampled_from(["accepted", "malformed", "revoked"]),
    payload_hash=HASHES,
    body_hash=st.none() | HASHES,
    keys=st.integers(0, 2**40),
    number=st.none() | NUMBERS,
    time=st.none() | st.integers(0, 2**60),
    key=st.none() | st.text("0123456789abcdef", min_size=16, max_size=16),
    entry=st.none() | HASHES,
    scans=st.lists(st.integers(0, 2**60)).map(tuple),
)
WORDS = st.tuples(st.text(st.characters(codec="utf-8")), st.binary(), st.none() | st.text("ab"))


@settings(max_examples=60)
@given(st.lists(st.none() | VERDICTS), st.lists(WORDS))
def test_frames_come_out_as_they_went_in(found, asked):
    assert verdicts(body(frame(found))) == found
    assert messages(body(frame(asked))) == asked


def test_key_statements_come_out_as_they_went_in(works):
    machine = works.machine("press-1", enrolled=False)
    works.revoke(machine, works.enrol(machine))
    said = keys_of(works)
    assert statements(body(frame(said))) == said
    assert all(isinstance(one, KeyStatement) for one in said)


def body(data):
    assert length(data[:HEAD]) == len(data) - HEAD
    return data[HEAD:]
