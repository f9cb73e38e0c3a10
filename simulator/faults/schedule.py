"""Which machine and metric each fault befalls, from when to when: the ground truth.

An occurrence is one fault on one machine, a sensor's on one of its metrics. Its interval
is `start <= t < end`, in milliseconds since the scenario's start; what a run did is labelled by
exactly these. Pure.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Final

from simulator.chance import Chance
from simulator.errors import BadScenario
from simulator.faults.fault import FaultSpec, ProcessFault, SensorFault
from simulator.machine import Machine
from simulator.machines import KINDS

# What befalls messages on their way is made for those of one machine on one connection.
ON_THE_WAY: Final = frozenset({"network", "security"})
MOST: Final = 24  # names in a sentence


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One fault as it comes over one machine; `metric` for a sensor's only."""

    id: str
    spec: FaultSpec
    device: str
    metric: str | None
    start: int
    end: int

    @property
    def kind(self) -> str:
        """The fault's name."""
        return str(self.spec.fault)  # type: ignore[attr-defined]  # every spec's tag

    def content(self, name: str) -> dict[str, Any]:
        """The object of the `event` that says that it began, or ended."""
        return {
            "name": name,
            "id": self.id,
            "fault": self.kind,
            "group": self.spec.group,
            "metric": self.metric,
            "lasts": (self.end - self.start) / 1000,
            "parameters": self.spec.parameters(),
        }


def schedule(
    specs: Iterable[FaultSpec], machines: Sequence[Machine], *, first: int = 1
) -> list[Occurrence]:
    """All occurrences, numbered from `first` in their order; BadScenario for what cannot be."""
    found: list[Occurrence] = []
    for spec in specs:
        said = impossible(spec, machines)
        if said is not None:
            raise BadScenario(f"{spec.fault} of {spec.machine}: {said[1]}")  # type: ignore[attr-defined]
        for machine, metric in _targets(spec, machines):
            name = f"{spec.fault}-{first + len(found)}"  # type: ignore[attr-defined]
            end = spec.start + spec.lasts
            sized = spec
            if isinstance(spec, SensorFault) and metric is not None:
                sized = spec.sized(machine.metrics[metric])
            found.append(Occurrence(name, sized, machine.name, metric, spec.start, end))
    return found


def by_device(occurrences: Iterable[Occurrence]) -> dict[str, list[Occurrence]]:
    """The occurrences of each device that has any."""
    found: dict[str, list[Occurrence]] = {}
    for one in occurrences:
        found.setdefault(one.device, []).append(one)
    return found


def impossible(spec: FaultSpec, machines: Sequence[Machine]) -> tuple[str, str] | None:
    """Which field makes this fault befall nobody, and what is allowed; None where it can be."""
    meant = [machine for machine in machines if fnmatchcase(machine.name, spec.machine)]
    if not meant:
        names = _listed(machine.name for machine in machines)
        return "machine", f"no machine {spec.machine!r}; allowed: {names}, or a pattern of names"
    if any(True for _ in _targets(spec, meant)):
        return None
    if isinstance(spec, SensorFault):
        metrics = _listed(dict.fromkeys(name for machine in meant for name in machine.metrics))
        return "metric", f"no metric {spec.metric!r}; allowed: {metrics}, or a pattern of names"
    if spec.group in ON_THE_WAY and all(m.language != "json" for m in meant):
        said = f"{meant[0].name} speaks {meant[0].language}"
        return "machine", f"{said}; allowed: for {spec.group} faults, machines that speak json"
    kinds = _listed(kind for kind in KINDS if _suits(spec, kind))
    return "machine", f"{meant[0].kind} cannot have this fault; allowed: {kinds}"


def _targets(spec: FaultSpec, machines: Iterable[Machine]) -> Iterator[tuple[Machine, str | None]]:
    for machine in machines:
        if not fnmatchcase(machine.name, spec.machine):
            continue
        if spec.group in ON_THE_WAY and machine.language != "json":
            continue
        if isinstance(spec, SensorFault):
            for metric in machine.metrics:
                if fnmatchcase(metric, spec.metric):
                    yield machine, metric
        elif _suits(spec, machine.kind):
            yield machine, None


def _suits(spec: FaultSpec, kind: str) -> bool:
    """Whether the kind's state has what the fault changes."""
    return not isinstance(spec, ProcessFault) or spec.field is None or spec.field in _parts(kind)


@cache
def _parts(kind: str) -> tuple[str, ...]:
    """The names of what makes up the state of a kind's machines."""
    return tuple(KINDS[kind].begin(Chance(0))._fields)


def _listed(names: Iterable[str]) -> str:
    found = sorted(names)
    return ", ".join(found[:MOST]) + (f" and {len(found) - MOST} more" if found[MOST:] else "")
