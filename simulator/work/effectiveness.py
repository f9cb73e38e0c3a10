"""Overall equipment effectiveness: availability times performance times quality.

After ISO 22400-2:2014: availability = APT/PBT (actual production time over planned busy
time), effectiveness, here performance as in Nakajima (Introduction to TPM, 1988), =
PRI·PQ/APT (planned run time an item, here the ideal cycle; produced quantity), quality
ratio = GQ/PQ. Planned busy time is time on shift with an order, without breaks and planned
maintenance; production time is time in Execute, so that what starves or blocks a machine
counts against its availability, as a delay does there. Pure; milliseconds and parts.
"""

from typing import NamedTuple


class Ratios(NamedTuple):
    """Each from 0 to 1; without planned time, or parts, there is nothing to be proud of."""

    availability: float
    performance: float
    quality: float
    oee: float


class Effectiveness:
    """What is counted over a shift, or since the start where there are none."""

    __slots__ = ("cycle", "good", "made", "planned", "running")

    def __init__(self, cycle: int) -> None:
        """`cycle` is the ideal milliseconds a part."""
        self.cycle = cycle
        self.planned = self.running = self.made = self.good = 0

    def ratios(self) -> Ratios:
        """The three and their product, rounded to 1e-4.

        A part that was begun in the shift before would carry its work over into this one's
        performance: that is cut off at 1.
        """
        running, made, good = self.running, self.made, self.good
        availability = running / self.planned if self.planned else 0.0
        performance = min(1.0, self.cycle * made / running) if running else 0.0
        quality = good / made if made else 0.0
        oee = availability * performance * quality
        return Ratios(
            round(availability, 4), round(performance, 4), round(quality, 4), round(oee, 4)
        )
