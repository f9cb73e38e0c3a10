"""How fast each kind of machine makes parts, where a scenario does not say.

Ideal seconds a part and the share of scrap of a machine in good order: orders of magnitude
from practice, no measurement. A kind that is not here makes no parts: it has states, modes
and shifts, but neither orders nor OEE. Pure.
"""

from typing import Final

from simulator.work.job import Pace

_SECONDS: Final[dict[str, tuple[float, float, float]]] = {
    # kind: ideal seconds a part, share of scrap when new, added when worn
    "mill": (90.0, 0.010, 0.060),
    "lathe": (60.0, 0.010, 0.050),
    "moulding": (16.0, 0.015, 0.040),
    "robot": (12.0, 0.002, 0.010),
    "press": (3.0, 0.008, 0.040),
    "furnace": (18.0, 0.010, 0.030),
    "conveyor": (2.0, 0.0, 0.002),
    "packaging": (2.0, 0.005, 0.020),
    "agv": (120.0, 0.0, 0.0),
}
MAKERS: Final = tuple(sorted(_SECONDS))


def pace_of(kind: str) -> Pace:
    """The usual pace of a kind; a cycle of 0 where it makes no parts."""
    seconds, scrap, worn_scrap = _SECONDS.get(kind, (0.0, 0.0, 0.0))
    return Pace(cycle=round(seconds * 1000), scrap=scrap, worn_scrap=worn_scrap)
