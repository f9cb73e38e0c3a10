"""What a running line takes of cores, disk and network, by the number of its machines.

The program's own commands on one data folder, a signed message a second from each machine, for
a while: CPU time of each process and its children, what the store and the log gained, how many
bytes the messages are. Then the store once more with every payload erased and the space given
back, as retention leaves it in the end. Linux.

Run: python benchmarks/capacity.py [--machines N,N,…] [--seconds S]
"""

import argparse
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import mean

from figure import Figure, measured, tell
from memory import PARTS
from watching import cpu_of, init, running

from factoryledger.broker import LocalBroker, free_port

WARMING = 4.0  # s, until every machine has connected and said who it is
# A PUBLISH at QoS 1: type and length, the topic's length, the packet's number, no properties.
PUBLISH = 3 + 2 + 2 + 1
PAGES = ("page_count", "page_size")
Found = dict[str, float]


def spent(pid: int) -> float:
    """Seconds of CPU of a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return sum(cpu_of(int(one)) for one in (str(pid), *children))


def opened(database: Path) -> closing[sqlite3.Connection]:
    """A database, for reading alone."""
    return closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True))


def pages(database: Path) -> int:
    """Bytes of a database's pages, those in its write-ahead log among them."""
    with opened(database) as asked:
        count, size = (asked.execute(f"pragma {one}").fetchone()[0] for one in PAGES)
    return int(count) * int(size)


def there(data: Path) -> Found:
    """What there is now: messages, batches, entries, bytes."""
    with opened(data / "ledger.db") as store:
        asked = "select count(*), sum(length(payload) + length(topic)) from messages"
        count, size = store.execute(asked).fetchone()
        batches = store.execute("select count(*) from batches").fetchone()[0]
    return {
        "messages": count,
        "bytes": size or 0,
        "batches": batches,
        "store": pages(data / "ledger.db"),
        "anchor": pages(data / "anchor.db"),
    }


def bundles(data: Path) -> list[Path]:
    """The bundle of the newest entries, at each of its widths."""
    return list(max((data / "log/tile/entries").rglob("*.p")).iterdir())


def line(folder: Path, machines: int, seconds: float) -> Found:
    """Run all of it, and look what it took."""
    data = folder / "data"
    init(data)
    with LocalBroker(0, folder / "broker", embedded=False) as broker, ExitStack() as stack:
        at = ("--data", data, "--broker", broker.address)
        more: dict[str, tuple[object, ...]] = {
            "web": ("--port", free_port()),
            "simulate": ("--machines", machines, "--outbox", folder / "outbox"),
        }
        pids = {one: stack.enter_context(running(one, *at, *more.get(one, ()))) for one in PARTS}
        pids["broker"] = broker.pid
        time.sleep(WARMING)
        before = {name: spent(pid) for name, pid in pids.items()}
        first, begun = there(data), time.monotonic()
        time.sleep(seconds)
        lasted = time.monotonic() - begun
        found = {name: (spent(pid) - before[name]) / lasted for name, pid in pids.items()}
        gained = {name: now - first[name] for name, now in there(data).items()}
    return {
        **found,
        "rate": gained["messages"] / lasted,
        "batches": gained["batches"] / lasted,
        "message": gained["bytes"] / gained["messages"],
        "wire": gained["bytes"] / gained["messages"] + PUBLISH,
        "store": gained["store"] / gained["messages"],
        "left": left(data),
        "entry": entry(data) + gained["anchor"] / gained["batches"],
        "checkpoint": mean(one.stat().st_size for one in (data / "log/checkpoints").iterdir()),
    }


def entry(data: Path) -> float:
    """Bytes of an entry in its full bundle, with its hash in the full tile."""
    widest = max(bundles(data), key=lambda one: int(one.name))
    return widest.stat().st_size / int(widest.name) + 32


def left(data: Path) -> float:
    """Bytes a message in the store, once each payload is erased and its space given back."""
    erased = data.parent / "erased.db"
    shutil.copyfile(data / "ledger.db", erased)
    with closing(sqlite3.connect(erased)) as store:
        count = store.execute("select count(*) from messages").fetchone()[0]
        store.execute("update messages set payload = null")
        store.commit()
        store.execute("vacuum")
    return erased.stat().st_size / int(count)


def figures(runs: dict[int, Found]) -> Iterator[Figure]:
    """Make the rows; a size is in proportion to the message's own bytes."""
    for machines, found in runs.items():
        how = f"{machines:,} machines, {found['rate']:.0f} messages a second, everything running"
        for part in ("collect", "broker", "anchor", "web"):
            yield measured(f"capacity.{part}-{machines}", f"CPU, {part}", [found[part]], 1.0,
                           unit="of a core", of="a core", how=how)  # fmt: skip
        yield measured(f"capacity.rate-{machines}", "messages committed", [found["rate"]],
                       float(machines), unit="a second", of="one a machine", how=how)  # fmt: skip
        yield measured(f"capacity.batches-{machines}", "batches", [found["batches"]], 4.0,
                       unit="a second", of="one every quarter second", how=how)  # fmt: skip
        for name, what in (
            ("wire", "a message from its machine to the broker"),
            ("store", "a message in the store (SQLite)"),
            ("left", "the same, payload erased, space given back"),
            ("entry", "a batch in the anchor log and anchor.db"),
            ("checkpoint", "a kept checkpoint of the log"),
        ):
            yield measured(f"capacity.{name}-{machines}", what, [found[name]], found["message"],
                           unit="bytes", of="a message's topic and payload", how=how)  # fmt: skip


def main() -> None:
    """Measure, tell the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--machines", default="20,200,1000")
    parser.add_argument("--seconds", type=float, default=40.0)
    given = parser.parse_args()
    runs = {}
    for machines in map(int, given.machines.split(",")):
        with tempfile.TemporaryDirectory() as scratch:
            runs[machines] = line(Path(scratch), machines, given.seconds)
    tell(list(figures(runs)))


if __name__ == "__main__":
    main()
