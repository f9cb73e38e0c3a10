"""Dropout: a share of the scans, by default all, come without this metric. Pure."""

from typing import Annotated, Literal

from pydantic import Field

from simulator.faults.fault import Moment, Reading, SensorFault, Share


class Dropout(SensorFault):
    """A sensor that gives nothing."""

    fault: Literal["dropout"]
    share: Annotated[Share, Field(description="Of scans without a value")] = 1.0

    def sense(self, reading: Reading, moment: Moment) -> float | None:
        """Nothing, or the value."""
        return None if moment.rng.random() < self.share else reading.value
