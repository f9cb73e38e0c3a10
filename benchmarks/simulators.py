"""Messages that a second of CPU publishes: ours beside a plain paho loop and PyPI's mqtt-simulator.

Twenty machines over one connection, JSON of ten readings (about 250 bytes), QoS 1, unsigned,
as fast as each side goes. Once with the very same bytes again and again (`same`: what
publishing costs), once with readings that each side makes: ours with the machines' physics,
the others by chance. An independent subscriber counts; CPU is that of the publishing process
in the same seconds, all its threads. Each side in turn, several rounds; the medians' ratios
are the figures, in one line of JSON.

Run: python benchmarks/simulators.py [--rounds R] [--seconds S] [--mqtt-simulator PROGRAM]

PROGRAM is the `mqtt-sim` of an environment of its own (Python 3.13, `pip install
mqtt-simulator==0.1.0`); without it that side is left out.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as paho
import uvloop
from figure import Figure, measured, tell

from factoryledger.broker import LocalBroker
from simulator.machine import RunningMachine
from simulator.plant import build_plant
from telemetry.address import Address
from telemetry.bundle import Bundle
from telemetry.link import Arrival, Link, Subscription
from telemetry.mqtt_packets import Opening

SIDES = ("ours", "ours_same", "paho", "paho_same")
MACHINES = 20
WINDOW = 1000
READINGS = [f"metric_{number}" for number in range(10)]
SAME = json.dumps(
    {"device": "m-00", "time": 1.0, "readings": dict.fromkeys(READINGS, 21.25)}
).encode()


class Ours:
    """The machines of a plant over one strand, as many messages on their way as may be."""

    def __init__(self, port: int) -> None:
        self._address = Address("127.0.0.1", port)
        self._free = asyncio.Event()
        self._out = 0

    def ready(self) -> None:
        """Nothing waits for it."""

    def take(self, arrivals: list[Arrival]) -> None:
        """Nothing comes."""

    def settled(self, token: object, code: int) -> None:  # noqa: ARG002 - only how many
        """One is answered."""
        self._out -= 1
        self._free.set()

    def tick(self, now: float) -> None:
        """Nothing is late."""

    async def run(self, *, same: bool) -> None:
        """Publish until killed."""
        machines = [machine.start() for machine in build_plant(MACHINES)]
        bundle = Bundle(self._address)
        strand = bundle.add(Opening(client_id="ours", clean_start=True), self)
        async with bundle:
            while True:
                for number, machine in enumerate(machines):
                    payload = SAME if same else _made(machine)
                    strand.post(f"plant/{number}", payload, number)
                self._out += MACHINES
                self._free.clear()
                while self._out > WINDOW:
                    await self._free.wait()
                    self._free.clear()
                await asyncio.sleep(0)


def _made(machine: RunningMachine) -> bytes:
    readings = machine.step(1.0).readings
    message = {"device": machine.machine.name, "time": time.time()}
    message["readings"] = dict(list(readings.items())[: len(READINGS)])
    return msgspec.json.encode(message)


def run_paho(port: int, *, same: bool) -> None:
    """Publish until killed, as a script does it that somebody writes in an hour."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, "plain", protocol=paho.MQTTv5)
    client.max_inflight_messages_set(WINDOW)
    client.connect("127.0.0.1", port)
    client.loop_start()
    while True:
        for number in range(MACHINES):
            payload = SAME if same else json.dumps(_drawn(number))
            published = client.publish(f"plant/{number}", payload, qos=1)
        published.wait_for_publish()


def _drawn(number: int) -> dict[str, Any]:
    readings = {name: round(random.gauss(20, 5), 2) for name in READINGS}
    return {"device": f"m-{number:02d}", "time": time.time(), "readings": readings}


