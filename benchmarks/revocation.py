"""How soon a revoked machine is gone: at the broker, in the collector, in the log.

A collector and an anchor run on the shipped broker, by `broker-config/run`; a machine publishes a
signed message every few milliseconds over mutual TLS while `factoryledger device revoke` revokes
it. Times are from the operator's signed word on the disk, and from the command's return, where 0
is what had come by then. Each way twice: with `--broker`, which ends the connection, and without,
where what the broker reads does it alone. Ratios of one second. Linux.

Run: python benchmarks/revocation.py [--times N] [--write docs/performance.md]
"""

import argparse
import asyncio
import contextlib
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from shipped_broker import COUNTS, Shipped

from anchor.key_entry import OperatorAuthority
from anchor.reading.log_index import LogIndex
from anchor.reading.log_reader import FolderSource, LogReader
from factoryledger.broker_files import BrokerFiles
from factoryledger.broker_identity import certified
from factoryledger.data_dir import DataDir
from factoryledger.enrolment import Enrolments
from simulator.chain import Chain
from telemetry.errors import LinkLost
from telemetry.link import Link
from telemetry.topic import MachineTopic

EVERY = 0.005  # s between messages and between looks
PATIENCE = 15.0  # s
DENIED = 0x87
MARK = "<!-- benchmarks/revocation.py -->"
WAYS = {
    "denied": "the broker denies it, or has cut it",
    "cut": "its connection has ended",
    "judged": "its next message is judged `revoked` and committed",
    "logged": "the published log has the word",
    "returned": "the command has returned",
}


@dataclass
class Trial:
    """When what was seen, s of the wall's clock, which files have too."""

    seen: dict[str, float] = field(default_factory=dict)
    stop: bool = False

    def see(self, what: str) -> None:
        """Take note of the first time."""
        self.seen.setdefault(what, time.time())


class Plant:
    """The broker, a collector and an anchor, of one data folder."""

    def __init__(self, folder: Path) -> None:
        self.data = DataDir(folder / "d")
        self.data.create()
        self.files = BrokerFiles(self.data.path / "broker")
        self.files.prepare("example.org/bench", ["127.0.0.1"], COUNTS)
        self.broker = Shipped(folder / "run", self.files.server, watched=True)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Start it, and end it."""
        with self.broker, contextlib.ExitStack() as stack:
            for name, more in (("collect", []), ("anchor", ["--every", "0.2"])):
                role = {"collect": "collector"}.get(name, name)
                stack.enter_context(self._part(name, role, more))
            yield

    @contextlib.contextmanager
    def _part(self, name: str, role: str, more: list[str]) -> Iterator[None]:
        process = subprocess.Popen(
            [sys.executable, "-m", "factoryledger", name, *self.at(), *more],
            env=os.environ | {"FACTORYLEDGER_BROKER_IDENTITY": role},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        while "ready" not in (line := process.stderr.readline()):
            assert line, f"{name} did not start"
        try:
            yield
        finally:
            process.terminate()
            process.communicate(timeout=30)

    def at(self) -> list[str]:
        """Where: options of a command."""
        return ["--data", str(self.data.path), "--broker", str(self.broker.secure)]

    def revoked_rows(self, device: str) -> int:
        """Messages of a machine that were judged so."""
        path = self.data.path / "ledger.db"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
            query = "select count(*) from messages where device = ? and status = 'revoked'"
            return int(store.execute(query, (device,)).fetchone()[0])

    def is_logged(self, device: str) -> bool:
        """Whether the published log revokes the machine's key."""
        policy = self.data.policy()
        log = LogReader(FolderSource(self.data.log), policy.log, former=policy.former)
        authority = OperatorAuthority(self.data.operator.verifier)
        newest = sorted(LogIndex.scan(log.view).keys.values())[-3:]
        said = [authority.read(log.entry(place)) for place in newest]
        return any((one.action, one.name) == ("revoke", device) for one in said)


