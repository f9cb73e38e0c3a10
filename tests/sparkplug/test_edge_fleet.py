"""Edge nodes of the fleet on a real broker: hosts find the rules kept, the ledger all of it."""

import asyncio
import contextlib
from functools import partial

import pytest
from works import (
    HostApplication,
    LogKey,
    Receiver,
    eventually,
    machines,
    outboxes_of,
)

from factoryledger.broker import LocalBroker
from simulator.crew import Conditions
from simulator.edge import edges_of
from simulator.fleet import simulate
from telemetry.link import Link, Subscription
from telemetry.sparkplug_topic import SparkplugTopic

pytestmark = pytest.mark.e2e

WAITING = Conditions(primary_host="scada")


def run(main, seconds=50):
    async def bounded():
        async with asyncio.timeout(seconds):
            return await main()

    return asyncio.run(bounded())


def fleet(broker, prefix, plant, boxes, receiver, **how):
    return partial(
        simulate,
        **{
            "address": broker.address,
            "machines": plant,
            "outboxes": boxes,
            "receipts": receiver.verifier,
            "checkpoints": LogKey(),
            "prefix": prefix,
            "interval": 0.02,
            "resend_after": 0.3,
            "drain": 15.0,
            **how,
        },
    )


@contextlib.asynccontextmanager
async def simulating(start):
    """Run a fleet in the background until the block ends; gives the future of its tally."""
    stop = asyncio.Event()
    task = asyncio.create_task(start(stop=stop))
    try:
        yield task
    finally:
        stop.set()
        await task


def check_ledger(receiver, plant):
    """All of every sender, each number once, nothing but accepted."""
    for name in [*(m.name for m in plant), *(e.name for e in edges_of(plant))]:
        numbers = receiver.numbers(name)
        sessions = {session for session, _ in numbers}
        for session in sessions:
            seqs = [seq for one, seq in numbers if one == session]
            assert seqs == list(range(len(seqs))), name


def test_a_host_finds_the_rules_kept_and_the_ledger_gets_all_of_it(broker, topic_prefix):
    plant = [*machines(), *machines(2, "line-2", "json")]
    receiver = Receiver(broker, topic_prefix, plant)
    [edge] = edges_of(plant)
    host = HostApplication(broker, topic_prefix, edge)

    async def main():
        with outboxes_of(plant) as boxes:
            async with receiver.link, host.link:
                tally = await fleet(broker, topic_prefix, plant, boxes, receiver, duration=2.0)()
                await eventually(lambda: host.spec.deaths)
        return tally

    tally = run(main)
    assert host.failure is None
    assert (tally.held, tally.evicted, tally.distrusted) == (0, 0, 0)
    assert tally.recorded == tally.receipted == len(receiver.stored) > 300
    # The NDEATHs are wills: nobody signs them. JSON machines have births and deaths too.
    assert set(receiver.statuses) == {"accepted", "unsigned"}
    check_ledger(receiver, plant)
    assert (host.spec.births, host.spec.deaths, host.spec.alive) == (1, [0], set())
    types = host.types()
    assert types[:4] == ["NBIRTH", "DBIRTH", "DBIRTH", "DBIRTH"]
    assert types[-4:] == ["DDEATH", "DDEATH", "DDEATH", "NDEATH"]
    assert {"NDATA", "DDATA"} <= set(types)
    assert len(types) > 256  # so the number has wrapped
    reading = host.spec.values["mill-1", "spindle_temperature"]
    assert isinstance(reading, float)
    assert host.spec.values["mill-1", "Machine/Kind"] == "mill"


def test_without_receipts_it_is_sent_again_where_no_host_listens(broker, topic_prefix):
    plant = machines(1)
    receiver = Receiver(broker, topic_prefix, plant, answers=False)
    [edge] = edges_of(plant)
    host = HostApplication(broker, topic_prefix, edge)

    async def main():
        with outboxes_of(plant) as boxes:
            async with receiver.link, host.link:
                start = fleet(broker, topic_prefix, plant, boxes, receiver)
                async with simulating(start) as task:
                    await eventually(lambda: receiver.statuses.get("accepted", 0) > 100)
                    await asyncio.sleep(0.5)
                    receiver.answers = True
                return task.result()

    tally = run(main)
    assert host.failure is None
    assert tally.held == 0
    assert tally.resent > 0
    again = [topic for topic in receiver.topics if "/ledger/outbox/" in topic]
    assert {SparkplugTopic.parse(topic).type for topic in again} >= {"NBIRTH", "DBIRTH", "DDATA"}
    check_ledger(receiver, plant)


def test_a_rebirth_is_answered_by_births_and_a_flood_of_them_by_few(broker, topic_prefix):
    plant = machines(2)
    receiver = Receiver(broker, topic_prefix, plant)
    [edge] = edges_of(plant)
    host = HostApplication(broker, topic_prefix, edge)

    async def main():
        with outboxes_of(plant) as boxes:
            async with receiver.link, host.link:
                start = fleet(broker, topic_prefix, plant, boxes, receiver, interval=5.0)
                async with simulating(start):
                    await eventually(lambda: host.spec.births == 1 and host.spec.data)
                    await host.ask_rebirth(value=False)
                    await asyncio.sleep(1.2)
                    assert host.spec.births == 1
                    host.heard.clear()
                    await host.ask_rebirth()
                    await eventually(lambda: host.spec.births == 2)
                    await eventually(lambda: len(host.heard) >= 3)
                    assert host.types()[:3] == ["NBIRTH", "DBIRTH", "DBIRTH"]
                    for _ in range(50):
                        await host.ask_rebirth()
                    await asyncio.sleep(1.5)
                    assert 3 <= host.spec.births <= 4
                    assert host.spec.bd_seq == 0

    run(main)
    assert host.failure is None
    check_ledger(receiver, plant)


