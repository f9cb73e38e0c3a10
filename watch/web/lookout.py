"""Looks at store and log again and again, in a thread of its own, and keeps what it saw.

A look that takes long is taken more seldom: it never costs more than a small part of a core.
What cannot be read is said, and what was seen last stays for who asks.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec
import structlog

from watch.web.live import Hub
from watch.web.ports import Away, Looking
from watch.web.stored import Device, Gap, Log, Pipeline, Rates

_log = structlog.get_logger(__name__)

_EVERY: Final = 1.0
_GAPS_EVERY: Final = 5.0
_SHARE: Final = 20
"""A look of so long is followed by that many times its length of rest."""
_WINDOW: Final = 10

Seen = TypeVar("Seen")


@dataclass(slots=True)
class Lookout:
    """What store and log were when they were looked at last; `store` and `log_there` say if so."""

    looking: Looking
    hub: Hub
    pipeline: Pipeline | None = None
    log: Log | None = None
    gaps: list[Gap] = field(default_factory=list)
    devices: list[Device] = field(default_factory=list)
    why: dict[str, str] = field(default_factory=dict)
    looks: int = 0
    failures: int = 0
    _stored: list[tuple[float, int]] = field(default_factory=list)
    _gaps_at: float = float("-inf")

    async def watch(self, stop: asyncio.Event) -> None:
        """Look until `stop`."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "lookout") as thread:
            while not stop.is_set():
                begun = time.monotonic()
                seen = await loop.run_in_executor(thread, self.look, begun)
                self.take(*seen)
                rest = max(_EVERY, _SHARE * (time.monotonic() - begun))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), rest)

    def look(
        self, now: float
    ) -> tuple[Pipeline | None, Log | None, list[Gap] | None, list[Device] | None, dict[str, str]]:
        """In the thread."""
        why = dict[str, str]()
        pipeline = _tried("store", why, self.looking.pipeline)
        gaps = None
        if pipeline is not None and now - self._gaps_at >= _GAPS_EVERY:
            gaps = _tried("store", why, self.looking.gaps)
        log = _tried("log", why, self.looking.log)
        devices = None if log is None or log == self.log else _tried("log", why, self._devices)
        return pipeline, log, gaps, devices, why

    def _devices(self) -> list[Device]:
        return self.looking.devices()

    def take(
        self,
        pipeline: Pipeline | None,
        log: Log | None,
        gaps: list[Gap] | None,
        devices: list[Device] | None,
        why: dict[str, str],
    ) -> None:
        """In the event loop."""
        self.looks += 1
        self.failures += len(why)
        for part, reason in why.items():
            if part not in self.why:
                _log.warning("the page goes on without it", part=part, error=reason)
        self.why = why
        if pipeline is not None:
            self.pipeline = replace_rates(pipeline, self._rate(pipeline.stored))
            self.hub.tell("pipeline", self.pipeline)
        if gaps is not None:
            self.gaps, self._gaps_at = gaps, time.monotonic()
        if devices is not None:
            self.devices = devices
        if log is not None and log != self.log:
            self.log = log
            self.hub.tell("log", msgspec.structs.replace(log, entries=[]))

    def _rate(self, stored: int) -> float:
        now = time.monotonic()
        self._stored = [*self._stored, (now, stored)][-_WINDOW:]
        (before, then) = self._stored[0]
        return round((stored - then) / (now - before), 1) if now > before else 0.0


def replace_rates(pipeline: Pipeline, rate: float) -> Pipeline:
    """Give the counts with how many messages a second were stored lately."""
    return msgspec.structs.replace(pipeline, rates=Rates(rate))


def _tried(part: str, why: dict[str, str], look: Callable[[], Seen]) -> Seen | None:
    try:
        return look()
    except Away as error:
        why[part] = str(error)
        return None
