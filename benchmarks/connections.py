"""What many connections cost, and whom: broker, publishers and collector, a message each.

The same messages from few and from many connections, and from few beside many that are idle.
Publishers are as light as they get: packets made once, a window of unanswered messages each.
CPU microseconds a message are the figures; the rates are this machine's. Linux.

Run: python benchmarks/connections.py [--messages N]
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

sys.path.insert(0, str(Path(__file__).parents[1]))

import mqtt5
from throughput.sides import Sides, cpu_of

from factoryledger.broker import LocalBroker
from factoryledger.running import loop_factory

IN_FLIGHT = 4000  # of all publishers together
TOPIC = b"/acme/site/hall/line/press-1/telemetry"
CASES = ((16, 0), (16, 4000), (1000, 0), (4000, 0))  # busy, idle


@dataclass(slots=True)
class State:
    """What all connections share."""

    count: int
    left: int
    packet: bytes
    connected: int = 0
    answered: int = 0
    going: bool = False
    turns: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Publisher(asyncio.Protocol):
    """One connection; sends as many messages as it gets answers."""

    def __init__(self, name: str, state: State) -> None:
        self._name = name
        self._state = state
        self._rest = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say CONNECT."""
        self._transport = transport  # type: ignore[assignment]
        connect = mqtt5.ConnectPacket(self._name, clean_start=True, keep_alive=600)
        transport.write(connect.write())  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Count PUBACKs, four bytes each, and send on."""
        state = self._state
        if not state.going:
            state.connected += 1
            return
        state.turns += 1
        answers, self._rest = divmod(self._rest + len(data), 4)
        state.answered += answers
        if state.answered >= state.count:
            state.done.set()
        self.send(answers)

    def send(self, count: int) -> None:
        """Send, under packet ids that follow each other in all of them."""
        state = self._state
        count = min(count, state.left)
        if count > 0:
            ids = range(state.left, state.left - count, -1)
            state.left -= count
            assert self._transport is not None
            self._transport.write(
                b"".join(state.packet % (number % 65_000 + 1).to_bytes(2, "big") for number in ids)
            )


def packet(prefix: str, size: int = 200) -> bytes:
    """Give a PUBLISH at QoS 1 with a place for its packet id."""
    topic = prefix.encode() + TOPIC
    length = 2 + len(topic) + 2 + 1 + size
    head = bytes([0x32, length & 0x7F | 0x80, length >> 7]) + len(topic).to_bytes(2, "big")
    return head + topic + b"%b\x00" + b"x" * size


async def publish(
    bench: Sides, state: State, busy: int, idle: int, collector: BinaryIO
) -> dict[str, float]:
    """Connect all, publish from the busy ones, and stay until the collector has said all."""
    count = state.count
    loop = asyncio.get_running_loop()
    publishers = []
    for number in range(busy + idle):
        _, made = await loop.create_connection(
            lambda number=number: Publisher(f"many-{number}", state),
            "127.0.0.1",
            bench.broker.port,
        )
        publishers.append(made)
    while state.connected < busy + idle:  # noqa: ASYNC110 - counted by many
        await asyncio.sleep(0.01)
    state.going = True
    cpu, broker = time.process_time(), cpu_of(bench.broker.pid)
    for one in publishers[:busy]:
        one.send(max(1, IN_FLIGHT // busy))
    await state.done.wait()
    cpu = time.process_time() - cpu
    found = json.loads(await asyncio.to_thread(collector.readline))
    broker = cpu_of(bench.broker.pid) - broker
    turns = state.answered / state.turns
    costs = {"publishers_us": cpu / count * 1e6, "broker_us": broker / count * 1e6}
    return {**found, **costs, "answers_a_turn": turns}


def case(bench: Sides, busy: int, idle: int, count: int) -> dict[str, float]:
    """Let the collector take what these connections publish."""
    prefix, folder = bench._place()  # noqa: SLF001 - a benchmark's own
    side = Path(__file__).parent / "throughput" / "collector_side.py"
    command = [sys.executable, str(side), "collector", str(bench.broker.port), prefix]
    with (
        subprocess.Popen(
            [*command, str(count), f"sqlite:///{folder}/ledger.db", "0"], stdout=subprocess.PIPE
        ) as process,
        asyncio.Runner(loop_factory=loop_factory()) as runner,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        state = State(count, count, packet(prefix))
        return runner.run(publish(bench, state, busy, idle, process.stdout))


def main() -> None:
    """Print a row for each case."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--messages", type=int, default=60_000)
    chosen = arguments.parse_args()
    wanted = max(busy + idle for busy, idle in CASES) + 200
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < wanted:
        sys.exit(f"at least {wanted} open files are needed: ulimit -n {wanted}")
    print("| busy | idle | broker | publishers | collector | answers a turn | messages/s, ratio |")
    print("|---|---|---|---|---|---|---|")
    first = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        for busy, idle in CASES:
            folder = Path(scratch) / f"broker-{busy}-{idle}"
            with LocalBroker(0, folder, embedded=False) as broker:
                found = case(Sides(broker, folder), busy, idle, chosen.messages)
            first = first or found["rate"]
            figures = (found[name] for name in ("broker_us", "publishers_us", "own_us"))
            costs = " | ".join(f"{cost:.1f}" for cost in figures)
            ratio = found["rate"] / first
            print(f"| {busy} | {idle} | {costs} | {found['answers_a_turn']:.1f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