def test_a_killed_broker_costs_hosts_a_session_and_the_ledger_nothing(tmp_path):
    """Each connection has a will of its own, which the NBIRTH after it names."""
    plant, prefix = machines(2), "p"
    with LocalBroker(0, tmp_path, embedded=False) as broker:
        receiver = Receiver(broker, prefix, plant)
        [edge] = edges_of(plant)
        host = HostApplication(broker, prefix, edge)

        async def main():
            with outboxes_of(plant) as boxes:
                async with receiver.link, host.link:
                    start = fleet(broker, prefix, plant, boxes, receiver)
                    async with simulating(start) as task:
                        await eventually(lambda: host.spec.data > 20)
                        for _ in range(2):
                            before = host.spec.births
                            await asyncio.to_thread(broker.kill)
                            await asyncio.sleep(0.3)
                            await asyncio.to_thread(broker.start)
                            await eventually(lambda before=before: host.spec.births > before, 25)
                    return task.result()

        tally = run(main, 80)
    assert host.failure is None
    assert host.spec.bd_seq >= 2
    assert (tally.held, tally.recorded) == (0, len(receiver.stored))
    check_ledger(receiver, plant)


def test_it_waits_for_its_primary_host_and_leaves_with_it(broker, topic_prefix):
    plant = machines(1)
    receiver = Receiver(broker, topic_prefix, plant)
    [edge] = edges_of(plant)
    host = HostApplication(broker, topic_prefix, edge)

    async def main():
        with outboxes_of(plant) as boxes:
            async with receiver.link, host.link:
                await host.say(online=False)
                start = fleet(broker, topic_prefix, plant, boxes, receiver, conditions=WAITING)
                async with simulating(start) as task:
                    # The ledger hears of it all, hosts of nothing.
                    await eventually(lambda: len(receiver.stored) > 20)
                    assert host.heard == []
                    await host.say(online=True)
                    await eventually(lambda: host.spec.data > 5)
                    assert (host.spec.births, host.spec.bd_seq) == (1, 0)
                    await host.say(online=False, timestamp=host.clock - 1)  # one of long ago
                    await asyncio.sleep(0.3)
                    assert host.spec.deaths == []
                    await host.say(online=False)
                    await eventually(lambda: host.spec.deaths == [0])
                    assert host.types()[-1] == "NDEATH"
                    heard = len(host.heard)
                    await asyncio.sleep(0.5)
                    assert len(host.heard) == heard
                    await host.say(online=True)
                    await eventually(lambda: host.spec.births == 2)
                    assert host.spec.bd_seq == 1
                return task.result()

    tally = run(main)
    assert host.failure is None
    assert (tally.held, tally.recorded) == (0, len(receiver.stored))
    check_ledger(receiver, plant)


def test_a_kept_command_and_a_broken_one_are_passed_over(broker, topic_prefix):
    plant = machines(1)
    receiver = Receiver(broker, topic_prefix, plant)
    [edge] = edges_of(plant)
    host = HostApplication(broker, topic_prefix, edge)
    command = str(edge.sparkplug(topic_prefix).of("NCMD"))

    async def main():
        with outboxes_of(plant) as boxes:
            async with receiver.link, host.link:
                rebirth = bytes.fromhex("12180a14") + b"Node Control/Rebirth" + b"\x70\x01"
                await host.link.publish(command, rebirth, retain=True)
                start = fleet(broker, topic_prefix, plant, boxes, receiver)
                async with simulating(start):
                    await eventually(lambda: host.spec.data > 5)
                    await host.link.publish(command, b"\xff\xff")
                    await asyncio.sleep(1.2)
                    assert host.spec.births == 1
                    await host.link.publish(command, rebirth)
                    await eventually(lambda: host.spec.births == 2)
                await host.link.publish(command, b"", retain=True)

    run(main)
    assert host.failure is None


def test_who_looks_on_sees_the_header_as_a_user_property(broker, topic_prefix):
    plant = machines(1)
    receiver = Receiver(broker, topic_prefix, plant)
    seen = []

    async def main():
        watcher = Link(
            broker.address,
            client_id=f"w-{topic_prefix[-8:]}",
            clean_start=True,
            subscriptions=[Subscription(f"{topic_prefix}/spBv1.0/#", qos=0)],
            on_arrivals=seen.extend,
        )
        with outboxes_of(plant) as boxes:
            async with receiver.link, watcher:
                await fleet(broker, topic_prefix, plant, boxes, receiver, duration=0.2)()

    run(main)
    signed = [one for one in seen if one.topic.split("/")[4] != "NDEATH"]
    assert signed
    for arrival in signed:
        [(name, value)] = arrival.properties.user_properties
        assert name == "factoryledger-header"
        assert value.startswith('{"device":"')
