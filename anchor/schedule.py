"""When an anchor looks for new batches: after a time, or as soon as enough of them wait.

Pure: seconds in, seconds out.
"""

from dataclasses import dataclass

GLANCE = 0.25


@dataclass(frozen=True, slots=True)
class Schedule:
    """A look every `every` seconds; with `batches`, before that where so many wait.

    Counting them is cheap and done every `glance` seconds, so that is how late it may be.
    """

    every: float
    batches: int = 0
    glance: float = GLANCE

    def pause(self, rested: float) -> float:
        """Seconds to sleep now, having rested so long; 0 when the time is over."""
        left = max(0.0, self.every - rested)
        return min(left, self.glance) if self.batches else left

    def is_due(self, rested: float, waiting: int) -> bool:
        """Whether to look now, with so many batches waiting."""
        return rested >= self.every or bool(self.batches and waiting >= self.batches)
