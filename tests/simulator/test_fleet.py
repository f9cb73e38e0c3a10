"""The fleet against a real broker and real receipts."""

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fleet_parts import LogKey, check_chains, keyring_of, run

from simulator.fleet import simulate
from simulator.offline import test_key
from simulator.outbox import Outbox
from simulator.plant import build_plant
from simulator.wire import Wire
from telemetry.address import NOBODY, Address
from telemetry.errors import BrokerUnavailable
from telemetry.link import Link, Subscription
from telemetry.message import Cited, parse
from telemetry.topic import checkpoint_topic

ROOT = Path(__file__).parents[2]
SEED = 5


@pytest.fixture
def log_key():
    return LogKey()


def plant(count=4):
    return build_plant(count, SEED)


@pytest.fixture
def outboxes(tmp_path):
    """Opens the outboxes of machines, in a folder; closes them at the end."""
    opened = {}

    def open_all(machines, directory=tmp_path / "outbox"):
        for outbox in opened.values():
            outbox.close()
        opened.clear()
        for machine in machines:
            key = test_key(SEED, machine.name)
            opened[machine.name] = Outbox(machine.name, key, machine.topic, directory)
        return dict(opened)

    yield open_all
    for outbox in opened.values():
        outbox.close()


@pytest.mark.e2e
def test_every_message_is_received_once_and_receipted(
    broker, topic_prefix, receipt_giver, outboxes, log_key
):
    machines = plant(20)
    ready = []

    async def main():
        async with receipt_giver(broker.address, topic_prefix, keyring_of(machines, SEED)) as giver:
            tally = await simulate(
                address=broker.address,
                machines=machines,
                outboxes=outboxes(machines),
                receipts=giver.verifier(),
                checkpoints=log_key,
                prefix=topic_prefix,
                interval=0.05,
                duration=1.0,
                on_ready=lambda: ready.append(True),
            )
            return giver, tally

    giver, tally = run(main)
    assert ready == [True]
    assert tally.held == tally.evicted == 0
    assert tally.recorded == tally.delivered == tally.receipted == len(giver.stored)
    telemetry = [j for j in giver.stored.values() if j.message.kind == "telemetry"]
    assert len(telemetry) == 20 * 20
    assert set(giver.statuses) == {"accepted"}
    assert giver.failure is None
    check_chains(giver, machines)
    assert giver.deaths == []


@pytest.mark.e2e
def test_birth_and_state_are_retained_and_telemetry_is_not(
    broker, topic_prefix, receipt_giver, outboxes, log_key
):
    machines, seen = plant(1), []

    async def main():
        async with receipt_giver(broker.address, topic_prefix, keyring_of(machines, SEED)) as giver:
            await simulate(
                address=broker.address, machines=machines, outboxes=outboxes(machines),
                receipts=giver.verifier(), checkpoints=log_key, prefix=topic_prefix,
                interval=0.02, duration=0.3,
            )  # fmt: skip
        everything = [Subscription(f"{topic_prefix}/+/+/+/+/+/+")]
        async with Link(broker.address, client_id=f"late-{os.getpid()}",
                        subscriptions=everything, on_arrivals=seen.extend):  # fmt: skip
            await asyncio.sleep(0.3)

    run(main)
    assert sorted(a.topic.rsplit("/", 1)[1] for a in seen) == ["birth", "state"]
    birth = next(parse(a.payload, "birth") for a in seen if a.topic.endswith("/birth"))
    assert birth.content["kind"] == machines[0].kind
    assert birth.seq == 0


@pytest.mark.e2e
def test_a_puback_frees_nothing(broker, topic_prefix, receipt_giver, outboxes, log_key):
    machines = plant(3)

    async def main():
        silent = receipt_giver(
            broker.address, topic_prefix, keyring_of(machines, SEED), answers=False
        )
        async with silent as giver:
            tally = await simulate(
                address=broker.address, machines=machines, outboxes=outboxes(machines),
                receipts=giver.verifier(), checkpoints=log_key, prefix=topic_prefix,
                interval=0.05, duration=0.3, drain=0.5,
            )  # fmt: skip
            return giver, tally

    giver, tally = run(main)
    assert tally.delivered == tally.recorded == tally.held == len(giver.stored)
    assert tally.receipted == 0


