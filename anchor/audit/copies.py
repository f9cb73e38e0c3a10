"""Messages that collectors with stores of their own have accepted, each of them.

A receipt that was late, or lost with its collector, makes a machine send again, and another
collector may take it, whose store knows nothing of the first. One of them counts. Within one
store the claims see to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from anchor.audit.examine import Said
from anchor.audit.inquiry import Inquiry
from anchor.ports import Ledger
from anchor.reading.row_record import named_message
from telemetry.rows import MessageRow


@dataclass(slots=True)
class Copies:
    """Looks accepted rows up in the stores that were read before theirs."""

    _read: list[tuple[Ledger, Mapping[str, int]]] = field(default_factory=list)

    def passed(self, ledger: Ledger, ends: Mapping[str, int]) -> None:
        """A store was read, each of its collectors up to this position."""
        self._read.append((ledger, dict(ends)))

    def elsewhere(self, ledger: Ledger) -> bool:
        """Whether any other store was read before this one."""
        return any(store is not ledger for store, _ in self._read)

    def is_one(self, row: MessageRow, said: Said | None, inquiry: Inquiry) -> bool:
        """Whether a row's number was accepted by a store before; another body is a finding."""
        first = self._first(row, inquiry.ledger)
        if first is None:
            return False
        inquiry.audit.counts.copies += 1
        if first.body_hash != row.body_hash:
            _find(inquiry, row, said, first)
        return True

    def _first(self, row: MessageRow, own: Ledger) -> MessageRow | None:
        if row.device is None or row.session is None or row.seq is None:
            return None
        for ledger, ends in self._read:
            # What an earlier audit read of this very store: its claims see to that.
            if ledger is own:
                continue
            found = ledger.find(row.device, row.session, row.seq)
            if found is not None and _within(found, ends):
                return found
        return None


def _within(row: MessageRow, ends: Mapping[str, int]) -> bool:
    """Whether the row was read: what came after counts at the next audit."""
    end = ends.get(row.collector, 0) if type(row.collector) is str else 0
    return type(row.position) is int and row.position < end and row.status == "accepted"


def _find(inquiry: Inquiry, row: MessageRow, message: Said | None, first: MessageRow) -> None:
    other = named_message(first)
    cloned = message is not None and other is not None and message.prev == other.prev
    said = "of the same number and prev" if cloned else "of the same number"
    inquiry.find_row(
        "fork" if cloned else "duplicate",
        f"{first.collector}:{first.position} is another message {said}, accepted in another "
        "store; the machine or its key was cloned",
        row,
        blame=f"device {row.device} key {row.key}",
        against=(first.collector, first.position),
    )
