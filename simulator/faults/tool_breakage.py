"""Tool breakage: a machine goes on with a broken tool, until its end, when it gets another.

A broken tool cuts nothing: force and the power for it go, the stub shakes the spindle, and
every part is scrap. The new one is as worn as the one before. Pure.
"""

from typing import ClassVar, Literal

from simulator.faults.fault import Moment, ProcessFault
from simulator.work.making import Influence


class ToolBreakage(ProcessFault):
    """A tool that is broken."""

    fault: Literal["tool-breakage"]
    field: ClassVar[str | None] = "broken"

    def worsen(self, value: bool, moment: Moment) -> bool:  # noqa: ARG002
        """Broken, all the time."""
        return True

    def influence(self, moment: Moment) -> Influence:  # noqa: ARG002 - all the time
        """Nothing good comes of it."""
        return Influence(scrap=1.0)