@pytest.mark.e2e
def test_no_subscriber_is_no_delivery(broker, topic_prefix, receipt_giver, outboxes, log_key):
    machines = plant(3)
    checker = receipt_giver(broker.address, topic_prefix, keyring_of(machines, SEED)).verifier()

    async def main():
        return await simulate(
            address=broker.address, machines=machines, outboxes=outboxes(machines),
            receipts=checker, checkpoints=log_key, prefix=topic_prefix,
            interval=0.05, duration=0.3, drain=0.3,
        )  # fmt: skip

    tally = run(main)
    assert tally.refused >= tally.recorded > 0
    assert (tally.delivered, tally.receipted, tally.held) == (0, 0, tally.recorded)


@pytest.mark.e2e
def test_what_gets_no_receipt_is_sent_again(broker, topic_prefix, receipt_giver, outboxes, log_key):
    machines = plant(2)

    async def main():
        deaf = receipt_giver(
            broker.address, topic_prefix, keyring_of(machines, SEED), answers=False
        )
        async with deaf as giver:
            running = asyncio.create_task(simulate(
                address=broker.address, machines=machines, outboxes=outboxes(machines),
                receipts=giver.verifier(), checkpoints=log_key, prefix=topic_prefix,
                interval=0.05, duration=0.5, resend_after=0.2,
            ))  # fmt: skip
            await asyncio.sleep(0.8)
            giver.answers = True
            return giver, await running

    giver, tally = run(main)
    assert tally.held == 0
    assert tally.resent > 0
    assert giver.arrivals > len(giver.stored) == tally.recorded == tally.receipted


@pytest.mark.e2e
def test_forged_foreign_and_replayed_receipts_free_nothing(
    broker, topic_prefix, receipt_giver, outboxes, log_key
):
    from anchor.note import SignerKey
    from anchor.receipts import ReceiptTree

    machines = plant(2)
    mallory = ReceiptTree(SignerKey.from_seed("log.example/collector/mallory", bytes([9]) * 32))

    async def main():
        deaf = receipt_giver(
            broker.address, topic_prefix, keyring_of(machines, SEED), answers=False
        )
        async with deaf as giver:
            boxes = outboxes(machines)
            running = asyncio.create_task(simulate(
                address=broker.address, machines=machines, outboxes=boxes,
                receipts=giver.verifier(), checkpoints=log_key, prefix=topic_prefix,
                interval=0.05, duration=0.4, drain=15.0,
            ))  # fmt: skip
            await asyncio.sleep(0.8)
            first, second = (boxes[machine.name] for machine in machines)
            topics = [f"{topic_prefix}/{m.topic.with_kind('receipt').unprefixed}" for m in machines]
            batch = {
                seq: judged
                for (name, _, seq), judged in giver.stored.items()
                if name == machines[0].name
            }
            leaf = giver.leaf(batch).to_bytes()
            (good,) = giver.tree.seal([leaf])
            tampered = json.loads(good)
            tampered["leaf"] = tampered["leaf"].replace('"ranges":[[0,', '"ranges":[[1,')
            for forged in [
                mallory.seal([leaf])[0],
                json.dumps(tampered, separators=(",", ":")).encode(),
                good[:-1],
                b"",
                b"\xff" * 100,
            ]:
                giver.post(topics[0], forged)
            giver.post(topics[1], good)  # another machine's
            await asyncio.sleep(0.5)
            held = (first.held, second.held)
            assert held == (first.recorded, second.recorded)
            giver.post(topics[0], good)
            await asyncio.sleep(0.5)
            assert (first.held, second.held) == (0, held[1])
            giver.post(topics[0], good)  # replayed
            rest = {
                seq: judged
                for (name, _, seq), judged in giver.stored.items()
                if name == machines[1].name
            }
            giver.post(topics[1], giver.tree.seal([giver.leaf(rest).to_bytes()])[0])
            return giver, await running

    _, tally = run(main)
    assert tally.distrusted == 5
    assert tally.receipted == tally.recorded
    assert tally.held == 0


