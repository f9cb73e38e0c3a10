"""Offline: a machine has no connection; what it says meanwhile arrives when it is back. Pure."""

from typing import Literal

from simulator.faults.fault import Moment, NetworkFault, Weather


class Offline(NetworkFault):
    """A machine without a network."""

    fault: Literal["offline"]

    def weather(self, moment: Moment) -> Weather:  # noqa: ARG002 - all the time
        """No connection."""
        return Weather(closed=True, breaks=1)
