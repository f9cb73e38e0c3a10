"""Stuck sensor: from its start to its end it gives, unchanged, the value that it gave last.

A sensor that had given none yet keeps to its first. Pure.
"""

from typing import Literal

from simulator.faults.fault import Moment, Reading, SensorFault


class Stuck(SensorFault):
    """A sensor that goes on giving the value it had."""

    fault: Literal["stuck"]

    def sense(self, reading: Reading, moment: Moment) -> float:  # noqa: ARG002 - never changes
        """The value before the fault."""
        return reading.held