@pytest.mark.e2e
def test_machines_cite_the_newest_checkpoint_that_holds(
    broker, topic_prefix, receipt_giver, outboxes, log_key
):
    machines = plant(2)
    topic = checkpoint_topic(topic_prefix)
    forged = log_key.note(900).replace(b"\n900\n", b"\n999\n")

    async def main():
        async with receipt_giver(broker.address, topic_prefix, keyring_of(machines, SEED)) as giver:
            running = asyncio.create_task(simulate(
                address=broker.address, machines=machines, outboxes=outboxes(machines),
                receipts=giver.verifier(), checkpoints=log_key, prefix=topic_prefix,
                interval=0.02, duration=1.2,
            ))  # fmt: skip
            for note in (log_key.note(10), log_key.note(20), forged, log_key.note(15), b"", b"x"):
                await asyncio.sleep(0.15)
                giver.post(topic, note, retain=True)
            return giver, await running

    giver, _ = run(main)
    for machine in machines:
        (messages,) = giver.sessions(machine.name).values()
        cited = [judged.message.anchor for _, judged in messages]
        sizes = [one and one.size for one in cited]
        assert list(dict.fromkeys(sizes)) == [None, 10, 20]
        assert cited[-1] == Cited(20, hashlib.sha256(log_key.note(20)).digest())


@pytest.mark.e2e
def test_a_broker_that_goes_away_costs_nothing(
    tmp_path, topic_prefix, receipt_giver, outboxes, log_key
):
    from factoryledger.broker import LocalBroker

    machines = plant(3)

    async def main(broker):
        async with receipt_giver(broker.address, topic_prefix, keyring_of(machines, SEED)) as giver:
            boxes = outboxes(machines)
            running = asyncio.create_task(simulate(
                address=broker.address, machines=machines, outboxes=boxes,
                receipts=giver.verifier(), checkpoints=log_key, prefix=topic_prefix,
                interval=0.02, duration=3.0, resend_after=0.5,
            ))  # fmt: skip
            for _ in range(2):
                await asyncio.sleep(0.5)
                await asyncio.to_thread(broker.kill)
                before = sum(box.recorded for box in boxes.values())
                await asyncio.sleep(0.4)
                assert sum(box.recorded for box in boxes.values()) > before
                assert sum(box.held for box in boxes.values()) > 0
                await asyncio.to_thread(broker.start)
            return giver, await running

    with LocalBroker(0, tmp_path / "broker", embedded=False) as broker:
        giver, tally = run(lambda: main(broker))
    assert tally.held == 0
    assert len(giver.stored) == tally.recorded == tally.receipted
    assert giver.failure is None
    check_chains(giver, machines)


@pytest.mark.e2e
def test_no_broker_is_said_with_the_address(outboxes, receipt_giver, log_key):
    from factoryledger.broker import free_port

    machines, address = plant(2), Address("127.0.0.1", free_port())

    async def main():
        checker = receipt_giver(address, "p", keyring_of(machines, SEED)).verifier()
        await simulate(address=address, machines=machines, outboxes=outboxes(machines),
                       receipts=checker, checkpoints=log_key, duration=1.0)  # fmt: skip

    with pytest.raises(BrokerUnavailable, match=str(address.port)):
        run(main)


@pytest.mark.e2e
def test_stop_ends_the_readings_and_drains(broker, topic_prefix, receipt_giver, outboxes, log_key):
    machines = plant(2)

    async def main():
        stop = asyncio.Event()
        async with receipt_giver(broker.address, topic_prefix, keyring_of(machines, SEED)) as giver:
            asyncio.get_running_loop().call_later(0.5, stop.set)
            return await simulate(
                address=broker.address, machines=machines, outboxes=outboxes(machines),
                receipts=giver.verifier(), checkpoints=log_key, prefix=topic_prefix,
                interval=0.05, stop=stop,
            )  # fmt: skip

    tally = run(main)
    assert tally.held == 0
    assert 10 <= tally.recorded < 100


@pytest.mark.e2e
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_disk_that_fails_ends_the_fleet_with_that_error(
    broker, topic_prefix, receipt_giver, outboxes, log_key
):
    from simulator.errors import OutboxUnwritable

    machines = plant(3)

    async def main():
        async with receipt_giver(broker.address, topic_prefix, keyring_of(machines, SEED)) as giver:
            boxes = outboxes(machines)
            journal = boxes[machines[1].name]._journal
            full = os.open("/dev/full", os.O_WRONLY)
            asyncio.get_running_loop().call_later(0.3, os.dup2, full, journal._descriptor)
            asyncio.get_running_loop().call_later(0.4, os.close, full)
            await simulate(
                address=broker.address, machines=machines, outboxes=boxes,
                receipts=giver.verifier(), checkpoints=log_key, prefix=topic_prefix,
                interval=0.05, duration=10,
            )  # fmt: skip

    with pytest.raises(OutboxUnwritable, match=machines[1].name):
        run(main)


