"""Slow network: each message takes `delay` longer to leave the machine; none is lost. Pure."""

from typing import Annotated, Literal

from pydantic import Field

from simulator.faults.fault import Moment, NetworkFault, Weather
from simulator.spans import Span


class Slow(NetworkFault):
    """A network that takes its time."""

    fault: Literal["slow"]
    delay: Annotated[Span, Field(gt=0, description="How much longer a message takes")] = 2_000

    def weather(self, moment: Moment) -> Weather:  # noqa: ARG002 - all the time
        """Every message is late."""
        return Weather(delay=self.delay / 1000)
