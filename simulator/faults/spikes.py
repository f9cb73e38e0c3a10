"""Spikes: a share of the scans is off by `by`, up or down at even chance; the others are good.

`by` is in the metric's unit, left out three tenths of the sensor's range. Pure.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from simulator.faults.fault import Moment, Positive, Reading, SensorFault, Share


class Spikes(SensorFault):
    """A sensor that is far off now and then."""

    fault: Literal["spikes"]
    usual: ClassVar[float | None] = 0.3
    by: Annotated[
        Positive | None, Field(description="How far off; three tenths of the range if not given")
    ] = None
    share: Annotated[Share, Field(description="Of scans that have one")] = 0.05

    def sense(self, reading: Reading, moment: Moment) -> float:
        """The value, or a spike; two draws either way."""
        by = self.by or 0.0
        struck, up = moment.rng.random() < self.share, moment.rng.random() < 0.5  # noqa: PLR2004
        return reading.value + (by if up else -by) * struck
