"""The corrections inside a proof: what goes in of the log, and what has to hold of it.

Each is under the operator's key, of this message alone, and in a log that holds the message.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from anchor.corrected import Corrections, in_order
from anchor.correction import Correction, CorrectionAuthority, Subject
from anchor.correction_order import CorrectionOrder
from anchor.errors import AnchorError, Malformed, Refused
from anchor.merkle import check_inclusion, leaf_hash
from anchor.note import VerifierKey
from anchor.policy import Policy
from anchor.proof_file import IncludedCorrections, IncludedEntry
from anchor.reading.corrections import LoggedCorrection, corrections_at, of_message
from anchor.reading.log_view import LogView
from telemetry.members import Scan
from telemetry.record import Record

MOST_CORRECTIONS: Final = 1000
"""Of one proof: each is a signature to check."""


@dataclass(frozen=True, slots=True)
class Proved:
    """The message that corrections are held against, as the hops before proved it.

    `anchoring` and `index` are the entry of the anchor log that it stands under; `scans` is
    what the machine said, None where the payload is not here or was not judged.
    """

    anchoring: bytes
    index: int
    collector: str
    position: int
    record: bytes
    scans: tuple[Scan, ...] | None


def check_corrections(
    carried: IncludedCorrections | None, proved: Proved, policy: Policy
) -> Corrections | None:
    """Check all of a proof; Refused or Malformed where one is not of this message, or false."""
    if carried is None:
        return None
    assert policy.operator is not None
    if len(carried.entries) > MOST_CORRECTIONS:
        raise Refused(f"it holds {len(carried.entries)}; a proof has at most {MOST_CORRECTIONS}")
    checkpoint = policy.open(carried.checkpoint).checkpoint
    # The same log: what is corrected stands in this tree too.
    here = IncludedEntry(proved.anchoring, proved.index, carried.path)
    authority, subject = (
        CorrectionAuthority(policy.operator),
        subject_of(proved.collector, proved.position, proved.record),
    )
    found = list[tuple[int, Correction]]()
    for included in (here, *carried.entries):
        check_inclusion(
            leaf=leaf_hash(included.entry),
            index=included.index,
            size=checkpoint.size,
            path=included.path,
            root=checkpoint.root,
        )
    for included in carried.entries:
        if found and included.index <= found[-1][0]:
            raise Refused("they do not stand in the log's order")
        correction = authority.read(included.entry)
        check_about(correction, subject, proved.scans)
        found.append((included.index, correction))
    return Corrections(checkpoint.size, in_order(found))


def subject_of(collector: str, position: int, data: bytes) -> Subject:
    """What a correction of the message with this record names; NotCanonical for what is none."""
    record = Record.from_bytes(data)
    named = record.device is not None and record.session is not None and record.seq is not None
    machine = (str(record.device), str(record.session), int(record.seq or 0)) if named else None
    return Subject(collector, position, leaf_hash(data), machine)


def check_about(correction: Correction, subject: Subject, scans: Sequence[Scan] | None) -> None:
    """Refused unless a correction is of this message, and of what it says where that is known."""
    if correction.subject != subject:
        raise Refused(
            f"correction {correction.hash.hex()[:16]} is of message {correction.subject.place} "
            "with another record or machine, not of this one"
        )
    change = correction.change
    if change is None or scans is None:
        return
    stored = [
        scan.readings[change.metric] for scan in scans if _has(scan, change.scan, change.metric)
    ]
    if float(change.original) not in stored:
        raise Refused(
            f"correction {correction.hash.hex()[:16]} says that {change.original} was stored, "
            "and the message does not say so"
        )


def _has(scan: Scan, time: int, metric: str) -> bool:
    return scan.time == time and metric in scan.readings


def corrections_for(
    view: LogView, places: Sequence[int], operator: VerifierKey, proved: Proved
) -> Sequence[LoggedCorrection]:
    """Those that a log holds of this message; one that `audit` would find is left out."""
    subject = subject_of(proved.collector, proved.position, proved.record)
    about = f"\nmessage {subject.place}\n".encode()
    mine = [place for place in places if about in view.entry(place)]
    found = of_message(
        corrections_at(view, mine, operator), subject.collector, subject.position, subject.leaf
    )
    return list(holding(found, subject, proved.scans))


def holding(
    found: Sequence[LoggedCorrection], subject: Subject, scans: Sequence[Scan] | None
) -> Iterator[LoggedCorrection]:
    """Those of one message that `audit` finds nothing wrong with, in the log's order."""
    order = CorrectionOrder()
    for logged in found:
        try:
            check_about(logged.correction, subject, scans)
            order.add(logged.correction)
        except (AnchorError, Malformed):
            continue
        yield logged
