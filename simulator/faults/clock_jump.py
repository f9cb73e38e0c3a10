"""Clock jump: a machine's clock is ahead by `by` seconds at once, negative: behind.

It jumps back at the end. Messages carry the wrong time, arrive at the right one. Pure.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, FiniteFloat

from simulator.faults.fault import Moment, NetworkFault, Touched, Weather


class ClockJump(NetworkFault):
    """A clock that is wrong."""

    fault: Literal["clock-jump"]
    touches: ClassVar[Touched] = "machine"  # its time
    by: Annotated[
        FiniteFloat, Field(ge=-86_400_000, le=86_400_000, description="Seconds ahead, or behind")
    ] = 3600.0

    def weather(self, moment: Moment) -> Weather:  # noqa: ARG002 - all the time
        """The error."""
        return Weather(clock=round(self.by * 1_000_000))
