"""Parts on their way along a line: buffers between machines, and the order that they are for.

All machines of a line make their beats together. What one does in a beat is seen by the
others in the next: within a beat the order in which they are asked changes nothing. Parts
are whole; none appears but at the first machine, none goes but as scrap or at the last.
"""

from typing import Final

from simulator.work.job import Line, Order

PLENTY: Final = 1 << 40


class Flow:
    """One line's buffers and orders, as they were when the present beat began."""

    __slots__ = (
        "_beat", "_changes", "_good", "_released", "_scrapped", "_series",
        "begin", "good", "levels", "line", "number", "order", "released", "repetition",
        "scrapped",
    )  # fmt: skip

    def __init__(self, line: Line, begin: int) -> None:
        """An empty line at `begin`, milliseconds since 1970."""
        self.line = line
        self.begin = begin
        self.levels = [0] * len(line.buffers)
        self._changes = [0] * len(line.buffers)
        self._beat = -1
        self._series = 0
        self.number = self.repetition = 0
        self.order: Order | None = line.orders[0] if line.orders else None
        self.released = self.scrapped = self.good = 0
        self._released = self._scrapped = self._good = 0

    @property
    def busy(self) -> bool:
        """Whether there is something to make: an order, or stock where no orders are given."""
        return self.order is not None or not self.line.orders

    @property
    def called(self) -> str | None:
        """The present order's own id, with its repetition where there are several."""
        if self.order is None or self.order.repeat == 1:
            return None if self.order is None else self.order.id
        width = len(str(self.order.repeat))
        return f"{self.order.id}-{self.repetition + 1:0{width}d}"

    @property
    def due(self) -> int | None:
        """When the present order is due, milliseconds since 1970."""
        if self.order is None or self.order.due is None:
            return None
        return self.begin + self.order.due * (self.repetition + 1)

    def open(self, beat: int) -> None:
        """Begin a beat; the first machine that does so makes what was done before it seen."""
        if beat == self._beat:
            return
        self._beat = beat
        for place, change in enumerate(self._changes):
            if change:
                self.levels[place] += change
                self._changes[place] = 0
        self.released += self._released
        self.scrapped += self._scrapped
        self.good += self._good
        self._released = self._scrapped = self._good = 0
        if self.order is not None and self.good >= self.order.quantity:
            self._take_next()

    def supply(self, position: int) -> int:
        """How many parts this machine can take."""
        if position:
            return self.levels[position - 1]
        if self.order is None:
            return 0 if self.line.orders else PLENTY
        return self.order.quantity - self.released + self.scrapped

    def room(self, position: int) -> int:
        """For how many parts there is room behind this machine."""
        if position == len(self.levels):
            return PLENTY
        return self.line.buffers[position] - self.levels[position]

    def move(self, position: int, taken: int, good: int) -> bool:
        """Parts go through a machine; whether that finishes the order."""
        if position:
            self._changes[position - 1] -= taken
        else:
            self._released += taken
        self._scrapped += taken - good
        if position < len(self.levels):
            self._changes[position] += good
            return False
        self._good += good
        return self.order is not None and self.good + self._good >= self.order.quantity

    def _take_next(self) -> None:
        """The next order. The line is empty now: a good part too many is never released."""
        assert self.order is not None, "orders are finished one by one"
        self.number += 1
        self.repetition += 1
        self.released = self.scrapped = self.good = 0
        if self.repetition == self.order.repeat:
            self.repetition = 0
            self._series += 1
            left = self.line.orders[self._series :]
            self.order = left[0] if left else None
