"""The machines of a scenario: names given, counts dealt out, jobs made.

A machine without a name of its own is `<kind>-<number>`, numbered through the plant in the
order of the file, lines first. Pure; the same scenario and seed give the same machines.
"""

from collections import Counter
from collections.abc import Iterator

from simulator.machine import Machine
from simulator.scenario import (
    WEEKDAYS,
    Loc,
    MachineSpec,
    OrderSpec,
    Scenario,
    ShiftSpec,
    StationSpec,
)
from simulator.work.job import Break, Job, Line, Order, Pace, Shift, Upkeep
from simulator.work.pace import pace_of
from telemetry.topic import MachineTopic


class Names:
    """Names for machines: as written where they are single, else numbered through the plant."""

    def __init__(self, scenario: Scenario) -> None:
        self._totals: Counter[str] = Counter()
        for entry, copies in _entries(scenario):
            self._totals[entry.name or entry.kind] += entry.count * copies
        self._given: Counter[str] = Counter()

    def next(self, entry: StationSpec | MachineSpec) -> str:
        """The name of the next machine of this entry."""
        stem = entry.name or entry.kind
        self._given[stem] += 1
        if entry.name is not None and self._totals[stem] == 1:
            return stem
        width = max(2, len(str(self._totals[stem])))
        return f"{stem}-{self._given[stem]:0{width}d}"


def plant_of(scenario: Scenario, seed: int | None = None) -> list[Machine]:
    """Its machines, lines first; `seed` None: the scenario's own, or 1."""
    chosen = seed if seed is not None else scenario.seed
    return [machine for _, machine in placed(scenario, 1 if chosen is None else chosen)]


def placed(scenario: Scenario, seed: int) -> Iterator[tuple[Loc, Machine]]:
    """Each machine, and which part of the scenario it comes from."""
    names = Names(scenario)
    shifts = {shift.name: _shift(shift) for shift in scenario.shifts}
    for number, spec in enumerate(scenario.lines):
        own = _own_shifts(spec.shifts, shifts)
        orders = tuple(map(_order, spec.orders))
        for copy in range(spec.count):
            yield from _line(scenario, number, copy, names, own, orders, seed)
    for number, alone in enumerate(scenario.machines):
        own = _own_shifts(alone.shifts, shifts)
        orders = tuple(map(_order, alone.orders))
        for _ in range(alone.count):
            name = names.next(alone)
            job = _job(Line(name, (name,), (), orders), 0, alone, own)
            topic = _topic(scenario, alone.site, alone.area, alone.line, name)
            language = alone.language or scenario.language
            yield ("machines", number), Machine(topic, alone.kind, seed, job, language)


def _line(  # noqa: PLR0913, PLR0917 - one line out of all that a scenario says of it
    scenario: Scenario,
    number: int,
    copy: int,
    names: Names,
    shifts: tuple[Shift, ...],
    orders: tuple[Order, ...],
    seed: int,
) -> Iterator[tuple[Loc, Machine]]:
    spec = scenario.lines[number]
    width = max(2, len(str(spec.count)))
    label = spec.name if spec.count == 1 else f"{spec.name}-{copy + 1:0{width}d}"
    stations = [
        (place, station)
        for place, station in enumerate(spec.machines)
        for _ in range(station.count)
    ]
    called = tuple(names.next(station) for _, station in stations)
    buffers = tuple(station.buffer or spec.buffer for _, station in stations[:-1])
    line = Line(label, called, buffers, orders)
    for position, (place, station) in enumerate(stations):
        topic = _topic(scenario, spec.site, spec.area, label, called[position])
        job = _job(line, position, station, shifts)
        language = station.language or spec.language or scenario.language
        machine = Machine(topic, station.kind, seed, job, language)
        yield ("lines", number, "machines", place), machine


def _job(
    line: Line, position: int, spec: StationSpec | MachineSpec, shifts: tuple[Shift, ...]
) -> Job:
    upkeep = Upkeep(
        between_stops=spec.between_stops,
        stop=spec.stop,
        breakdowns=spec.breakdowns,
        service_after=spec.service_after,
        service=spec.service,
        changeover=spec.changeover,
    )
    return Job(line, position, _pace(spec), upkeep, shifts)


def _pace(spec: StationSpec | MachineSpec) -> Pace:
    usual = pace_of(spec.kind)
    return Pace(
        cycle=usual.cycle if spec.rate is None else max(1, round(3_600_000 / spec.rate)),
        demand=spec.demand,
        scrap=usual.scrap if spec.scrap is None else spec.scrap,
        worn_scrap=usual.worn_scrap if spec.worn_scrap is None else spec.worn_scrap,
    )


def _own_shifts(chosen: tuple[str, ...] | None, shifts: dict[str, Shift]) -> tuple[Shift, ...]:
    """All shifts where none are chosen; none, so around the clock, where an empty list is."""
    return tuple(shifts.values()) if chosen is None else tuple(shifts[name] for name in chosen)


def _shift(spec: ShiftSpec) -> Shift:
    breaks = tuple(Break(pause.start, pause.lasts) for pause in spec.breaks)
    days = tuple(sorted(WEEKDAYS.index(day) for day in set(spec.days)))
    return Shift(spec.name, spec.start, spec.end, days, breaks)


def _order(spec: OrderSpec) -> Order:
    return Order(spec.id, spec.product, spec.quantity, spec.due, spec.repeat)


def _entries(scenario: Scenario) -> Iterator[tuple[StationSpec | MachineSpec, int]]:
    for line in scenario.lines:
        for station in line.machines:
            yield station, line.count
    for machine in scenario.machines:
        yield machine, 1


def _topic(scenario: Scenario, site: str | None, area: str, line: str, name: str) -> MachineTopic:
    return MachineTopic(
        "", scenario.enterprise, site or scenario.site, area, line, name, "telemetry"
    )
