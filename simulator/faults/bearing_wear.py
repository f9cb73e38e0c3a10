"""Bearing wear: the bearing of a machine wears by `by` (0 to 1) more than it had.

It grows in proportion to time over `ramp` (left out: until the fault's end), in the state
from which `simulator.machines.bearing` makes the vibration at BPFO, BPFI, BSF and FTF; at
the end a bearing as worn as the one before is put in. Pure.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from simulator.faults.fault import Moment, ProcessFault, Share
from simulator.machines.kind import kept
from simulator.spans import Span


class BearingWear(ProcessFault):
    """A bearing that is being worn out."""

    fault: Literal["bearing-wear"]
    field: ClassVar[str | None] = "wear"
    by: Annotated[Share, Field(description="Wear it gets in the end, of a bearing's life")] = 0.6
    ramp: Annotated[Span | None, Field(description="Until it is all there; else the end")] = None

    def worsen(self, value: float, moment: Moment) -> float:
        """More worn, but never more than worn out."""
        return kept(min(1.0, value + self.by * moment.progress(self.ramp)))