async def publish(plant: Plant, device: str, trial: Trial) -> None:
    """Publish as the machine would, and see what the broker says of it."""
    key = Enrolments(plant.data).ensure_device(device)
    topic = MachineTopic("", "works", "north", "hall", "line", device, "telemetry")
    chain = Chain(key=key, topic=topic, session="bench", prev=None)

    def answered(posted: asyncio.Future[int]) -> None:
        if not posted.cancelled() and posted.exception() is None and posted.result() == DENIED:
            trial.see("denied")

    def lost(_: Exception) -> None:
        trial.see("cut")
        trial.see("denied")

    async with Link(
        plant.broker.secure,
        client_id=device,
        tls=certified(plant.files.path / "machine", device).tls,
        clean_start=True,
        on_trouble=lost,
        seldom=60.0,
    ) as link:
        trial.see("sending")
        while not trial.stop:
            now = time.time_ns() // 1000
            entry = chain.seal("telemetry", time=now, readings={"speed": 1.0})
            chain.advance(entry)
            with contextlib.suppress(LinkLost):
                link.post(str(topic), entry.payload).add_done_callback(answered)
            await asyncio.sleep(EVERY)


def watch(trial: Trial, what: str, holds: Callable[[], bool]) -> None:
    """Look until it holds."""
    while not trial.stop:
        with contextlib.suppress(OSError, sqlite3.OperationalError):
            if holds():
                trial.see(what)
                return
        time.sleep(EVERY)


async def revoke(plant: Plant, device: str, *, cut: bool) -> dict[str, tuple[float, float]]:
    """Revoke one machine; gives seconds from the word and from the return by what was seen."""
    Enrolments(plant.data).ensure_device(device)
    plant.files.machines([device])
    trial = Trial()
    sending = asyncio.create_task(publish(plant, device, trial))
    looking = [
        asyncio.create_task(asyncio.to_thread(watch, trial, what, holds))
        for what, holds in (
            ("judged", lambda: plant.revoked_rows(device) > 0),
            ("logged", lambda: plant.is_logged(device)),
        )
    ]
    await asyncio.sleep(1.0)
    where = plant.at() if cut else plant.at()[:2]
    command = [sys.executable, "-m", "factoryledger", "device", "revoke", device, *where]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL)
    assert await process.wait() == 0
    returned = time.time()
    word = max(path.stat().st_mtime for path in (plant.data.path / "requests").glob("*.entry"))
    wanted = {"denied", "judged", "logged"} | ({"cut"} if cut else set())
    while not wanted <= set(trial.seen) and time.time() < returned + PATIENCE:  # noqa: ASYNC110 - others' news
        await asyncio.sleep(EVERY)
    trial.stop = True
    await asyncio.gather(sending, *looking)
    seen = {what: at for what, at in trial.seen.items() if what in wanted}
    seen["returned"] = returned
    return {what: (at - word, max(0.0, at - returned)) for what, at in seen.items()}


def table(found: dict[bool, list[dict[str, tuple[float, float]]]]) -> Iterator[str]:
    """A row for each thing seen: median and worst, to one second."""
    yield "| to 1 s | from the word: median | worst | from the return: median | worst | seen |"
    yield "|---|---|---|---|---|---|"
    for cut, trials in found.items():
        how = "with `--broker`" if cut else "without"
        for what, said in WAYS.items():
            times = [trial[what] for trial in trials if what in trial]
            if times:
                sides = [[one[side] for one in times] for side in (0, 1)]
                cells = [
                    f"{at:.2f}" for side in sides for at in (statistics.median(side), max(side))
                ]
                seen = f"{len(times)} of {len(trials)}"
                yield f"| {how}: {said} | {' | '.join(cells)} | {seen} |"


def main() -> None:
    """Measure, print, and put it into a page."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--times", type=int, default=10)
    arguments.add_argument("--write", type=Path)
    chosen = arguments.parse_args()
    found: dict[bool, list[dict[str, tuple[float, float]]]] = {True: [], False: []}
    with tempfile.TemporaryDirectory(prefix="factoryledger-revocation-") as scratch:
        plant = Plant(Path(scratch))
        with plant.running():
            for number in range(chosen.times):
                for cut, trials in found.items():
                    device = f"mill-{number}-{'cut' if cut else 'left'}"
                    trials.append(asyncio.run(revoke(plant, device, cut=cut)))
    lines = "\n".join(table(found))
    print(lines)
    if chosen.write is not None:
        before, _, after = chosen.write.read_text("utf-8").split(MARK)
        chosen.write.write_text(f"{before}{MARK}\n{lines}\n{MARK}{after}", "utf-8")


if __name__ == "__main__":
    main()
