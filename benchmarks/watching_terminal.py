"""The terminal's `watch`: its memory after an hour, and what a message costs beside lines.

Memory: an hour of 1,000 topics at 1 message/s (3.6 million messages, by a simulated clock) goes
through the application, which draws meanwhile; RSS in MB of a process of its own, and of one
that only loaded the libraries. Cost: in turn `mosquitto_sub`, the plain lines and the
application (on a pseudo-terminal of 160x50) take the same paced feed from one Mosquitto; CPU of
each as a ratio to `mosquitto_sub`, and how many of the messages it counted.

Run: python benchmarks/watching_terminal.py [--rate N] [--seconds S] [--topics T] [--rounds R]
     [--hour-only]
"""

import argparse
import asyncio
import json
import os
import pty
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from figure import Figure, measured, tell

from factoryledger.broker import LocalBroker
from telemetry.link import Address, Arrival, Link
from telemetry.properties import NO_PROPERTIES

HOUR = 3600
WANTED = 100.0  # MiB
SECOND = 1_000_000
SIGNATURE = ',"sig":"' + "A" * 86 + '=="}'


def topics(count: int) -> list[str]:
    """Name so many topics, as a factory has them."""
    return [f"acme/berlin/area{n % 5}/line{n % 50}/machine-{n}/telemetry" for n in range(count)]


def payload(device: int, seq: int) -> bytes:
    """Make a message of the size of a machine's."""
    readings = f'"spindle_temperature":{60 + seq % 97 / 10},"spindle_speed":{1200 + seq % 89}'
    body = (
        f'{{"device":"machine-{device}","session":"f00dfeedf00dfeed","seq":{seq},'
        f'"prev":"{"h" * 43}=","anchor":{{"size":{seq},"note":"{"n" * 43}="}},'
        f'"time":"2026-11-28T08:00:00.000000Z","readings":{{{readings}}},"key":"0123456789abcdef"'
    )
    return (body + SIGNATURE).encode()


def rss() -> float:
    """The most memory that this process ever had, in MB."""
    unit = 1024 if sys.platform == "darwin" else 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit / 1024


def libraries() -> None:
    """Load what the command loads before the first message, and say how much memory it took."""
    from textual.app import App  # noqa: PLC0415

    import factoryledger.cli  # noqa: PLC0415
    import watch.terminal.watching  # noqa: PLC0415, F401
    from factoryledger.installation import installation  # noqa: PLC0415

    installation(data=Path("nowhere"))

    async def run() -> None:
        app = App[None]()
        app.call_later(app.exit)
        await app.run_async(headless=True, size=(160, 50))

    asyncio.run(run())
    print(json.dumps({"libraries_mb": round(rss(), 1)}))
    assert factoryledger.cli


def hour(count: int) -> None:
    """Feed an hour through the application, and say how much memory it took."""
    import factoryledger.cli  # noqa: PLC0415
    from factoryledger.installation import installation  # noqa: PLC0415
    from watch.terminal.app import WatchApp  # noqa: PLC0415
    from watch.terminal.model import Model  # noqa: PLC0415

    installation(data=Path("nowhere"))
    now = [1_764_000_000 * SECOND]
    model = Model("mqtt://127.0.0.1:1883", ["#"], lambda: now[0])
    names = topics(count)

    async def feed(app: WatchApp) -> None:
        for second in range(HOUR):
            for start in range(0, count, 50):
                now[0] += SECOND * 50 // count
                # As a link decodes them: nothing is shared between two messages.
                model.hear(
                    [
                        Arrival(
                            topic=names[n] + "",
                            payload=payload(n, second),
                            qos=0,
                            retain=False,
                            duplicate=False,
                            properties=NO_PROPERTIES,
                            packet_id=None,
                            epoch=1,
                        )
                        for n in range(start, min(count, start + 50))
                    ]
                )
            app.beat()
            if second % 10 == 0:
                app.action_next_view()
                app.query_one("#tree").action_move(1 if second % 600 < 300 else -1)
                await asyncio.sleep(0.01)
        app.exit()

    async def run() -> None:
        app = WatchApp(model)
        app.call_later(lambda: tasks.append(asyncio.ensure_future(feed(app))))
        await app.run_async(headless=True, size=(160, 50))
        await tasks[0]

    tasks: list[asyncio.Future[None]] = []
    asyncio.run(run())
    assert factoryledger.cli
    tree = model.tree
    assert tree.received == HOUR * count == tree.root.total, (tree.received, tree.root.total)
    kept = sum(node.kept for _, node in tree.items())
    print(json.dumps({"hour_mb": round(rss(), 1), "messages": tree.received, "kept": kept}))


