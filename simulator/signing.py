"""The lines of a recording from what machines drafted: signed and spelled, here or beside.

A signature is half of a message's cost, and the next message does not need it: `prev` names
a body. So processes beside this one sign batch after batch while it goes on; the lines come
back in the order of the drafts, and are the same bytes, whoever signed them.
"""

import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import cache
from itertools import islice
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Final, NamedTuple

from telemetry.recording import Line
from telemetry.signature import SigningKey, seal
from telemetry.topic import MachineTopic

BATCH: Final = 500  # lines
AHEAD: Final = 4  # batches for each process: what is waited for before more is drafted

RETAINED: Final = frozenset({"birth", "state"})


class Signatory(NamedTuple):
    """Whose drafts they are: the seed of a machine's key, and its topic."""

    seed: bytes
    topic: MachineTopic


class Draft(NamedTuple):
    """A message without its signature: the place of its signatory, kind, body, time in µs."""

    signatory: int
    kind: str
    body: bytes
    received: int


Item = Draft | Line


class Signer:
    """Makes lines of drafts, and spells those that are lines already."""

    def __init__(self, signatories: Sequence[Signatory]) -> None:
        self._keys = [SigningKey.from_seed(one.seed) for one in signatories]
        self._topics = [one.topic for one in signatories]
        self._topic = cache(self._topic_of)

    def lines(self, items: Iterable[Item]) -> bytes:
        """All of them, a newline after each."""
        return b"".join(
            (self._signed(item) if isinstance(item, Draft) else item).to_bytes(sealed=True) + b"\n"
            for item in items
        )

    def _signed(self, draft: Draft) -> Line:
        topic, name = self._topic(draft.signatory, draft.kind)
        payload = seal(self._keys[draft.signatory], topic, draft.body)
        return Line(draft.received, name, payload, 1, retain=draft.kind in RETAINED)

    def _topic_of(self, signatory: int, kind: str) -> tuple[MachineTopic, str]:
        topic = self._topics[signatory].with_kind(kind)
        return topic, str(topic)


def signed(
    items: Iterable[Item], signatories: Sequence[Signatory], *, processes: int = 0
) -> Iterator[tuple[int, bytes]]:
    """The lines in order, in pieces: how many, and their bytes.

    Without other processes one by one, each as soon as it is drafted.
    """
    if not processes:
        signer = Signer(signatories)
        for item in items:
            yield 1, signer.lines([item])
        return
    # Not forked: whoever calls this may have threads.
    context = get_context("spawn")
    batches = _batches(iter(items))
    with ProcessPoolExecutor(processes, context, _begin, (signatories,)) as pool:
        waiting: deque[tuple[int, Future[bytes]]] = deque()
        for batch in batches:
            waiting.append((len(batch), pool.submit(_lines, batch)))
            if len(waiting) > AHEAD * processes:
                yield _next(waiting)
        while waiting:
            yield _next(waiting)


def _next(waiting: deque[tuple[int, Future[bytes]]]) -> tuple[int, bytes]:
    count, future = waiting.popleft()
    return count, future.result()


def _batches(items: Iterator[Item]) -> Iterator[list[Item]]:
    while batch := list(islice(items, BATCH)):
        yield batch


# What a process beside knows, from its beginning on.
_SIGNER: list[Signer] = []


def _begin(signatories: Sequence[Signatory]) -> None:
    # Ctrl-C is for whoever drafts; this ends with its pool, or with whoever began it: a pool
    # whose owner is killed would wait for ever.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    _SIGNER[:] = [Signer(signatories)]


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None, "a pool's process has one"
    parent.join()
    os._exit(0)


def _lines(batch: Sequence[Item]) -> bytes:
    return _SIGNER[0].lines(batch)
