"""The page with a thousand machines: what the server takes, and how late the screen is.

A light publisher sends each machine's signed message once a second, spread evenly, through a real
Mosquitto with the shipped settings; `factoryledger web` shows them to one real Chromium. The
first reading of a message is when it was published, so what the document shows says how old
it is; all clocks are this machine's. Needs `make browser`.

Run: python benchmarks/watching.py [--machines N] [--seconds S]
"""

import argparse
import asyncio
import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Any

from figure import Figure, measured, tell

from factoryledger.broker import LocalBroker, free_port
from factoryledger.data_dir import DataDir
from factoryledger.enrolment import Enrolments
from telemetry.address import Address
from telemetry.canonical import b64, time_text
from telemetry.link import Link
from telemetry.signature import SigningKey, key_id, signed_bytes
from telemetry.topic import MachineTopic

HERE = Path(__file__).parent
BROWSER = HERE.parent / ".venv-browser" / "bin" / "python"
LINE = 10  # machines
STRIDE = 617  # has no divisor in common with a thousand
READINGS = 10  # beside the one that says when
SHARE, LATE, FIRST = 0.25, 0.150, 1.0  # wanted: of a core, s, s


def name(machine: int) -> str:
    """What a machine is called."""
    return f"machine-{machine:04}"


def topic(machine: int, kind: str) -> str:
    """Where a machine is: ten of them in a line, five lines in an area."""
    line = machine // LINE
    return f"works/hall/area-{line // 5}/line-{line}/{name(machine)}/{kind}"


