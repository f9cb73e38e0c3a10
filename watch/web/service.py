"""What the addresses answer from: the floor, what was seen of store and log, and threads to ask.

Questions wait in line, so many of them: beyond that one is told to come again, and neither
memory nor the store is worn out by whoever asks most.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from watch.floor.floor import Floor
from watch.web import stored
from watch.web.live import Hub
from watch.web.ports import Answering, Away, Proving, Publishing

Found = TypeVar("Found")
_WAITING: Final = 16


class Live(Protocol):
    """Whether messages come now, else why not."""

    @property
    def live(self) -> bool:
        """Whether they come."""

    @property
    def why(self) -> str:
        """Why not."""


class Seen(Protocol):
    """What store and log were when they were looked at last."""

    pipeline: stored.Pipeline | None
    log: stored.Log | None
    gaps: list[stored.Gap]
    devices: list[stored.Device]
    why: dict[str, str]


class Line:
    """One thread, and so many who wait for it."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, name)
        self._waiting = 0

    async def ask(self, question: Callable[[], Found]) -> Found:
        """Ask in the thread; Away where too many wait."""
        if self._waiting >= _WAITING:
            raise Away(f"{_WAITING} others wait for an answer")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, question)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Ask nothing more; what is asked is answered."""
        self._thread.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class About:
    """What the server says of itself."""

    name: str
    origin: str | None
    version: str


@dataclass(slots=True)
class Service:
    """All that is behind the addresses."""

    about: About
    hub: Hub
    ear: Live
    seen: Seen
    answering: Answering
    proving: Proving
    publishing: Publishing
    clock: Callable[[], int]
    questions: Line
    proofs: Line

    @property
    def floor(self) -> Floor:
        """Every machine."""
        return self.hub.floor
