"""Processes that read one collector's rows on all cores, range by range.

Edge of processes. Each opens the store for itself and reads what it is asked for; what it
says of a range is what this process would say (`anchor.audit.ranges`), in the same order, so
that their number changes nothing but the speed. A process that dies ends them all, and what
is left is read here; they end with whoever began them. Memory: some ranges a process, however
large the store is.
"""

import gc
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing import get_all_start_methods, get_context, parent_process
from multiprocessing.context import BaseContext
from threading import Thread
from typing import Final

from anchor.audit.examine import KeysInOrder
from anchor.audit.ranges import Rows, Source, read_range
from anchor.merkle import TILE_WIDTH
from anchor.ports import Ledger, Paged, store_of
from telemetry.keyring import KeyStatement

OpenLedger = Callable[[], Ledger]
"""Opens the store once more, in another process: it has to be picklable."""

WORTH: Final = 20_000
"""Rows; fewer are examined sooner than a process has started."""

RANGE: Final = 3 * TILE_WIDTH
"""Positions that are read at once: whole tiles, and less than a page of rows."""

_AHEAD: Final = 3  # ranges a process, so that none waits while we follow up
_COLLECT_AFTER = 50_000


@dataclass(frozen=True, slots=True)
class Crew:
    """How many processes may help, and how each opens the store."""

    processes: int
    open_ledger: OpenLedger
    worth: int = WORTH
    span: int = RANGE
    """Positions that are read at once, by them or here."""

    def read(
        self,
        collector: str,
        statements: Sequence[KeyStatement],
        how: tuple[bytes, bool],
        spans: Iterable[tuple[int, int]],
    ) -> Iterator[tuple[int, Rows]]:
        """Read these ranges of positions, in order; with each comes where it ends.

        `how` is what `Source` ends with. Fewer come where a process dies.
        """
        pool = ProcessPoolExecutor(
            self.processes,
            mp_context=_context(self.open_ledger),
            initializer=_begin,
            initargs=(self.open_ledger, collector, list(statements), *how),
        )
        try:
            with suppress(BrokenProcessPool):
                yield from self._answers(pool, iter(spans))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _answers(
        self, pool: ProcessPoolExecutor, spans: Iterator[tuple[int, int]]
    ) -> Iterator[tuple[int, Rows]]:
        asked = deque[tuple[int, Future[Rows]]]()
        while True:
            for start, stop in islice(spans, _AHEAD * self.processes - len(asked)):
                asked.append((stop, pool.submit(_read, start, stop)))
            if not asked:
                return
            stop, answer = asked.popleft()
            yield stop, answer.result()


def spans_of(start: int, stop: int, span: int = RANGE) -> Iterator[tuple[int, int]]:
    """The ranges from one position to another: all but the first begin at a multiple of `span`."""
    while start < stop:
        end = min(stop, (start // span + 1) * span)
        yield start, end
        start = end


def _context(open_ledger: OpenLedger) -> BaseContext:
    """Processes that begin clean: of one that has loaded what they need, where there is fork."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    opener = open_ledger.func if isinstance(open_ledger, partial) else open_ledger
    context.set_forkserver_preload([__name__, opener.__module__])
    return context


_SOURCE: list[Source] = []


def _begin(
    open_ledger: OpenLedger,
    collector: str,
    statements: Sequence[KeyStatement],
    nonce: bytes,
    clocks: bool,
) -> None:
    # Ctrl-C reaches the whole group: who leads it says when we end. One that is killed says
    # nothing, and a pool would wait for it for ever.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Rows come by the thousand and hold no cycles: garbage is looked for seldom.
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    Thread(target=_end_with_parent, daemon=True).start()
    ledger = store_of(open_ledger(), collector)
    assert isinstance(ledger, Paged)
    _SOURCE[:] = [Source(ledger, collector, KeysInOrder(statements), nonce, clocks)]


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None, "a pool's process has one"
    parent.join()
    os._exit(0)


def _read(start: int, stop: int) -> Rows:
    return read_range(_SOURCE[0], start, stop)
