"""What a machine is there for: its pace, its stops, its line, its orders, its shifts.

Frozen values, made from a scenario; nothing here changes while the machine runs. Times are
whole milliseconds. Pure.
"""

from dataclasses import dataclass
from typing import Final

WEEK: Final = 7 * 24 * 3_600_000  # ms


@dataclass(frozen=True, slots=True)
class Break:
    """A pause in a shift: milliseconds since midnight, and how long."""

    start: int
    lasts: int


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift: milliseconds since midnight UTC, weekdays from 0 (Monday), breaks.

    One that ends at or before its start ends on the next day.
    """

    name: str
    start: int
    end: int
    days: tuple[int, ...]
    breaks: tuple[Break, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """A production order: so many good parts of a product, `due` after the start.

    `repeat` orders of it, one after the other, each due that much after the one before.
    """

    id: str
    product: str
    quantity: int
    due: int | None = None
    repeat: int = 1


@dataclass(frozen=True, slots=True)
class Line:
    """Machines through which parts flow, in this order, with buffers between them.

    `buffers[i]` is how many parts have room between machine i and machine i + 1. Without
    orders it makes to stock, for ever.
    """

    name: str
    machines: tuple[str, ...]
    buffers: tuple[int, ...] = ()
    orders: tuple[Order, ...] = ()


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast and how well a machine works.

    `cycle`: ideal milliseconds a part, 0 where it makes none. `demand`: from which part to
    which part of full speed it is driven. `scrap`: share of parts that are scrap when it is
    new, `worn_scrap` what a fully worn machine adds to it.
    """

    cycle: int
    demand: tuple[float, float] = (0.7, 1.0)
    scrap: float = 0.01
    worn_scrap: float = 0.04

    def scrap_at(self, wear: float) -> float:
        """The share of scrap at a wear from 0 to 1."""
        return self.scrap + self.worn_scrap * wear


@dataclass(frozen=True, slots=True)
class Upkeep:
    """How often it stops by itself, and for what.

    `between_stops` and `stop`: mean milliseconds of work between stops for causes of its own
    and mean length of one (0: never). `breakdowns`: which share of them are breakdowns.
    `service_after` milliseconds of work it is due for `service` milliseconds of maintenance
    (0: never). `changeover`: milliseconds from one order to the next.
    """

    between_stops: int = 900_000
    stop: int = 45_000
    breakdowns: float = 0.03
    service_after: int = 0
    service: int = 1_200_000
    changeover: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """All of it, for one machine; `position` is its place in the line."""

    line: Line
    position: int
    pace: Pace
    upkeep: Upkeep = Upkeep()
    shifts: tuple[Shift, ...] = ()
