"""What intruders say: readings as the machine's own would be, up to a tenth off each. Pure."""

from collections.abc import Mapping

from simulator.chance import Chance
from simulator.machines.kind import shown


def fabricated(readings: Mapping[str, float], rng: Chance) -> dict[str, float]:
    """Readings that nobody measured."""
    return {name: shown(value * (0.9 + 0.2 * rng.random()), 4) for name, value in readings.items()}


def session_of(rng: Chance) -> str:
    """A session of 16 hexadecimal digits."""
    return f"{int(rng.random() * 2**48):016x}"