def write_config(path: Path, port: int) -> None:
    """What the other simulator is told: the same machines, as often as it can."""
    random_float = '{ random = { type = "float", min = 18, max = 32, precision = 2 } }'
    lines = [
        "config_version = 1",
        f'[brokers.main]\nhost = "127.0.0.1"\nport = {port}',
        '[clients.main]\nbroker = "main"\nid = "other"',
        '[[streams]]\nclient = "main"\ntopic = "plant/${number}"\nevery = "1ms"\nqos = 1',
        f"[streams.expand]\nnumber = {{ range = [1, {MACHINES}] }}",
        '[streams.payload.json]\ndevice = "m-${number}"\ntime = { time = "unix" }',
        *(f"{name} = {random_float}" for name in READINGS),
    ]
    path.write_text("\n".join(lines) + "\n")


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process took so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(command: list[str], port: int, seconds: float) -> dict[str, float]:
    """Start a side, count what comes of it for a while, end it."""
    counts = {"messages": 0, "bytes": 0}
    started = asyncio.Event()

    def count(arrivals: list[Arrival]) -> None:
        counts["messages"] += len(arrivals)
        counts["bytes"] += sum(len(one.payload) for one in arrivals)
        started.set()

    listener = Link(
        Address("127.0.0.1", port),
        client_id="listener",
        clean_start=True,
        subscriptions=[Subscription("plant/#", qos=0)],
        on_arrivals=count,
    )
    async with listener:
        process = subprocess.Popen(  # noqa: ASYNC220 - takes milliseconds, before the clock runs
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(30):
                await started.wait()
            await asyncio.sleep(1.0)  # its start is over
            before, spent = dict(counts), cpu_of(process.pid)
            await asyncio.sleep(seconds)
            spent = cpu_of(process.pid) - spent
            messages = counts["messages"] - before["messages"]
            size = (counts["bytes"] - before["bytes"]) / max(1, messages)
        finally:
            process.kill()
            process.wait()
    return {"a_cpu_second": messages / spent, "a_second": messages / seconds, "bytes": size}


async def compare(given: argparse.Namespace) -> dict[str, Any]:
    """Measure all sides in turn."""
    with tempfile.TemporaryDirectory() as folder:
        broker = await asyncio.to_thread(LocalBroker(0, Path(folder)).start)
        config = Path(folder, "other.toml")
        write_config(config, broker.port)
        own = [sys.executable, __file__, "--port", str(broker.port), "--side"]
        sides = {name: [*own, name] for name in SIDES}
        if given.mqtt_simulator:
            sides["mqtt-simulator"] = [
                given.mqtt_simulator, "run", "-c", str(config), "--output", "log"
            ]  # fmt: skip
        found: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
        try:
            for _ in range(given.rounds):
                for name, command in sides.items():
                    found[name].append(await measure(command, broker.port, given.seconds))
        finally:
            await asyncio.to_thread(broker.stop)
    medians = {
        name: {key: round(statistics.median(one[key] for one in rounds), 1) for key in rounds[0]}
        for name, rounds in found.items()
    }
    pairs = [("ours_same", "paho_same"), ("ours", "paho"), ("ours", "mqtt-simulator")]
    ratios = {
        f"{a}_to_{b}": round(medians[a]["a_cpu_second"] / medians[b]["a_cpu_second"], 2)
        for a, b in pairs
        if b in medians
    }
    rates = {name: [one["a_cpu_second"] for one in rounds] for name, rounds in found.items()}
    tell(figures(rates))
    return {**ratios, "rounds": given.rounds, "seconds": given.seconds, "sides": medians}


def figures(rates: dict[str, list[float]]) -> list[Figure]:
    """Make the rows."""
    how = "20 machines, one connection, JSON of ten readings, QoS 1, unsigned; CPU of the publisher"
    return [
        measured(f"simulators.{name}", what, rates[ours], rates[other], unit="/s a core", of=of,
                 how=how, least=least)
        for name, what, ours, other, of, least in (
            ("same", "published, the same bytes", "ours_same", "paho_same",
             "a plain paho loop", 3.0),
            ("made", "published, readings by physics", "ours", "paho",
             "a paho loop that draws numbers", None),
            ("mqtt-simulator", "published, readings by physics", "ours", "mqtt-simulator",
             "`mqtt-simulator` 0.1.0", 3.0),
        )
        if other in rates
    ]  # fmt: skip


def main() -> None:
    """Be a side, or compare them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--mqtt-simulator", metavar="PROGRAM")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    same = str(given.side).endswith("_same")
    if given.side in {"paho", "paho_same"}:
        run_paho(given.port, same=same)
    elif given.side:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_ours(given.port, same=same))
    else:
        print(json.dumps(asyncio.run(compare(given))))


async def _ours(port: int, *, same: bool) -> None:
    await Ours(port).run(same=same)


if __name__ == "__main__":
    main()