KILLED = """
import asyncio, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from anchor.note import VerifierKey
from anchor.receipts import ReceiptVerifier
from simulator.fleet import simulate
from simulator.offline import test_key
from simulator.outbox import Outbox
from simulator.plant import build_plant
from telemetry.address import Address

class NoCheckpoint:
    def check(self, note):
        raise ValueError("none here")

machines = build_plant(3, {seed})
boxes = {{m.name: Outbox(m.name, test_key({seed}, m.name), m.topic, Path({folder!r}))
         for m in machines}}
tally = asyncio.run(simulate(
    address=Address("127.0.0.1", {port}), machines=machines, outboxes=boxes,
    receipts=ReceiptVerifier(VerifierKey.from_text({operator!r}), "log.example"),
    checkpoints=NoCheckpoint(), prefix={prefix!r}, interval=0.01, duration={duration},
    resend_after=0.5, on_ready=lambda: print("ready", flush=True)))
print(tally.recorded, tally.receipted, tally.held, flush=True)
"""


@pytest.mark.e2e
def test_kill_9_of_the_fleet_loses_no_recorded_message(
    broker, topic_prefix, receipt_giver, tmp_path
):
    machines, folder = plant(3), tmp_path / "outbox"

    def start(giver, duration):
        code = KILLED.format(
            root=str(ROOT), seed=SEED, folder=str(folder), port=broker.address.port,
            operator=str(giver.operator.verifier), prefix=topic_prefix, duration=duration,
        )  # fmt: skip
        return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)

    async def main():
        async with receipt_giver(broker.address, topic_prefix, keyring_of(machines, SEED)) as giver:
            for number in range(3):
                process = start(giver, 60)
                try:
                    assert await asyncio.to_thread(process.stdout.readline) == "ready\n"
                    await asyncio.sleep(0.2 + 0.13 * number)
                finally:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    process.stdout.close()
            process = start(giver, 0.3)
            out, _ = await asyncio.to_thread(process.communicate, timeout=40)
            await asyncio.sleep(0.3)
            return giver, [int(word) for word in out.split("\n")[1].split()]

    giver, (recorded, receipted, held) = run(main, 60)
    assert held == 0
    assert len(giver.stored) == recorded == receipted
    assert giver.failure is None
    assert set(giver.statuses) == {"accepted"}
    check_chains(giver, machines)
    for machine in machines:
        assert len(giver.sessions(machine.name)) == 4
    # Each of the three that were killed left its will; the one that ended cleanly did not.
    deaths = [json.loads(payload) for _, payload, _ in giver.deaths]
    assert len(deaths) == 3 * 3
    assert not any(retain for _, _, retain in giver.deaths)
    assert {death["session"] for death in deaths} <= {key[1] for key in giver.stored}


def test_client_ids_hold_no_character_that_a_server_may_refuse():
    def wire(prefix, ids=None):
        return Wire(Address("b.example"), lambda _name: NOBODY, prefix, 5.0, ids)

    assert wire("").client_id("mill-01") == "mill-01"
    assert wire("lab/Ü 7/x").client_id("mill-01") == "lab---7-x-mill-01"
    assert wire("lab", "random").client_id("mill-01") == "random-mill-01"


def test_time_never_goes_back_within_a_session(key, topic):
    from simulator.machine import Machine
    from simulator.station import Station
    from simulator.trust import Trust

    clock = iter([100, 200, 150, 300])
    outbox = Outbox(topic.machine, key, topic)
    station = Station(Machine(topic, "mill", 1).start(), outbox, lambda: next(clock))
    station.open(Trust(None, None))
    for _ in range(3):
        station.beat(0.1, Trust(None, None))
    outbox.sync()
    times = [parse(entry.payload, entry.kind).time for entry in outbox.ready()]
    assert times == [100, 100, 200, 200, 300]
