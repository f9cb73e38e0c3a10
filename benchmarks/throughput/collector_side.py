"""The collector, or the bare link, as a process of its own that takes what is queued for it.

Sides are `collector`, `link`, and `foreign-delays` and `signed-delays`: the collector, and how
old each message is when it is acknowledged.

Arguments: side, port, prefix, messages, database URL, processes. With 0
messages it only opens its session. Prints one line of JSON when all are acknowledged. Into the
file that a further argument names it writes, as eight bytes, how many are acknowledged so far.
"""

import asyncio
import json
import mmap
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import structlog

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

from anchor.key_entry import OperatorAuthority
from collector.service import collect
from factoryledger.running import few_collections, loop_factory
from telemetry.link import Address, Arrival, Link, Subscription
from throughput.messages import OPERATOR, Requests, identity_for

LONGEST = 300  # s, unless somebody reads the progress: what never comes must not be waited for
WARM = 0.2  # of the messages, before the watch starts: judges start, caches fill


def made_foreign(payload: bytes) -> int:
    """Give when a message was made, in nanoseconds: it begins with that."""
    return int(payload[6:25])


def made_signed(payload: bytes) -> int:
    """Give when a message of ours was made, as its machine says."""
    at = payload.index(b'"time":"') + 8
    made = datetime.fromisoformat(payload[at : at + 27].decode("ascii"))
    return round(made.timestamp() * 1e9)


class Stopwatch:
    """From the acknowledgement of the first fifth to that of the last message."""

    def __init__(self, count: int, progress: Path | None = None) -> None:
        self.count = count
        self._progress = None if progress is None else shared(progress)
        self.done = asyncio.Event()
        self.acknowledged = 0
        self.begun: tuple[int, float, float, float] | None = None
        self.ended: tuple[int, float, float, float] | None = None
        self.delays: list[float] = []
        self.made: Callable[[bytes], int] | None = None

    def now(self) -> tuple[int, float, float, float]:
        """Give messages, the clock, this process's CPU time and its children's."""
        children = sum(map(_cpu_of, _children()))
        return self.acknowledged, time.perf_counter(), time.process_time(), children

    def took(self, arrivals: list[Arrival]) -> None:
        """Count, and stop at the last; a payload that says when it was made is timed."""
        self.acknowledged += len(arrivals)
        if self._progress is not None:
            self._progress[:] = self.acknowledged.to_bytes(8, "little")
        if self.made is not None:
            now = time.time_ns()
            self.delays += [(now - self.made(one.payload)) / 1e9 for one in arrivals]
        if self.begun is None and self.acknowledged >= self.count * WARM:
            self.begun = self.now()
        if self.acknowledged >= self.count and self.ended is None:
            self.ended = self.now()
            self.done.set()

    def figures(self) -> dict[str, float]:
        """Give rate and CPU microseconds a message."""
        assert self.begun is not None
        assert self.ended is not None
        count, seconds, own, children = (
            after - before for before, after in zip(self.begun, self.ended, strict=True)
        )
        usage = resource.getrusage(resource.RUSAGE_SELF)
        delays = sorted(self.delays)
        return {
            "rate": count / seconds,
            "cpu_us": (own + children) / count * 1e6,
            "own_us": own / count * 1e6,
            "rss_mb": usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2),
            **{f"p{part}": delays[len(delays) * part // 100] for part in (50, 99) if delays},
        }


def shared(progress: Path) -> mmap.mmap:
    """Give the eight bytes of a file, as another process writes or reads them."""
    with progress.open("r+b") as file:
        return mmap.mmap(file.fileno(), 8)


def _children() -> list[int]:
    """Give the ids of this process's children; none where there is no /proc."""
    try:
        task = Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii")
    except OSError:
        return []
    return [int(pid) for pid in task.split()]


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class TimedLink(Link):
    """A link that a stopwatch looks at."""

    watch: Stopwatch

    def acknowledge(self, arrivals: list[Arrival]) -> None:  # type: ignore[override]
        """Acknowledge, and count it."""
        super().acknowledge(arrivals)
        self.watch.took(arrivals)


async def by_link(address: Address, watch: Stopwatch, prefix: str) -> None:
    """Acknowledge everything at once."""
    link: TimedLink

    def arrived(arrivals: list[Arrival]) -> None:
        link.acknowledge(arrivals)

    link = TimedLink(
        address,
        client_id=f"bench-link-{prefix}",
        subscriptions=[Subscription(f"{prefix}/#", retain_handling=1)],
        session_expiry=600,
        receive_maximum=8000,
        on_arrivals=arrived,
    )
    link.watch = watch
    async with link:
        print("ready", flush=True)
        if watch.count:
            await watch.done.wait()


async def by_collector(
    address: Address, watch: Stopwatch, prefix: str, store: str, processes: int
) -> None:
    """Acknowledge what is committed."""

    def link(**how: object) -> TimedLink:
        made = TimedLink(address, **how)  # type: ignore[arg-type]
        made.watch = watch
        return made

    def ready() -> None:
        print("ready", flush=True)
        if not watch.count:
            watch.done.set()

    stats = await collect(
        store_url=store,
        link=link,
        filters=[f"{prefix}/#"],
        identity_for=identity_for,
        authority=OperatorAuthority(OPERATOR.verifier),
        requests=Requests(),
        prefix="bench-out",
        processes=processes,
        stop=watch.done,
        on_ready=ready,
    )
    assert stats.stored >= watch.count, stats
    assert stats.conserved


def main() -> None:
    """Take the messages and say how fast."""
    side, port, prefix, count, store, processes = sys.argv[1:7]
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(30),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    watch = Stopwatch(int(count), *map(Path, sys.argv[7:8]))
    if not sys.argv[7:]:
        signal.alarm(LONGEST)
    watch.made = {"foreign-delays": made_foreign, "signed-delays": made_signed}.get(side)
    address = Address("127.0.0.1", int(port))
    few_collections()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        if side == "link":
            runner.run(by_link(address, watch, prefix))
        else:
            runner.run(by_collector(address, watch, prefix, store, int(processes)))
    if watch.count:
        print(json.dumps(watch.figures()))


if __name__ == "__main__":
    main()
