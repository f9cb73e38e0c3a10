"""Withheld message: a share of the machine's telemetry, by default a fifth, is kept from everyone.

Whoever sits on the machine's way out drops it, and its resends too: numbers are missing, the
`prev` chain shows it. The machine's outbox holds such a message for good, as no receipt comes.
States and events pass. Pure.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from simulator.faults.fault import Group, Moment, NetworkFault, Share, Weather


class WithheldMessage(NetworkFault):
    """Messages that somebody keeps back."""

    fault: Literal["withheld-message"]
    group: ClassVar[Group] = "security"
    share: Annotated[Share, Field(description="Of telemetry messages")] = 0.2

    def weather(self, moment: Moment) -> Weather:  # noqa: ARG002 - all the time
        """Some never arrive."""
        return Weather(withheld=self.share)
