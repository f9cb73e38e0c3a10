"""Duplicates: a share of the messages is sent twice, the same bytes, the copy up to 2 s later.

Pure.
"""

from typing import Annotated, Literal

from pydantic import Field

from simulator.faults.fault import Moment, NetworkFault, Share, Weather


class Duplicates(NetworkFault):
    """Messages that are sent twice."""

    fault: Literal["duplicates"]
    share: Annotated[Share, Field(description="Of messages")] = 0.5

    def weather(self, moment: Moment) -> Weather:  # noqa: ARG002 - all the time
        """Some are doubled."""
        return Weather(doubled=self.share)
