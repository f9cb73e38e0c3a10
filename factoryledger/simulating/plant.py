"""What `simulate` runs: a scenario's plant or the default one, with the faults that befall it."""

from collections.abc import Sequence
from dataclasses import dataclass

from factoryledger.installation import Installation
from simulator.faults.grammar import read_fault
from simulator.faults.schedule import Occurrence, schedule
from simulator.machine import Machine
from simulator.plant import build_plant
from simulator.scenario_file import load_scenario
from simulator.scenario_plant import plant_of


@dataclass(frozen=True, slots=True)
class Plant:
    """What is simulated: the machines, the seed of all chance, when it begins (µs)."""

    machines: Sequence[Machine]
    seed: int
    begin: int | None = None
    faults: Sequence[Occurrence] = ()
    primary_host: str | None = None
    commanded: bool = False
    gateway: str | None = None


def plant_for(place: Installation, name: str | None, faults: Sequence[str]) -> Plant:
    """The scenario's plant, or the default one; a seed that was set wins over the scenario's."""
    settings, more = place.settings, [read_fault(text) for text in faults]
    if name is None:
        machines = build_plant(settings.machines, settings.seed)
        return Plant(machines, settings.seed, None, schedule(more, machines))
    scenario = load_scenario(name)
    own = scenario.seed is not None and "seed" not in settings.model_fields_set
    machines = plant_of(scenario, None if own else settings.seed)
    befalling = schedule([*scenario.faults, *more], machines)
    host = scenario.primary_host
    return Plant(machines, machines[0].seed, scenario.begin, befalling, host)