async def publish(address: Address, names: list[str], rate: int, seconds: float) -> int:
    """Publish at an even pace; give how many."""
    async with Link(address, client_id="bench-feed") as link:
        sent, start = 0, time.perf_counter()
        while (passed := time.perf_counter() - start) < seconds:
            while sent < passed * rate:
                n = sent % len(names)
                link.post(names[n], payload(n, sent // len(names)), qos=0)
                sent += 1
            await asyncio.sleep(0.002)
        await asyncio.sleep(1)
    return sent


class Taking:
    """A program that takes the feed; its output is read and thrown away."""

    def __init__(self, command: list[str], *, terminal: bool) -> None:
        self.said = b""
        self._terminal = terminal
        if terminal:
            self.pid, self._fd = pty.fork()
            if self.pid == 0:
                os.environ["TERM"] = "xterm-256color"
                os.environ["COLUMNS"], os.environ["LINES"] = "160", "50"
                os.execv(command[0], command)
        else:
            out, into = os.pipe()
            process = subprocess.Popen(command, stdout=into, stderr=subprocess.DEVNULL)
            os.close(into)
            self.pid, self._fd = process.pid, out
            self._process = process
        self.lines = self.bytes = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            select.select([self._fd], [], [])
            try:
                data = os.read(self._fd, 1 << 20)
            except OSError:
                return
            if not data:
                return
            self.bytes += len(data)
            self.lines += data.count(b"\n")
            self.said = (self.said + data)[-4000:]

    def cpu(self) -> float:
        """User and system seconds so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        """Ask it to stop, and wait until its output ends."""
        os.kill(self.pid, signal.SIGTERM)
        self._reader.join(10)
        if self._terminal:
            os.waitpid(self.pid, 0)
        else:
            self._process.wait(10)


def cost(rate: int, seconds: float, count: int) -> dict[str, object]:
    """Let each take the same feed; CPU seconds, ratios, and how many messages were counted."""
    mosquitto_sub = shutil.which("mosquitto_sub")
    with tempfile.TemporaryDirectory() as folder, LocalBroker(0, Path(folder)) as broker:
        at = broker.address
        watch = [sys.executable, "-m", "factoryledger", "watch", "--broker", str(at)]
        watch += ["--data", str(Path(folder) / "none")]
        takers = {"lines": ([*watch, "--plain"], False), "terminal": (watch, True)}
        if mosquitto_sub:
            asked = [mosquitto_sub, "-h", at.host, "-p", str(at.port), "-t", "#", "-v"]
            takers = {"mosquitto_sub": (asked, False), **takers}
        cpu: dict[str, float] = {}
        counted: dict[str, float] = {}
        for name, (command, terminal) in takers.items():
            taking = Taking(command, terminal=terminal)
            time.sleep(3)
            before = taking.cpu()
            sent = asyncio.run(publish(at, topics(count), rate, seconds))
            cpu[name] = taking.cpu() - before
            taking.end()
            found = re.search(rb"watch: (\d+) messages", taking.said)
            counted[name] = (int(found[1]) if found else taking.lines) / sent
        base = cpu.get("mosquitto_sub") or cpu["lines"]
        return {
            "rate": rate,
            "sent_of_last": sent,
            "cpu_share": {name: round(used / seconds, 3) for name, used in cpu.items()},
            "cpu_ratio": {name: round(used / base, 2) for name, used in cpu.items()},
            "counted": {name: round(share, 4) for name, share in counted.items()},
        }


def figures(found: dict[str, Any], topics: int) -> list[Figure]:
    """Make the rows."""
    rows = [
        measured("terminal.hour", "memory, terminal's watch, after an hour", [found["hour_mb"]],
                 WANTED, unit="MiB", of="100 MiB, wanted", most=1.0,
                 how=f"{topics:,} topics, a message a second each, drawn meanwhile"),
        measured("terminal.libraries", "of it: Textual, pydantic, typer",
                 [found["libraries_mb"]], [found["hour_mb"]], unit="MiB", of="the same",
                 how="before the first message"),
    ]  # fmt: skip
    costs = found.get("costs", [])
    if not costs or "mosquitto_sub" not in costs[0]["cpu_share"]:
        return rows
    base = [one["cpu_share"]["mosquitto_sub"] for one in costs]
    how = f"the same {costs[0]['rate']:,} messages a second"
    for name, what in (("terminal", "the terminal's watch"), ("lines", "its plain lines")):
        rows.append(
            measured(f"terminal.{name}", what, [one["cpu_share"][name] for one in costs], base,
                     unit="of a core", of="`mosquitto_sub -v`", how=how)
        )  # fmt: skip
    counted = [one["counted"]["terminal"] for one in costs]
    rows.append(measured("terminal.counted", "messages counted of those sent", counted, 1.0,
                         unit="of all", of="all", how=how, least=1.0))  # fmt: skip
    return rows


def child(what: str, count: int) -> dict[str, object]:
    """Run a part in a process of its own."""
    command = [sys.executable, __file__, "--part", what, "--topics", str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--topics", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hour-only", action="store_true")
    parser.add_argument("--part", choices=["libraries", "hour"])
    asked = parser.parse_args()
    if asked.part == "libraries":
        libraries()
    elif asked.part == "hour":
        hour(asked.topics)
    else:
        found = {**child("libraries", asked.topics), **child("hour", asked.topics)}
        if not asked.hour_only:
            costs = [cost(asked.rate, asked.seconds, asked.topics) for _ in range(asked.rounds)]
            found["costs"] = costs
        print(json.dumps(found))
        tell(figures(found, asked.topics))


if __name__ == "__main__":
    main()
