"""Clock skew: a machine's clock runs at another rate, `ppm` millionths too fast or too slow.

The error grows from nothing; at the end the clock is set right. Messages carry the wrong
time, arrive at the right one. Pure.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, FiniteFloat

from simulator.faults.fault import Moment, NetworkFault, Touched, Weather


class ClockSkew(NetworkFault):
    """A clock that runs too fast, or too slow."""

    fault: Literal["clock-skew"]
    touches: ClassVar[Touched] = "machine"  # its time
    ppm: Annotated[
        FiniteFloat, Field(ge=-900_000, le=1_000_000, description="Too fast; negative: too slow")
    ] = 10_000.0

    def weather(self, moment: Moment) -> Weather:
        """The error so far."""
        return Weather(clock=round(moment.since * self.ppm / 1000))
