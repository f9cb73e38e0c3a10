"""Rolling bearings: at which frequencies a worn one shakes its machine, and how much.

Fault frequencies from the geometry (Randall and Antoni 2011, "Rolling element bearing
diagnostics - a tutorial", Mechanical Systems and Signal Processing 25, 485-520): with n
rolling elements of diameter d on a pitch diameter D, contact angle a and g = d/D·cos a, per
turn of the shaft: FTF = (1 - g)/2 (the cage), BPFO = n·FTF (outer race), BPFI = n·(1 + g)/2
(inner race), BSF = D/(2d)·(1 - g²) (an element's spin).

A defect is struck at its frequency f; a blow's impulse goes with the shaft's speed, and
blows that come f times a second leave a velocity of RMS ~ impulse · sqrt(f). So each band
grows with speed^1.5 and sqrt(f). Within a band the harmonics 1 to 3 fall as 1/k. Spalling
begins on the outer race and spreads: bands grow with w, w², w² and w³. Bands and what else
shakes add as independent vibrations do, by squares (severity zones: ISO 20816-3).
"""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

from simulator.chance import Chance
from simulator.machines.kind import Metric, Readings, measured

HARMONICS: Final = 3
NOISE: Final = 0.04

METRICS: Final = {
    "vibration": Metric("mm/s", 0.0, 20.0),
    "vibration_bpfo": Metric("mm/s", 0.0, 12.0),
    "vibration_bpfi": Metric("mm/s", 0.0, 12.0),
    "vibration_bsf": Metric("mm/s", 0.0, 12.0),
    "vibration_ftf": Metric("mm/s", 0.0, 12.0),
}


class Bands(NamedTuple):
    """One value for each part of a bearing that can be worn."""

    outer: float
    inner: float
    ball: float
    cage: float


class Line(NamedTuple):
    """A line of the vibration's spectrum: Hz, and RMS in mm/s."""

    frequency: float
    rms: float


@dataclass(frozen=True, slots=True)
class Bearing:
    """A bearing's geometry: rolling elements, diameters in mm, contact angle in degrees."""

    elements: int
    element_diameter: float
    pitch_diameter: float
    contact_angle: float = 0.0

    @property
    def orders(self) -> Bands:
        """BPFO, BPFI, BSF and FTF, in multiples of the shaft's speed."""
        ratio = self.element_diameter / self.pitch_diameter
        g = ratio * math.cos(math.radians(self.contact_angle))
        cage = (1.0 - g) / 2.0
        return Bands(
            outer=self.elements * cage,
            inner=self.elements * (1.0 + g) / 2.0,
            ball=(1.0 - g * g) / (2.0 * ratio),
            cage=cage,
        )


class Mounted:
    """A bearing in its machine: nominal speed, and how much it shakes when it is worn out."""

    def __init__(self, bearing: Bearing, *, speed: float, severity: float) -> None:
        """Speed in 1/min; `severity`, mm/s: the outer race's band at full wear and speed."""
        self.bearing = bearing
        self.speed = speed
        orders = bearing.orders
        # Rounded, so that a C library's last digit of cos ends here.
        self.levels = Bands(
            *(round(severity * math.sqrt(order / orders.outer), 9) for order in orders)
        )

    def bands(self, turning: float, wear: float) -> Bands:
        """RMS in mm/s of each band at a part `turning` of the nominal speed and some wear."""
        outer, inner, ball, cage = self.levels
        first = turning * math.sqrt(turning) * wear
        second = first * wear
        return Bands(outer * first, inner * second, ball * second, cage * second * wear)

    def lines(self, turning: float, wear: float) -> dict[str, list[Line]]:
        """The spectrum that the bands sum up: harmonics of each frequency, by band."""
        hertz = turning * self.speed / 60.0
        share = 1.0 / math.sqrt(sum(1.0 / k**2 for k in range(1, HARMONICS + 1)))
        bands = self.bands(turning, wear)
        return {
            name: [Line(k * order * hertz, band * share / k) for k in range(1, HARMONICS + 1)]
            for name, order, band in zip(Bands._fields, self.bearing.orders, bands, strict=True)
        }

    def readings(self, turning: float, other: float, wear: float, rng: Chance) -> Readings:
        """What a velocity sensor on the housing says; `other`, mm/s, is what else shakes it."""
        outer, inner, ball, cage = self.bands(turning, wear)
        total = math.sqrt(other * other + outer * outer + inner * inner + ball * ball + cage * cage)
        return {
            "vibration": measured(total, 3, rng, NOISE),
            "vibration_bpfo": measured(outer, 3, rng, NOISE),
            "vibration_bpfi": measured(inner, 3, rng, NOISE),
            "vibration_bsf": measured(ball, 3, rng, NOISE),
            "vibration_ftf": measured(cage, 3, rng, NOISE),
        }
