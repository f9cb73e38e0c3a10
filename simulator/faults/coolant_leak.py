"""Coolant leak: a machine loses a share `by` of its coolant, and with it of its cooling.

The level in the machine's state falls in proportion to time over `ramp` (left out: until the
fault's end); what is cooled then rises through the thermal resistance with its own time
constant. At the end the coolant is filled up; the heat goes as it came. Pure.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, FiniteFloat

from simulator.faults.fault import Moment, ProcessFault
from simulator.machines.kind import kept
from simulator.spans import Span


class CoolantLeak(ProcessFault):
    """A machine that loses its coolant."""

    fault: Literal["coolant-leak"]
    field: ClassVar[str | None] = "coolant"
    by: Annotated[
        FiniteFloat, Field(gt=0, le=0.9, description="Share of the coolant lost in the end")
    ] = 0.5
    ramp: Annotated[Span | None, Field(description="Until it is lost; else the end")] = None

    def worsen(self, value: float, moment: Moment) -> float:
        """The level that is left."""
        return kept(value * (1.0 - self.by * moment.progress(self.ramp)))
