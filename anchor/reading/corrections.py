"""The corrections that an anchor log holds, each with its place; those of one message.

Only what the pinned operator signed counts here: of an entry that says it is a correction and
does not hold, `audit` tells.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from anchor.correction import Correction, CorrectionAuthority
from anchor.errors import Malformed, Refused
from anchor.note import VerifierKey
from anchor.proof_file import IncludedEntry
from anchor.reading.log_index import LogIndex
from anchor.reading.log_view import LogView


@dataclass(frozen=True, slots=True)
class LoggedCorrection:
    """A correction in the log: its index there, its entry's bytes, what it says."""

    index: int
    entry: bytes
    correction: Correction

    def included(self, view: LogView, size: int) -> IncludedEntry:
        """The entry with its path in the tree of that size, which contains it."""
        return IncludedEntry(self.entry, self.index, view.inclusion(self.index, size))


def logged_corrections(index: LogIndex, operator: VerifierKey) -> list[LoggedCorrection]:
    """All corrections of a scanned log that the operator signed, in the log's order.

    Refused, Missing or Malformed where the log's files do not hold.
    """
    return list(corrections_at(index.view, index.corrections, operator))


def corrections_at(
    view: LogView, places: Iterable[int], operator: VerifierKey
) -> Iterator[LoggedCorrection]:
    """The corrections at these places of a log; what does not hold there is left out."""
    authority = CorrectionAuthority(operator)
    for place in places:
        entry = view.entry(place)
        with suppress(Malformed, Refused):
            yield LoggedCorrection(place, entry, authority.read(entry))


def of_message(
    corrections: Iterable[LoggedCorrection], collector: str, position: int, leaf: bytes
) -> Sequence[LoggedCorrection]:
    """Those about one message, by its place and its record's leaf hash."""
    return [
        found
        for found in corrections
        if (found.correction.subject.collector, found.correction.subject.position)
        == (collector, position)
        and found.correction.subject.leaf == leaf
    ]
