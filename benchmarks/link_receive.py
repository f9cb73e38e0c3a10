"""How fast the link takes messages in, beside paho: both from one Mosquitto, in one run.

Each side in turn subscribes at QoS 1 with a kept session, goes away while a burst is queued
for it, comes back and takes it, acknowledging each message itself. Prints one line of JSON
with both rates and their ratio: the ratio is the figure, the rates are this machine's.

Run: python benchmarks/link_receive.py [--messages N] [--size BYTES] [--rounds R]
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import threading
import time
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from factoryledger.broker import LocalBroker
from telemetry.link import Address, Link, Subscription

TOPIC = "bench/t"
WINDOW = 1024


async def fill(address: Address, count: int, payload: bytes) -> None:
    """Publish the burst, every message answered for."""
    async with Link(address, client_id="bench-fill") as link:
        posted = [link.post(TOPIC, payload) for _ in range(count)]
        codes = set(await asyncio.gather(*posted))
    assert codes == {0}, codes


def options(name: str) -> dict[str, object]:
    """Give the link's settings; the same for both of its connections."""
    return {
        "client_id": name,
        "subscriptions": [Subscription("bench/#", retain_handling=1)],
        "session_expiry": 600,
        "receive_maximum": WINDOW,
    }


def by_link(address: Address, count: int, payload: bytes, factory: object) -> tuple[float, float]:
    """Take the burst with the link; seconds of wall clock and of this process's CPU."""

    async def run() -> tuple[float, float]:
        async with Link(address, **options("bench-link")):
            pass
        await fill(address, count, payload)
        taken, done = 0, asyncio.Event()

        def arrived(arrivals: list[object]) -> None:
            nonlocal taken
            taken += len(arrivals)
            link.acknowledge(arrivals)
            if taken >= count:
                done.set()

        link = Link(address, **options("bench-link"), on_arrivals=arrived, end_session=True)
        start, cpu = time.perf_counter(), time.process_time()
        async with link:
            await asyncio.wait_for(done.wait(), 300)
            return time.perf_counter() - start, time.process_time() - cpu

    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(run())


def by_paho(address: Address, count: int, payload: bytes) -> tuple[float, float]:
    """Take the burst with paho, `manual_ack`, its own thread."""
    connect = Properties(PacketTypes.CONNECT)
    connect.SessionExpiryInterval = 600
    connect.ReceiveMaximum = WINDOW
    done, subscribed = threading.Event(), threading.Event()
    taken = 0

    def client() -> paho.Client:
        made = paho.Client(
            CallbackAPIVersion.VERSION2, "bench-paho", protocol=paho.MQTTv5, manual_ack=True
        )
        made.on_subscribe = lambda *_: subscribed.set()
        return made

    first = client()
    first.connect(address.host, address.port, clean_start=False, properties=connect)
    first.loop_start()
    first.subscribe("bench/#", qos=1)
    assert subscribed.wait(10)
    first.disconnect()
    first.loop_stop()
    asyncio.run(fill(address, count, payload))

    def on_message(back: paho.Client, _: object, message: paho.MQTTMessage) -> None:
        nonlocal taken
        back.ack(message.mid, message.qos)
        taken += 1
        if taken == count:
            done.set()

    second = client()
    second.on_message = on_message
    start, cpu = time.perf_counter(), time.process_time()
    second.connect(address.host, address.port, clean_start=False, properties=connect)
    second.loop_start()
    assert done.wait(300)
    spent = time.perf_counter() - start, time.process_time() - cpu
    second.disconnect()
    second.loop_stop()
    return spent


def main() -> None:
    """Measure, print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    sides = {
        "paho": by_paho,
        "link": lambda *burst: by_link(*burst, None),
    }
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        pass
    else:
        sides["link_uvloop"] = lambda *burst: by_link(*burst, uvloop.new_event_loop)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    with tempfile.TemporaryDirectory() as folder:
        for round_number in range(given.rounds):
            for name, take in sides.items():
                directory = Path(folder) / f"{name}-{round_number}"
                with LocalBroker(0, directory, embedded=False) as broker:
                    found[name].append(take(broker.address, given.messages, bytes(given.size)))
    micro = 1e6 / given.messages
    wall = {name: statistics.median(one[0] for one in runs) * micro for name, runs in found.items()}
    cpu = {name: statistics.median(one[1] for one in runs) * micro for name, runs in found.items()}
    result = {
        "messages": given.messages,
        "size": given.size,
        "rounds": given.rounds,
        "wall_us": {name: round(value, 2) for name, value in wall.items()},
        "cpu_us": {name: round(value, 2) for name, value in cpu.items()},
        "cpu_ratio_to_paho": {name: round(cpu["paho"] / value, 1) for name, value in cpu.items()},
        "wall_ratio_to_paho": {
            name: round(wall["paho"] / value, 1) for name, value in wall.items()
        },
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