@dataclass(frozen=True)
class Machine:
    """One of them: it signs as an enrolled machine does, for the server checks what it shows."""

    number: int
    key: SigningKey

    def say(self, kind: str, seq: int, **said: Any) -> tuple[str, bytes]:
        """Give topic and payload of a message."""
        where = topic(self.number, kind)
        members = {"device": name(self.number), "session": "0123456789abcdef", "seq": seq,
            "prev": "A" * 43 + "=" if seq else None, "anchor": None,
            "time": time_text(time.time_ns() // 1000), **said,
            "key": key_id(self.key.public_key)}  # fmt: skip
        body = json.dumps(members, separators=(",", ":"))[:-1].encode()
        place = MachineTopic.parse(where)
        assert place is not None
        signature = b64(self.key.sign(signed_bytes(place, body)))
        return where, b'%b,"sig":"%b"}' % (body, signature.encode())

    def birth(self) -> tuple[str, bytes]:
        """Metrics with units and ranges; the first has none, for it is a clock."""
        others = {f"metric_{n}": {"unit": "Cel", "low": 0, "high": 100} for n in range(READINGS)}
        metrics = {"published": {"unit": "ms"}, **others}
        return self.say("birth", 0, birth={"kind": "lathe", "metrics": metrics})

    def readings(self, seq: int) -> tuple[str, bytes]:
        """Eleven of them; the first says when this was made."""
        others = {f"metric_{n}": 20 + (seq + n + self.number) % 60 + 0.125 for n in range(READINGS)}
        published = time.time_ns() // 10**6 % 10_000
        return self.say("telemetry", seq, readings={"published": published, **others})


def enrolled(data: Path, machines: int) -> list[Machine]:
    """Machines whose keys the data folder's requests enrol."""
    keys = Enrolments(DataDir(data)).ensure_devices([name(number) for number in range(machines)])
    return [Machine(number, keys[name(number)]) for number in range(machines)]


async def publish(address: Address, machines: list[Machine], stop: threading.Event) -> None:
    """Each machine once a second, evenly; born first, and retained."""
    async with Link(address, client_id="bench-watching") as link:
        state = {"name": "Execute", "number": 6}
        for one in machines:
            await link.publish(*one.birth(), retain=True)
            await link.publish(*one.say("state", 1, state=state), retain=True)
        begun, sent = time.perf_counter(), 0
        while not stop.is_set():
            due = int((time.perf_counter() - begun) * len(machines))
            for number in range(sent, due):
                turn, place = divmod(number, len(machines))
                # Neighbours on the screen speak at any time of the second, not one after another.
                link.post(*machines[place * STRIDE % len(machines)].readings(turn + 2))
            sent = due
            await asyncio.sleep(0.002)


@contextmanager
def publishing(address: Address, machines: list[Machine]) -> Iterator[None]:
    """Publish in a thread meanwhile."""
    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(publish(address, machines, stop)))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def running(*words: object) -> Iterator[int]:
    """Run a command of factoryledger meanwhile, once it is ready; gives its process's id."""
    command = [sys.executable, "-m", "factoryledger", *map(str, words)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            while ": ready" not in (line := process.stderr.readline()):
                assert line, f"{words[0]} ended"
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield process.pid
        finally:
            process.terminate()
            process.wait(60)


def init(data: Path) -> None:
    """Make keys and a policy."""
    command = [sys.executable, "-m", "factoryledger", "init", "--data", str(data)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> float:
    """Its resident memory, MiB."""
    return (
        int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
        * os.sysconf("SC_PAGE_SIZE")
        / 2**20
    )


@dataclass(frozen=True)
class Served:
    """The page as it is served: where, what it counts, and by which processes."""

    port: int
    metrics: int
    pid: int
    broker: int

    def so_far(self) -> dict[str, float]:
        """Seconds of CPU, and messages heard."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics") as answer:
            text = answer.read().decode()
        found = re.search(r"^factoryledger_web_messages_heard_total (\S+)", text, re.MULTILINE)
        assert found
        return {
            "server": cpu_of(self.pid),
            "broker": cpu_of(self.broker),
            "heard": float(found[1]),
        }


@contextmanager
def serving(broker: LocalBroker, data: Path) -> Iterator[Served]:
    """Serve the page meanwhile."""
    port, metrics = free_port(), free_port()
    words = ("--data", data, "--broker", broker.address, "--port", port, "--metrics", metrics)
    with running("web", *words) as pid:
        yield Served(port, metrics, pid, broker.pid)


def look(page: Served, machines: int, seconds: float, device: str | None = None) -> dict[str, Any]:
    """Let the browser look, and take what each process had of a core meanwhile."""
    given = {
        "url": f"http://127.0.0.1:{page.port}/",
        "machines": machines,
        "device": device,
        "seconds": seconds,
        "chromium": shutil.which("chromium"),
    }
    found: dict[str, Any] = {}
    before: dict[str, float] = {}
    at = 0.0
    command = [str(BROWSER), str(HERE / "looking" / "page_side.py")]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(given))
        process.stdin.close()
        for text in process.stdout:
            said = json.loads(text)
            step = said.pop("step")
            if step.endswith(" begins"):
                before, at = page.so_far(), time.perf_counter()
            elif step in {"floor", "machine"}:
                now, spent = page.so_far(), time.perf_counter() - at
                said["shares"] |= {name: (now[name] - before[name]) / spent for name in now}
                said["memory"] = memory_of(page.pid)
            found[step] = said
    assert "end" in found, "the browser ended early"
    return found


def light(folder: Path, machines: int, seconds: float) -> dict[str, Any]:
    """Machines that cost little, so that broker, server and browser have the cores."""
    folder.mkdir()
    init(folder / "data")
    with (
        LocalBroker(0, folder / "broker", embedded=False) as broker,
        serving(broker, folder / "data") as page,
        publishing(broker.address, enrolled(folder / "data", machines)),
    ):
        return look(page, machines, seconds, "machine-0000")


def line(folder: Path, machines: int, seconds: float) -> dict[str, Any]:
    """Let the whole line run beside it, so that store and log grow."""
    folder.mkdir()
    init(folder / "data")
    with LocalBroker(0, folder / "broker", embedded=False) as broker, ExitStack() as stack:
        at = ("--data", folder / "data", "--broker", broker.address)
        for words in (("collect",), ("anchor",), ("simulate", "--machines", machines)):
            stack.enter_context(running(*words, *at))
        page = stack.enter_context(serving(broker, folder / "data"))
        return look(page, machines, seconds)


def quantile(values: list[float], share: float) -> float:
    """Of some values."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def figures(found: dict[str, Any], machines: int) -> list[Figure]:
    """Make the rows; one run, whose ages are many."""
    rows = []
    views = (("floor", "", "floor"), ("machine", "-machine", "one machine's charts"))
    for step, end, name in views:
        shares, ages = found[step]["shares"], found[step]["ages"]
        how = f"`web`, {machines:,} machines, a signed message a second each; {name} in Chromium"
        rows += [
            measured(f"watching.screen{end}", "machine to screen, median",
                     [statistics.median(ages)], LATE * 1000, unit="ms", most=1.0,
                     of="150 ms, wanted", how=how),
            measured(f"watching.screen99{end}", "the same, 99 %", [quantile(ages, 0.99)],
                     LATE * 1000, unit="ms", of="150 ms, wanted", most=1.0, how="as above"),
            measured(f"watching.server{end}", "the page's server", [shares["server"]], SHARE,
                     unit="of a core", of="a quarter of a core, wanted", most=1.0,
                     how="as above, every signature checked"),
            measured(f"watching.browser{end}", "the browser, all its processes",
                     [shares["browser"]], [shares["server"]], unit="of a core", of="the server",
                     how="as above"),
            measured(f"watching.heap{end}", "the page's heap", [shares["heap"] / 2**20],
                     [found["line"]["memory"]], unit="MiB", of="the server's memory",
                     how="as above"),
        ]  # fmt: skip
    paints = found["paint"]["paints"]
    rows += [
        measured(f"watching.{name}", said, [one[what] for one in paints], FIRST * 1000, unit="ms",
                 of="a second, wanted", how="nothing kept", most=1.0)
        for name, said, what in (("paint", "first paint", "first-paint"),
                                 ("all", "every machine on the page", "all machines"))
    ]  # fmt: skip
    line = found["line"]["shares"]
    return [
        *rows,
        measured("watching.line", "the page's server, the whole line beside it",
                 [line["server"]], SHARE, unit="of a core", of="a quarter of a core, wanted",
                 how=f"`collect`, `anchor`, `simulate --machines {machines}` on the same cores",
                 most=1.0),
        measured("watching.heard", "messages heard a second", [found["floor"]["shares"]["heard"]],
                 float(machines), unit="/s", of="those published", how="the floor's view"),
    ]  # fmt: skip


def main() -> None:
    """Measure, tell the figures."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--machines", type=int, default=1000)
    arguments.add_argument("--seconds", type=float, default=60)
    chosen = arguments.parse_args()
    if math.gcd(STRIDE, chosen.machines) != 1:
        arguments.error(f"--machines: no multiple of {STRIDE}")
    if not BROWSER.exists() or shutil.which("chromium") is None:
        sys.exit("No browser to look with: make browser")
    with tempfile.TemporaryDirectory() as scratch:
        found = light(Path(scratch) / "light", chosen.machines, chosen.seconds)
        found["line"] = line(Path(scratch) / "line", chosen.machines, chosen.seconds / 2)["floor"]
    tell(figures(found, chosen.machines))


if __name__ == "__main__":
    main()
