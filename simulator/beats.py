"""When machines beat: every interval, spread over it in parts so that the work comes evenly.

Machines of a line beat together, since a beat of theirs is one exchange of parts
(docs/decisions/lines-beat-together.md); so do those behind one edge node.
"""

import asyncio
import heapq
import time
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from simulator.edge import edge_topic
from simulator.machine import Machine

# A beat missed by more than this (a laptop that slept) is not made up for.
CATCH_UP: Final = 5.0  # s
PARTS: Final = 50
_FEW: Final = 100  # machines in a part, below which there are fewer parts

T = TypeVar("T")


@dataclass(slots=True)
class Beats:
    """The beats of a fleet, every `interval` s of its clock, in `parts`, `speed` times as fast.

    `skipped` counts parts of beats that were missed and not made up for.
    """

    interval: float
    duration: float | None
    stopped: asyncio.Event
    parts: int = 1
    speed: float = 1.0
    skipped: int = 0
    clock: Callable[[], float] = time.monotonic

    async def run(self) -> AsyncIterator[tuple[int, int]]:
        """Give the number of the beat and of its part, each in its time, as long as it lasts."""
        begun, step = self.clock(), 0
        each = self.interval / self.parts / self.speed
        while not self.stopped.is_set() and not self._over(step):
            yield divmod(step, self.parts)
            step += 1
            late = self.clock() - (begun + step * each)
            if late > CATCH_UP:
                begun += late
                self.skipped += int(late / each) if each else 0
            try:
                async with asyncio.timeout(max(0.0, -late)):
                    await self.stopped.wait()
            except TimeoutError:
                continue

    def _over(self, step: int) -> bool:
        """Whether the beat that would begin now is behind the end; one that began is finished."""
        number, part = divmod(step, self.parts)
        return not part and self.duration is not None and number * self.interval >= self.duration


def parts_for(machines: int) -> int:
    """In how many parts so many machines beat."""
    return max(1, min(PARTS, machines // _FEW))


def spread(items: Sequence[T], machines: Sequence[Machine], parts: int) -> list[list[T]]:
    """Deal out one item a machine, those that beat together to one part, parts alike in size."""
    groups: dict[Hashable, list[T]] = {}
    for item, machine in zip(items, machines, strict=True):
        groups.setdefault(_together(machine), []).append(item)
    dealt: list[list[T]] = [[] for _ in range(parts)]
    smallest = [(0, part) for part in range(parts)]
    for group in groups.values():
        size, part = heapq.heappop(smallest)
        dealt[part] += group
        heapq.heappush(smallest, (size + len(group), part))
    return dealt


def _together(machine: Machine) -> Hashable:
    if machine.language == "sparkplug":
        return edge_topic(machine.topic)
    return machine.topic if machine.job is None else machine.job.line
