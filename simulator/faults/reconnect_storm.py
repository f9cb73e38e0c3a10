"""Reconnect storm: all machines of the pattern lose their connection at the same moment.

Again after each `every`, until the fault's end; they come back as fast as they can, all at
once. Nothing is lost: what was under way is sent again. Pure.
"""

from typing import Annotated, Literal

from pydantic import Field

from simulator.faults.fault import Moment, NetworkFault, Weather
from simulator.spans import Span


class ReconnectStorm(NetworkFault):
    """Connections that are cut all at once."""

    fault: Literal["reconnect-storm"]
    every: Annotated[Span, Field(gt=0, description="From one cut to the next")] = 5_000

    def weather(self, moment: Moment) -> Weather:
        """One more connection cut at each period's begin."""
        return Weather(breaks=moment.since // self.every + 1)
