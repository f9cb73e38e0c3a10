"""Reordering: each message is held back by a random time of up to `within`; later ones overtake.

Pure.
"""

from typing import Annotated, Literal

from pydantic import Field

from simulator.faults.fault import Moment, NetworkFault, Weather
from simulator.spans import Span


class Reordering(NetworkFault):
    """Messages that overtake one another."""

    fault: Literal["reordering"]
    within: Annotated[Span, Field(gt=0, description="The longest that one is held back")] = 5_000

    def weather(self, moment: Moment) -> Weather:  # noqa: ARG002 - all the time
        """Every message is late by another time."""
        return Weather(scatter=self.within / 1000)
