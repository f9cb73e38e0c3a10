"""Bias: a sensor gives too much, or with a negative `by` too little, by a constant.

The whole error is there at once, or after `ramp`. `by` is in the metric's unit, left out a
tenth of the sensor's range. Pure.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, FiniteFloat

from simulator.faults.fault import Moment, Reading, SensorFault
from simulator.spans import Span


class Bias(SensorFault):
    """A sensor that gives too much, or too little, by a constant."""

    fault: Literal["bias"]
    usual: ClassVar[float | None] = 0.1
    by: Annotated[
        FiniteFloat | None, Field(description="Error; a tenth of the range if not given")
    ] = None
    ramp: Annotated[Span, Field(description="Until it is all there")] = 0

    def sense(self, reading: Reading, moment: Moment) -> float:
        """The value and the error."""
        by = self.by or 0.0
        return reading.value + by * moment.progress(self.ramp)
