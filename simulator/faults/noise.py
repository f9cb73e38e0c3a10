"""Noise: a sensor's value scatters around the true one, bell-shaped, with deviation `by`.

Bounded at 3.5 deviations. The deviation is there at once, or grows over `ramp`; `by` is in
the metric's unit, left out a twentieth of the sensor's range. Pure.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from simulator.faults.fault import Moment, Positive, Reading, SensorFault
from simulator.machines.kind import sensed
from simulator.spans import Span


class Noise(SensorFault):
    """A sensor that scatters."""

    fault: Literal["noise"]
    usual: ClassVar[float | None] = 0.05
    by: Annotated[
        Positive | None, Field(description="Deviation; a twentieth of the range if not given")
    ] = None
    ramp: Annotated[Span, Field(description="Until it is all there")] = 0

    def sense(self, reading: Reading, moment: Moment) -> float:
        """The value with noise of its own."""
        by = self.by or 0.0
        return sensed(reading.value, 4, moment.rng, by * moment.progress(self.ramp))
