"""Power sag: the supply's voltage is a share `by` below its nominal.

The torque of an induction motor and the power of a heater go with the square of the voltage:
a machine then works at (1 - by)² of its demand, and its power, heat and parts follow. Pure.
"""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from simulator.faults.fault import Moment, ProcessFault
from simulator.work.making import Influence


class PowerSag(ProcessFault):
    """A supply whose voltage is too low."""

    fault: Literal["power-sag"]
    by: Annotated[
        FiniteFloat, Field(gt=0, le=0.9, description="Share of the voltage that is missing")
    ] = 0.3

    def influence(self, moment: Moment) -> Influence:  # noqa: ARG002 - all the time
        """The speed that is left."""
        return Influence(speed=round((1.0 - self.by) ** 2, 9))
