"""The default plant: which machines stand where when no scenario says so.

Pure. Names are ISA-95 levels, `<enterprise>/<site>/<area>/<line>/<machine>`, a machine's
name begins with its kind. Plants of one's own are `simulator.scenario`'s.
"""

from typing import Final

from simulator.errors import BadScenario
from simulator.machine import Machine
from simulator.machines import KINDS
from telemetry.topic import MachineTopic

ENTERPRISE: Final = "example-works"
SITE: Final = "north"
# Where a machine of each kind stands, and how many of twenty there are.
AREAS: Final[dict[str, tuple[str, int]]] = {
    "mill": ("machining", 3),
    "moulding": ("moulding", 2),
    "compressor": ("utilities", 2),
    "chiller": ("utilities", 1),
    "furnace": ("heat-treatment", 1),
    "lathe": ("machining", 2),
    "robot": ("assembly", 2),
    "conveyor": ("packaging", 2),
    "press": ("forming", 1),
    "packaging": ("packaging", 1),
    "agv": ("logistics", 1),
    "cold-store": ("logistics", 1),
    "energy-meter": ("machining", 1),
}
# Energy meters go round: one for the first line of each of these areas, then the second.
METERED: Final = ("machining", "utilities", "moulding", "packaging")
MACHINES_A_LINE: Final = 4


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
        area, line = _place(kind, numbers[kind])
        topic = _topic(ENTERPRISE, SITE, area, line, f"{kind}-{numbers[kind]:02d}")
        machines.append(Machine(topic, kind, seed))
    return machines


def _place(kind: str, number: int) -> tuple[str, str]:
    """Area and line of a kind's machine of this number, from 1."""
    if KINDS[kind].observes:
        turn, area = divmod(number - 1, len(METERED))
        return METERED[area], f"line-{turn + 1}"
    return AREAS[kind][0], f"line-{(number - 1) // MACHINES_A_LINE + 1}"


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
