"""Processes that examine one collector's rows on all cores, range by range.

Edge of processes. Each opens the store for itself and reads what it is asked for; what it
says of a row is what this process would say (`anchor.audit.examine`), in the same order, so
that their number changes nothing but the speed. A process that dies ends them all, and what
is left is examined here. Memory: some ranges a process, however large the store is.
"""

import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.context import BaseContext
from typing import Final

from anchor.audit.examine import Examined, KeysInOrder, examine
from anchor.ports import Ledger, Paged, store_of
from telemetry.keyring import KeyStatement

OpenLedger = Callable[[], Ledger]
"""Opens the store once more, in another process: it has to be picklable."""

WORTH: Final = 20_000
"""Rows; fewer are examined sooner than a process has started."""

_RANGE: Final = 1_024
_AHEAD: Final = 3  # ranges a process, so that none waits while we follow up


@dataclass(frozen=True, slots=True)
class Crew:
    """How many processes may help, and how each opens the store."""

    processes: int
    open_ledger: OpenLedger
    worth: int = WORTH

    def examine(
        self, collector: str, statements: Sequence[KeyStatement], start: int, stop: int
    ) -> Iterator[tuple[int, list[Examined]]]:
        """Examine the rows at positions from `start` up to `stop`; range by range, in order.

        With each range comes where it ends. It ends before `stop` where a process dies.
        """
        pool = ProcessPoolExecutor(
            self.processes,
            mp_context=_context(),
            initializer=_begin,
            initargs=(self.open_ledger, collector, list(statements)),
        )
        try:
            with suppress(BrokenProcessPool):
                yield from self._ranges(pool, start, stop)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _ranges(
        self, pool: ProcessPoolExecutor, start: int, stop: int
    ) -> Iterator[tuple[int, list[Examined]]]:
        asked = deque[tuple[int, Future[list[Examined]]]]()
        ends = iter(range(min(start + _RANGE, stop), stop + _RANGE, _RANGE))
        at = start
        while at < stop or asked:
            while at < stop and len(asked) < _AHEAD * self.processes:
                end = min(next(ends), stop)
                asked.append((end, pool.submit(_examine, at, end)))
                at = end
            end, answer = asked.popleft()
            yield end, answer.result()


def _context() -> BaseContext:
    """Processes that begin clean: of one that has loaded what they need, where there is fork."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


@dataclass(slots=True)
class _Bench:
    """What one of the processes works with."""

    ledger: Paged
    collector: str
    keys: KeysInOrder


_BENCH: list[_Bench] = []


def _begin(open_ledger: OpenLedger, collector: str, statements: Sequence[KeyStatement]) -> None:
    # Ctrl-C reaches the whole group: who leads it says when we end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ledger = store_of(open_ledger(), collector)
    assert isinstance(ledger, Paged)
    _BENCH[:] = [_Bench(ledger, collector, KeysInOrder(statements))]


def _examine(start: int, stop: int) -> list[Examined]:
    bench = _BENCH[0]
    found = list[Examined]()
    for page in bench.ledger.message_pages(bench.collector, start, stop):
        found += examine(page, bench.keys)
    return found
