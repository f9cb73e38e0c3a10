"""Parts: what a machine makes of its time in Execute, for which order, and how well.

A part is taken from the buffer before the machine and goes, when its cycle is over, into
the one behind it or to the scrap; work on it adds up in whole numbers. Pure but for what it
counts.
"""

from typing import Any, Final, NamedTuple

from simulator.chance import Chance
from simulator.work.effectiveness import Effectiveness, Ratios
from simulator.work.flow import Flow
from simulator.work.job import Job
from telemetry.canonical import time_text

# The load has four digits: a part is done after this times its cycle's milliseconds.
FULL: Final = 10_000


class Influence(NamedTuple):
    """What comes over a machine from beyond its job: faults.

    `speed` is the part of its speed that is left, `scrap` what is added to its share of
    scrap, `halt` the cause for which it aborts, and stays so until that is gone.
    """

    speed: float = 1.0
    scrap: float = 0.0
    halt: str | None = None


UNDISTURBED: Final = Influence()


class Making:
    """One machine's parts; a machine without a cycle makes none and always has enough to do."""

    __slots__ = (
        "_beat", "_buffers", "_counted", "_cycle", "_flow", "_number", "_position",
        "_progress", "_rng", "good", "scrap",
    )  # fmt: skip

    def __init__(self, job: Job, flow: Flow, rng: Chance) -> None:
        """Nothing made yet; `flow` is shared by the machines of its line."""
        self._flow, self._rng = flow, rng
        self._cycle, self._position = job.pace.cycle, job.position
        self._buffers = job.line.buffers
        self._counted = Effectiveness(job.pace.cycle)
        self._beat = self._progress = self.good = self.scrap = 0
        self._number = -1

    @property
    def ratios(self) -> Ratios:
        """Effectiveness over the present shift, or the one before where none is on."""
        return self._counted.ratios()

    @property
    def order(self) -> str | None:
        """The id of the order that the line is at."""
        return self._flow.called

    @property
    def changes(self) -> bool:
        """Whether the machine is set up for another order than the line is at."""
        return self._number not in {-1, self._flow.number}

    @property
    def over(self) -> bool:
        """Whether it is done with its order: the line has gone on, or all is released."""
        if not self._cycle:
            return False
        done = self._position == 0 and self._flow.supply(0) <= 0
        return done or self._number != self._flow.number

    @property
    def supplied(self) -> bool:
        """Whether there is a part to take."""
        return not self._cycle or self._flow.supply(self._position) > 0

    @property
    def roomy(self) -> bool:
        """Whether there is room for a part that is done."""
        return not self._cycle or self._flow.room(self._position) > 0

    def freed(self, cause: str | None) -> bool:
        """Whether what suspended it is over: half a buffer of parts, or of room.

        At the end of an order the last parts are taken one by one: no more will come.
        """
        flow, position = self._flow, self._position
        if cause == "blocked":
            return flow.room(position) >= max(1, self._buffers[position] // 2)
        last = flow.supply(0) <= 0
        return flow.supply(position) >= (1 if last else max(1, self._buffers[position - 1] // 2))

    def open(self) -> None:
        """Begin the next beat."""
        self._flow.open(self._beat)
        self._beat += 1

    def begin(self) -> dict[str, Any] | None:
        """Be set up for the line's order; the first machine has an event to tell of it."""
        if self._number == self._flow.number:
            return None
        self._number = self._flow.number
        first = self._position == 0 and self._flow.order is not None
        return self._order_event("order-started") if first else None

    def work(
        self, planned: int, ran: int, load: float, share: float, now: int
    ) -> dict[str, Any] | None:
        """Make the parts that so much Execute, in ms, of so much planned time allows.

        `share` of them is scrap. Gives the event of an order that this finishes.
        """
        if not self._cycle or not self._flow.busy:
            return None
        if planned:
            self._counted.planned += planned
            self._counted.running += ran
        self._progress += round(FULL * load) * ran
        finished = self._progress // (FULL * self._cycle)
        if not ran or not finished:
            return None
        taken = self._taken(finished)
        good = taken - sum(self._rng.random() < share for _ in range(taken))
        self.good += good
        self.scrap += taken - good
        self._counted.made += taken
        self._counted.good += good
        if taken and self._flow.move(self._position, taken, good):
            return self._order_event("order-finished", now)
        return None

    def new_shift(self) -> None:
        """Count effectiveness anew."""
        self._counted = Effectiveness(self._cycle)

    def shift_result(self) -> dict[str, Any]:
        """What came of the shift until now; nothing where no parts are made."""
        if not self._cycle:
            return {}
        counted = self._counted
        made = {"good": counted.good, "scrap": counted.made - counted.good}
        return made | counted.ratios()._asdict()

    def readings(self) -> dict[str, float]:
        """Parts, levels and effectiveness; nothing where no parts are made."""
        if not self._cycle:
            return {}
        read = {"parts_good": float(self.good), "parts_scrap": float(self.scrap)}
        position, levels = self._position, self._flow.levels
        if position:
            read["inlet_level"] = float(levels[position - 1])
        if position < len(levels):
            read["outlet_level"] = float(levels[position])
        for name, ratio in zip(Ratios._fields, self._counted.ratios(), strict=True):
            read[name] = round(100.0 * ratio, 2)
        return read

    def _taken(self, finished: int) -> int:
        """How many of the parts that could be finished there are, and have room."""
        supply, room = self._flow.supply(self._position), self._flow.room(self._position)
        taken = max(0, min(finished, supply, room))
        need = FULL * self._cycle
        if taken == finished:
            self._progress -= taken * need
        else:  # a part that is done waits for room; without supply there was none to work at
            self._progress = need if room < supply else 0
        return taken

    def _order_event(self, name: str, now: int | None = None) -> dict[str, Any]:
        """The object of an event about the line's order; `now` where it is finished."""
        flow = self._flow
        assert flow.order is not None, "only orders begin and end"
        told: dict[str, Any] = {
            "name": name,
            "line": flow.line.name,
            "order": flow.called,
            "product": flow.order.product,
            "quantity": flow.order.quantity,
        }
        if flow.due is not None:
            told["due"] = time_text(flow.due * 1000)
            if now is not None:
                told["late_seconds"] = max(0, now - flow.due) // 1000
        return told
