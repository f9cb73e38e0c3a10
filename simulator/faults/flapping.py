"""Flapping: a connection that goes and comes back, each for half of `every`, going first.

What a machine says while it is gone arrives when it is back. Pure.
"""

from typing import Annotated, Literal

from pydantic import Field

from simulator.faults.fault import Moment, NetworkFault, Weather
from simulator.spans import Span


class Flapping(NetworkFault):
    """A connection that goes and comes back."""

    fault: Literal["flapping"]
    every: Annotated[Span, Field(ge=2, description="From one loss to the next")] = 10_000

    def weather(self, moment: Moment) -> Weather:
        """Gone in the first half of each period."""
        number, into = divmod(moment.since, self.every)
        return Weather(closed=2 * into < self.every, breaks=number + 1)
