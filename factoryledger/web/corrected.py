"""The corrections that the log was seen to hold, by message: read by one thread, asked by others.

By place alone: whether the record there is the one that was meant, `prove` and `audit` check.
"""

from contextlib import suppress
from dataclasses import dataclass, field

from anchor.corrected import Corrected
from anchor.correction import Correction, CorrectionAuthority, is_correction
from anchor.correction_order import CorrectionOrder
from anchor.errors import AnchorError
from anchor.note import VerifierKey


@dataclass(slots=True)
class LoggedCorrections:
    """Corrections as the log's entries bring them, in order; none without an operator."""

    operator: VerifierKey | None
    _order: CorrectionOrder = field(default_factory=CorrectionOrder)
    _found: dict[tuple[str, int], list[tuple[int, Correction]]] = field(default_factory=dict)

    _all: list[tuple[int, Correction]] = field(default_factory=list)

    def read(self, entry: bytes, index: int) -> None:
        """Take an entry; one that is no correction, or does not hold, brings nothing."""
        if self.operator is None or not is_correction(entry):
            return
        with suppress(AnchorError):  # `audit` finds it
            correction = CorrectionAuthority(self.operator).read(entry)
            self._order.add(correction)
            place = correction.subject.collector, correction.subject.position
            self._all.append((index, correction))
            self._found.setdefault(place, []).append((index, correction))

    def newest(self, device: str | None, most: int) -> list[Corrected]:
        """The newest first, at most so many; those of a device's messages, where one is named."""
        found = list[Corrected]()
        for index, correction in reversed(self._all):
            machine = correction.subject.machine
            if device is None or (machine is not None and machine[0] == device):
                ended = self._order.superseded.get(correction.hash)
                found.append(Corrected(index, correction, ended))
            if len(found) == most:
                break
        return found

    def of(self, collector: str, position: int) -> list[Corrected]:
        """Those of one message, in the log's order."""
        return [
            Corrected(index, correction, self._order.superseded.get(correction.hash))
            for index, correction in self._found.get((collector, position), ())
        ]


@dataclass(slots=True)
class Board:
    """Where the newest of them are to be seen."""

    now: LoggedCorrections = field(default_factory=lambda: LoggedCorrections(None))
