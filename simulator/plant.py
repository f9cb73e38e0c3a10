"""The plant: which machines stand where. The default one, or a scenario's.

`build_plant` is pure; `load_scenario` reads a TOML or JSON file. Names are ISA-95 levels,
`<enterprise>/<site>/<area>/<line>/<machine>`, a machine's name begins with its kind.
"""

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from simulator.errors import BadScenario
from simulator.machine import Machine
from simulator.machines import KINDS
from telemetry.topic import MachineTopic

ENTERPRISE: Final = "example-works"
SITE: Final = "north"
# Where a machine of each kind stands, and how many of twenty there are.
AREAS: Final[dict[str, tuple[str, int]]] = {
    "mill": ("machining", 6),
    "moulding": ("moulding", 5),
    "compressor": ("utilities", 4),
    "chiller": ("utilities", 2),
    "furnace": ("heat-treatment", 3),
}
MACHINES_A_LINE: Final = 4

Segment = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$")]


class MachineEntry(BaseModel):
    """One machine of a scenario."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Segment
    kind: str
    area: Segment
    line: Segment
    site: Segment = SITE

    @model_validator(mode="after")
    def _kind_exists(self) -> "MachineEntry":
        if self.kind not in KINDS:
            known = ", ".join(sorted(KINDS))
            raise ValueError(f"machine {self.name}: no kind {self.kind!r}; there are {known}")
        return self


class Scenario(BaseModel):
    """A plant as written in a scenario file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enterprise: Segment = ENTERPRISE
    seed: int | None = None
    machines: tuple[MachineEntry, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Scenario":
        names = [machine.name for machine in self.machines]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"machines named twice: {', '.join(twice)}")
        return self

    def plant(self, seed: int) -> list[Machine]:
        """Its machines; the scenario's own seed, if it has one, wins."""
        chosen = seed if self.seed is None else self.seed
        return [
            Machine(
                _topic(self.enterprise, entry.site, entry.area, entry.line, entry.name),
                entry.kind,
                chosen,
            )
            for entry in self.machines
        ]


def build_plant(count: int = 20, seed: int = 0) -> list[Machine]:
    """The default plant with this many machines; from three machines on, three kinds.

    Kinds are dealt in their shares of twenty, so that every prefix of the plant is mixed,
    and a machine keeps its name and place whatever the count.
    """
    if count < 1:
        raise BadScenario(f"a plant of {count} machines; it needs at least 1")
    numbers: dict[str, int] = dict.fromkeys(AREAS, 0)
    machines = []
    for index in range(count):
        kind = _DEAL[index % len(_DEAL)]
        numbers[kind] += 1
        number = numbers[kind]
        line = f"line-{(number - 1) // MACHINES_A_LINE + 1}"
        topic = _topic(ENTERPRISE, SITE, AREAS[kind][0], line, f"{kind}-{number:02d}")
        machines.append(Machine(topic, kind, seed))
    return machines


def load_scenario(path: Path) -> Scenario:
    """Read a scenario; BadScenario names the file and what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
        data: Any = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        return Scenario.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadScenario(f"{path}: {place or 'scenario'}: {first['msg']}") from error
    except (OSError, ValueError) as error:
        raise BadScenario(f"{path}: {error}; a scenario is a TOML or JSON file") from error


def _deal() -> tuple[str, ...]:
    """The order in which kinds are handed out: each in turn while its share lasts."""
    left = {kind: share for kind, (_, share) in AREAS.items()}
    order: list[str] = []
    while any(left.values()):
        for kind in AREAS:
            if left[kind]:
                left[kind] -= 1
                order.append(kind)
    return tuple(order)


_DEAL: Final = _deal()


def _topic(enterprise: str, site: str, area: str, line: str, name: str) -> MachineTopic:
    return MachineTopic("", enterprise, site, area, line, name, "telemetry")
