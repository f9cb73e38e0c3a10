"""One broker, and sides that take messages from it: the collector, the link, others' programs."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from factoryledger.broker import LocalBroker
from telemetry.link import Address, Link
from throughput.messages import placed
from throughput.pace import foreign_now, publish_at, signed_now

HERE = Path(__file__).parent
ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".venv-peers/bin/python"
RIVALS = ROOT / ".venv-rivals/bin/python"
CORES = os.cpu_count() or 1
# Which Python runs which program, and whether it keeps a session, so that it takes a backlog.
PYTHON_OF = {
    "mqtt-logger": (PEERS, False),
    "mqtt-recorder": (PEERS, False),
    "paho-sqlalchemy": (Path(sys.executable), False),
    "batched": (Path(sys.executable), True),
    "mq-bridge": (RIVALS, True),
}

Figures = dict[str, float]
Payloads = list[tuple[int, bytes]]


class Sides:
    """One broker, and sides that take messages from it."""

    def __init__(self, broker: LocalBroker, folder: Path) -> None:
        self.broker = broker
        self.folder = folder
        self._runs = 0

    def ours(self, side: str, payloads: Payloads, *, processes: int = 0) -> Figures:
        """Let the collector or the link take a backlog."""
        prefix, folder = self._place()
        command = [sys.executable, str(HERE / "collector_side.py"), side, str(self.broker.port)]
        store = f"sqlite:///{folder}/ledger.db"
        opened = [*command, prefix, "0", store, "0"]
        subprocess.run(opened, check=True, stdout=subprocess.DEVNULL)
        self._fill(payloads, prefix)
        with self._broker_cost(len(payloads)) as cost:
            done = subprocess.run(
                [*command, prefix, str(len(payloads)), store, str(processes)],
                check=True,
                stdout=subprocess.PIPE,
            )
        shutil.rmtree(folder)
        return {**json.loads(done.stdout.splitlines()[-1]), **cost}

    def mosquitto_sub(self, payloads: Payloads, *, keep: bool = False) -> Figures:
        """Let the C client take a backlog, into a file or into nothing."""
        prefix, folder = self._place()
        command = ["mosquitto_sub", "-p", str(self.broker.port), "-V", "5", "-q", "1", "-c"]
        command += ["-i", prefix, "-x", "600", "-t", f"{prefix}/#", "-F", "%t %p"]
        command += ["-D", "CONNECT", "receive-maximum", "8000"]
        subprocess.run([*command, "-E"], check=True)
        self._fill(payloads, prefix)
        with (folder / "out" if keep else Path(os.devnull)).open("wb") as out:
            before, begun = os.times(), time.perf_counter()
            with self._broker_cost(len(payloads)) as cost:
                subprocess.run([*command, "-C", str(len(payloads))], check=True, stdout=out)
            seconds, after = time.perf_counter() - begun, os.times()
        spent = after.children_user + after.children_system
        spent -= before.children_user + before.children_system
        shutil.rmtree(folder)
        count = len(payloads)
        return {"rate": count / seconds, "cpu_us": spent / count * 1e6, **cost}

    def peer(self, name: str, payloads: Payloads) -> Figures:
        """Let another program take a backlog, or what is published while it listens."""
        prefix, folder = self._place()
        python, session = PYTHON_OF[name]
        command = [str(python), str(HERE / "peer_side.py"), name, str(self.broker.port), prefix]
        if session:
            subprocess.run([*command, "0", str(folder)], check=True, stdout=subprocess.DEVNULL)
            self._fill(payloads, prefix)
        with subprocess.Popen(
            [*command, str(len(payloads)), str(folder)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            if not session:
                self._fill(payloads, prefix)
            found = dict(json.loads(process.stdout.readline()))
        shutil.rmtree(folder)
        if session and found["kept"] < len(payloads):
            raise RuntimeError(f"{name} kept {found['kept']} of {len(payloads)} messages")
        return found

    def delays(self, rate: float, seconds: float, *, signed: bool) -> Figures:
        """Let the collector take messages as they come, at this rate, and time each."""
        prefix, folder = self._place()
        count = int(rate * seconds)
        side, processes = ("signed-delays", CORES) if signed else ("foreign-delays", 0)
        command = [sys.executable, str(HERE / "collector_side.py"), side]
        command += [str(self.broker.port), prefix, str(count), f"sqlite:///{folder}/ledger.db"]
        messages = signed_now(prefix, 3) if signed else foreign_now(prefix)
        with subprocess.Popen([*command, str(processes)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            asyncio.run(publish_at(self.broker.address, messages, rate, count))
            return dict(json.loads(process.stdout.readline()))

    def fresh(self) -> Path:
        """Give a new folder."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    def _place(self) -> tuple[str, Path]:
        self._runs += 1
        folder = self.folder / f"run{self._runs}"
        folder.mkdir()
        return f"bench{self._runs}", folder

    def _fill(self, payloads: Payloads, prefix: str) -> None:
        asyncio.run(_publish(self.broker.address, placed(payloads, prefix)))

    @contextmanager
    def _broker_cost(self, count: int) -> Iterator[Figures]:
        cost: Figures = {}
        before = cpu_of(self.broker.pid)
        yield cost
        cost["broker_us"] = (cpu_of(self.broker.pid) - before) / count * 1e6


async def _publish(address: Address, messages: list[tuple[str, bytes]]) -> None:
    async with Link(address, client_id="bench-fill") as link:
        codes = set(await asyncio.gather(*[link.post(*message) for message in messages]))
    assert codes == {0}, codes


def cpu_of(pid: int) -> float:
    """Give the CPU seconds that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
