"""Batches between intake and commit, each judged while those before it are committed.

Edge of the event loop. How far ahead is bounded, so that what is unacknowledged stays within
what the broker was told that we take.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from collector.arrived import Arrived
from collector.counting import Door
from collector.intake import Gathered, Gathering
from collector.verdict import Verdict
from telemetry.link import Arrival
from telemetry.properties import NO_PROPERTIES

_BATCHES: Final = 1  # waiting, beside the one that waits to wait and the one in the commit

JudgeAhead = Callable[[Sequence[Arrived]], Awaitable[Sequence[Verdict | None]]]

Bars = Callable[[Sequence[Arrived]], Sequence[str | None]]
"""Why each of these is kept out before it is judged; empty where none is."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch ready for the ledger, and the arrivals to acknowledge once it is committed."""

    arrivals: Sequence[Arrival]
    arrived: Sequence[Arrived]
    door: Door
    ahead: Sequence[Verdict | str | None]


class Ahead:
    """Takes batches out of an intake and has them judged; `run` it while `next` is called."""

    def __init__(self, intake: Gathering, judge: JudgeAhead, bars: Bars = lambda _: ()) -> None:
        self.messages = 0
        """Of the batches that are taken out and not given yet."""
        self._intake = intake
        self._judge = judge
        self._bars = bars
        self._batches: asyncio.Queue[asyncio.Task[Prepared] | None] = asyncio.Queue(_BATCHES)

    async def run(self) -> None:
        """Go on until the intake is closed and empty."""
        try:
            while (gathered := await self._intake.gather()) is not None:
                self.messages += len(gathered.arrivals)
                await self._batches.put(asyncio.create_task(self._prepare(gathered)))
        finally:
            await self._batches.put(None)

    async def next(self) -> Prepared | None:
        """Give the next batch once it is judged; None after the last."""
        judging = await self._batches.get()
        if judging is None:
            return None
        prepared = await judging
        self.messages -= len(prepared.arrivals)
        return prepared

    async def _prepare(self, gathered: Gathered) -> Prepared:
        arrived = list(map(_arrived, gathered.arrivals, gathered.received))
        # Before the judges: what is over a limit must not cost a signature check.
        bars = self._bars(arrived)
        inside = arrived
        if bars:
            inside = [one for one, bar in zip(arrived, bars, strict=True) if bar is None]
        ahead: Sequence[Verdict | str | None] = await self._judge(inside)
        if bars:
            found = iter(ahead)
            ahead = [next(found, None) if bar is None else bar for bar in bars]
        return Prepared(gathered.arrivals, arrived, gathered.door, ahead)


def _arrived(arrival: Arrival, received: int) -> Arrived:
    properties = arrival.properties
    text = None if properties is NO_PROPERTIES else properties.to_text()
    return Arrived(arrival.topic, arrival.payload, text, received, arrival.again)
