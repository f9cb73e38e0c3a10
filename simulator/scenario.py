"""A plant as a scenario describes it: frozen models, one field for each thing it may say.

What the models cannot see one by one (two machines of one name, a shift within another) is
found by `contradictions`. Reading a file is `simulator.scenario_file`'s, making machines
`simulator.scenario_plant`'s. Pure.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from simulator.faults.spec import AnyFault
from simulator.machine import Language
from simulator.machines import KINDS
from simulator.plant import ENTERPRISE, SITE
from simulator.spans import DAY, Clock, Segment, Span
from simulator.work.job import WEEK
from simulator.work.pace import MAKERS, pace_of

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: Final[tuple[Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST_MACHINES: Final = 100_000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS_END: Final = 9000  # messages' times end a thousand years later: room for any run

Loc = tuple[int | str, ...]


def _known_kind(name: str) -> str:
    if name not in KINDS:
        known = ", ".join(sorted(KINDS))
        raise PydanticCustomError("kind", "no such kind; allowed: {known}", {"known": known})
    return name


def _within_time(start: datetime) -> datetime:
    if start < _EPOCH or start.year >= _YEARS_END:
        raise PydanticCustomError("start", "no time that machines can have; allowed: 1970 to 8999")
    return start


KindName = Annotated[
    str,
    AfterValidator(_known_kind),
    WithJsonSchema({"type": "string", "enum": sorted(KINDS)}),
]
HostId = Annotated[str, Field(pattern=r"^[^/+#\x00]{1,64}$")]
Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=MOST_MACHINES, strict=True)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BreakSpec(_Entry):
    """A pause in a shift."""

    start: Clock
    lasts: Span


class ShiftSpec(_Entry):
    """A shift; one whose end is not after its start ends on the next day."""

    name: Segment
    start: Clock
    end: Clock
    days: tuple[Weekday, ...] = Field(default=WEEKDAYS, min_length=1)
    breaks: tuple[BreakSpec, ...] = ()

    @property
    def length(self) -> int:
        """Milliseconds from start to end."""
        return (self.end - self.start - 1) % DAY + 1

    @property
    def starts(self) -> tuple[int, ...]:
        """Milliseconds from Monday 00:00 to each start in a week."""
        return tuple(sorted({WEEKDAYS.index(day) * DAY + self.start for day in self.days}))


class OrderSpec(_Entry):
    """So many good parts of a product; `repeat` orders of it, each due that much later."""

    id: Annotated[Segment, Field(max_length=48)]
    product: Segment
    quantity: Annotated[int, Field(ge=1, le=1_000_000_000, strict=True)]
    due: Span | None = None
    repeat: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 1


class WorkSpec(_Entry):
    """How a machine works: what is left out is the kind's, or docs/scenarios.md's."""

    rate: Annotated[FiniteFloat, Field(gt=0, le=360_000, description="Ideal parts an hour")] | (
        None
    ) = None
    demand: Annotated[
        tuple[Share, Share], Field(description="From which to which part of full speed")
    ] = (0.7, 1.0)
    scrap: Share | None = None
    worn_scrap: Share | None = None
    between_stops: Annotated[Span, Field(description="Mean work between stops; 0: never")] = 900_000
    stop: Annotated[Span, Field(description="Mean length of a stop")] = 45_000
    breakdowns: Annotated[Share, Field(description="Share of stops that are breakdowns")] = 0.03
    service_after: Annotated[Span, Field(description="Work until maintenance; 0: never")] = 0
    service: Annotated[Span, Field(description="Length of maintenance")] = 1_200_000
    changeover: Annotated[Span, Field(description="From one order to the next")] = 0
    language: Annotated[
        Language | None, Field(description="How it speaks; left out: as its line, or the plant")
    ] = None


class StationSpec(WorkSpec):
    """A machine of a line; `count` of them one after the other."""

    kind: KindName
    name: Segment | None = None
    count: Count = 1
    buffer: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] | None = None


class LineSpec(_Entry):
    """Machines through which parts flow in this order; `count` such lines."""

    name: Annotated[Segment, Field(max_length=56)]
    area: Segment
    site: Segment | None = None
    count: Count = 1
    buffer: Annotated[
        int, Field(ge=1, le=1_000_000, strict=True, description="Parts between neighbours")
    ] = 20
    machines: Annotated[tuple[StationSpec, ...], Field(min_length=1)]
    orders: tuple[OrderSpec, ...] = ()
    shifts: tuple[Segment, ...] | None = None
    language: Language | None = None


class MachineSpec(WorkSpec):
    """A machine that stands for itself; `count` of them."""

    kind: KindName
    name: Segment | None = None
    count: Count = 1
    area: Segment
    line: Segment
    site: Segment | None = None
    orders: tuple[OrderSpec, ...] = ()
    shifts: tuple[Segment, ...] | None = None


class Scenario(_Entry):
    """A plant as written in a scenario file."""

    description: str = ""
    seed: Annotated[int, Field(ge=0, strict=True)] | None = None
    start: Annotated[AwareDatetime, AfterValidator(_within_time)] | None = None
    enterprise: Segment = ENTERPRISE
    site: Segment = SITE
    language: Language = "json"
    primary_host: Annotated[
        HostId | None,
        Field(description="Sparkplug host application without which edge nodes say nothing"),
    ] = None
    shifts: tuple[ShiftSpec, ...] = ()
    lines: tuple[LineSpec, ...] = ()
    machines: tuple[MachineSpec, ...] = ()
    faults: tuple[AnyFault, ...] = ()

    @property
    def begin(self) -> int | None:
        """Its start in microseconds since the epoch, where it has one."""
        if self.start is None:
            return None
        return (self.start - _EPOCH) // timedelta(microseconds=1)

    @property
    def size(self) -> int:
        """How many machines it describes."""
        on_lines = (line.count * sum(m.count for m in line.machines) for line in self.lines)
        return sum(on_lines) + sum(machine.count for machine in self.machines)


def contradictions(scenario: Scenario) -> Iterator[tuple[Loc, str]]:
    """What each part may say, but not all of them together: where, and what is wrong."""
    if not scenario.size:
        yield ("machines",), "a plant without machines; allowed: at least one, or a line"
    if scenario.size > MOST_MACHINES:
        yield (), f"{scenario.size} machines; allowed: at most {MOST_MACHINES}"
    yield from _shift_faults(scenario.shifts)
    yield from _unknown_shifts(scenario)
    for loc, entry in _workers(scenario):
        if entry.demand[0] > entry.demand[1]:
            yield (*loc, "demand"), "from more to less; allowed: the smaller part first"
    yield from _partless(scenario)
    yield from _lines_twice(scenario)
    for loc, orders in _orders(scenario):
        yield from _twice([order.id for order in orders], (*loc, "orders"), "id", "order")


def _shift_faults(shifts: tuple[ShiftSpec, ...]) -> Iterator[tuple[Loc, str]]:
    yield from _twice([shift.name for shift in shifts], ("shifts",), "name", "shift")
    taken = sorted(
        (start, start + shift.length, number)
        for number, shift in enumerate(shifts)
        for start in shift.starts
    )
    ring = [*taken, *((start + WEEK, end + WEEK, number) for start, end, number in taken[:1])]
    for (_, end, earlier), (start, _, later) in pairwise(ring):
        if start < end:
            yield (
                ("shifts", later),
                (
                    f"{shifts[later].name} begins before {shifts[earlier].name} ends; "
                    "allowed: one shift at a time"
                ),
            )
    for number, shift in enumerate(shifts):
        for place, pause in enumerate(shift.breaks):
            if (pause.start - shift.start) % DAY + pause.lasts > shift.length:
                yield (
                    ("shifts", number, "breaks", place),
                    (f"a break outside of shift {shift.name}; allowed: within its hours"),
                )


def _unknown_shifts(scenario: Scenario) -> Iterator[tuple[Loc, str]]:
    known = {shift.name for shift in scenario.shifts}
    allowed = ", ".join(sorted(known)) or "none, as the scenario has no shifts"
    chosen: list[tuple[Loc, tuple[str, ...] | None]] = [
        *((("lines", number), line.shifts) for number, line in enumerate(scenario.lines)),
        *((("machines", number), one.shifts) for number, one in enumerate(scenario.machines)),
    ]
    for loc, names in chosen:
        for place, name in enumerate(names or ()):
            if name not in known:
                yield (*loc, "shifts", place), f"no shift {name!r}; allowed: {allowed}"


def _partless(scenario: Scenario) -> Iterator[tuple[Loc, str]]:
    """Machines through which parts should flow, or for which there are orders, but none do."""
    for loc, entry in _workers(scenario):
        wanted = isinstance(entry, StationSpec) or bool(entry.orders)
        if wanted and entry.rate is None and not pace_of(entry.kind).cycle:
            said = f"a {entry.kind} makes no parts; allowed: with a rate, or {', '.join(MAKERS)}"
            yield (*loc, "kind"), said


def _lines_twice(scenario: Scenario) -> Iterator[tuple[Loc, str]]:
    seen: set[tuple[str | None, str, str]] = set()
    for number, line in enumerate(scenario.lines):
        place = (line.site or scenario.site, line.area, line.name)
        if place in seen:
            said = f"line {line.name!r} of area {line.area!r} is there twice"
            yield ("lines", number, "name"), f"{said}; allowed: each name once, or `count`"
        seen.add(place)


def _workers(scenario: Scenario) -> Iterator[tuple[Loc, StationSpec | MachineSpec]]:
    for number, machine in enumerate(scenario.machines):
        yield ("machines", number), machine
    for number, line in enumerate(scenario.lines):
        for place, station in enumerate(line.machines):
            yield ("lines", number, "machines", place), station


def _orders(scenario: Scenario) -> Iterator[tuple[Loc, tuple[OrderSpec, ...]]]:
    for number, machine in enumerate(scenario.machines):
        yield ("machines", number), machine.orders
    for number, line in enumerate(scenario.lines):
        yield ("lines", number), line.orders


def _twice(names: list[str], loc: Loc, field: str, what: str) -> Iterator[tuple[Loc, str]]:
    seen: set[str] = set()
    for number, name in enumerate(names):
        if name in seen:
            yield (*loc, number, field), f"{what} {name!r} is there twice; allowed: each name once"
        seen.add(name)


def schema() -> dict[str, Any]:
    """The JSON Schema of a scenario, for editors."""
    made = Scenario.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": "factoryledger scenario",
    }
