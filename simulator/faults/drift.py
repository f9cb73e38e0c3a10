"""Drift: a sensor's error grows from nothing, in proportion to time, up to `by`.

It is there after `ramp` (left out: at the fault's end) and stays so until the end. `by` is
in the metric's unit, left out a tenth of the sensor's range. Pure.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, FiniteFloat

from simulator.faults.fault import Moment, Reading, SensorFault
from simulator.spans import Span


class Drift(SensorFault):
    """A sensor whose error grows with time."""

    fault: Literal["drift"]
    usual: ClassVar[float | None] = 0.1
    by: Annotated[
        FiniteFloat | None, Field(description="Error in the end; a tenth of the range if not given")
    ] = None
    ramp: Annotated[Span | None, Field(description="Until it is all there; else the end")] = None

    def sense(self, reading: Reading, moment: Moment) -> float:
        """The value and the error so far."""
        by = self.by or 0.0
        return reading.value + by * moment.progress(self.ramp)
