"""The corrections that the anchor log holds, each against what the store has of its message.

All of them in every audit, also where only new rows are read: they are few, and a row that was
read long ago may be corrected today.
"""

from collections.abc import Sequence

from anchor.audit.findings import Audit, Finding
from anchor.correction import Correction, CorrectionAuthority, Subject
from anchor.correction_order import CorrectionOrder
from anchor.errors import AnchorError, Malformed, Refused
from anchor.merkle import HASH, TILE_WIDTH
from anchor.note import VerifierKey
from anchor.ports import Ledger
from anchor.proving.corrections import check_about
from anchor.reading.log_index import LogIndex
from anchor.reading.row_record import leaf_of, named_message, payload_fault
from telemetry.members import Scan
from telemetry.rows import MessageRow


def check_corrections(index: LogIndex, operator: VerifierKey, ledger: Ledger, audit: Audit) -> None:
    """Find corrections that nobody may make: unsigned, out of order, of no record that is there."""
    authority, order = CorrectionAuthority(operator), CorrectionOrder()
    hidden = any(finding.kind == "schema-altered" for finding in audit.findings)
    audit.counts.corrections = len(index.corrections)
    for place in index.corrections:
        try:
            correction = authority.read(index.view.entry(place))
            order.add(correction)
        except (Malformed, Refused) as error:
            detail = f"entry {place} of the log is a false correction: {error}"
            audit.add(Finding("correction-invalid", detail, index.view.checkpoint.origin))
            continue
        if not hidden:  # what such a store shows as rows means nothing
            _check_row(place, correction, operator, ledger, audit)


def _check_row(
    place: int, correction: Correction, operator: VerifierKey, ledger: Ledger, audit: Audit
) -> None:
    subject = correction.subject
    rows = ledger.messages(subject.collector, subject.position, subject.position + 1)
    row = next(iter(rows), None)
    try:
        if row is None or leaf_of(row) != subject.leaf:
            _check_leaf(subject, ledger)
            return  # the row is found as deleted or altered, for the tree has its leaf
        check_about(correction, named_subject(row, subject), scans_of(row))
    except AnchorError as error:
        audit.add(
            Finding(
                "correction-false",
                f"entry {place} of the log: {error}",
                operator.name,
                collector=subject.collector,
                position=subject.position,
                device=row.device if row else None,
                session=row.session if row else None,
                seq=row.seq if row else None,
                certainty="likely",
            )
        )


def _check_leaf(subject: Subject, ledger: Ledger) -> None:
    number, offset = divmod(subject.position, TILE_WIDTH)
    tile = ledger.tile(subject.collector, 0, number)
    there = tile[offset * HASH : (offset + 1) * HASH] if type(tile) is bytes else b""
    if there != subject.leaf:
        raise Refused(f"it is of message {subject.place}, and the store has no such record there")


def named_subject(row: MessageRow, subject: Subject) -> Subject:
    """The subject that a row of that leaf makes."""
    machine = (row.device, row.session, row.seq)
    named = None if None in machine else machine
    return Subject(subject.collector, subject.position, subject.leaf, named)  # type: ignore[arg-type]  # its leaf holds: a record was made of these


def scans_of(row: MessageRow) -> Sequence[Scan] | None:
    """What a row's message measured; None where its payload is gone or not its own."""
    if row.payload is None or payload_fault(row):
        return None
    message = named_message(row)
    return message.scans if message else None
