"""The anchor log's own part of an audit: its files, its signatures, its witnesses, its entries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from anchor.audit.findings import Audit, Finding
from anchor.cosignature import check_cosignature
from anchor.errors import AnchorError, Malformed, Missing, Refused
from anchor.key_entry import OperatorAuthority
from anchor.note import Note
from anchor.policy import Policy
from anchor.reading.log_audit import LogFinding, audit_log, check_earlier
from anchor.reading.log_index import LogIndex
from anchor.reading.log_reader import LogReader, LogView
from anchor.tree_head import Checkpoint

Progress = Callable[[str, int], None]
ANCHOR_LOG = "anchor log"
"""What is being read, when it is no collector's rows."""


@dataclass(frozen=True, slots=True)
class AnchorSide:
    """What the rest of an audit may rest on.

    `log` is None where there is none or its checkpoint does not hold, `view` where nothing is
    anchored yet, `index` also where its entries do not hold.
    """

    log: LogReader | None
    view: LogView | None
    index: LogIndex | None
    note: bytes | None = None
    """The checkpoint of `view`."""


def audit_anchor(  # noqa: PLR0913 - what it reads and what others saw, each by name
    *,
    log: LogReader | None,
    policy: Policy,
    remembered: Sequence[bytes],
    witnessed: Sequence[bytes],
    audit: Audit,
    progress: Progress | None,
) -> AnchorSide:
    """Check the anchor log as far as there is one; findings and notes go into `audit`."""
    if log is None:
        audit.notes.append("no anchor log was given: rows are checked against the store alone")
        return AnchorSide(None, None, None)
    try:
        note, view = log.head
    except Missing:
        _check_never_published(log, audit)
        return AnchorSide(log, None, None)
    except AnchorError as error:
        audit.add(Finding("log-invalid", f"the log's checkpoint: {error}", policy.log.name))
        return AnchorSide(None, None, None)
    audit.counts.log_size = view.size
    _check_quorum(note, policy, audit)
    _check_remembered(log, view, remembered, audit)
    _check_witnessed(log, view, witnessed, audit)
    whole = audit_log(log, progress and (lambda done, _: progress(ANCHOR_LOG, done)))
    for found in whole.findings:
        audit.add(Finding(found.kind, found.detail, policy.log.name))
    index = _index(view, policy, audit)
    if index is not None:
        audit.counts.key_entries = len(index.keys)
    return AnchorSide(log, view, index, note)


def check_published(log: LogReader, published: int, audit: Audit) -> None:
    """Find a log that ends before what is known to have been published, by size alone."""
    if audit.counts.log_size < published:
        detail = (
            f"the log has {audit.counts.log_size} entries, and {published} were published by "
            "what anchor.db says: it was cut short, or an older copy was put back"
        )
        audit.add(Finding("log-truncated", detail, log.key.name, certainty="likely"))


def _check_never_published(log: LogReader, audit: Audit) -> None:
    """Find a checkpoint that was taken away. One may be kept before the first is published."""
    kept = sum(1 for _ in log.source.paths("checkpoints") or ())
    if kept > 1:
        detail = f"the log has no checkpoint, but keeps {kept} that it published: it was cut short"
        audit.add(Finding("log-truncated", detail, log.key.name))
    else:
        audit.notes.append("nothing is anchored yet: the log has no checkpoint")


def _check_quorum(note: bytes, policy: Policy, audit: Audit) -> None:
    if policy.met_by(()):
        audit.notes.append(
            "the policy asks for no witness: whoever holds the log's key could show two logs"
        )
    if _check_witnesses(note, policy, audit):
        try:
            policy.open(note)
        except (Malformed, Refused) as error:
            audit.add(Finding("log-invalid", f"the log's checkpoint: {error}", policy.log.name))


def _check_witnesses(note: bytes, policy: Policy, audit: Audit) -> bool:
    holds = True
    for witness in policy.witnesses.values():
        try:
            check_cosignature(Note.from_bytes(note), witness.key)
        except (Malformed, Refused) as error:
            holds = False
            audit.add(Finding("log-invalid", f"the log's checkpoint: {error}", witness.key.name))
    return holds


def _check_remembered(
    log: LogReader, view: LogView, remembered: Sequence[bytes], audit: Audit
) -> None:
    for note in remembered:
        try:
            earlier = log.open(note)
        except AnchorError as error:
            audit.notes.append(f"a remembered checkpoint is of no use: {error}")
            continue
        finding = check_earlier(view, earlier, "a checkpoint remembered from before")
        if finding is not None:
            audit.add(Finding(finding.kind, finding.detail, log.key.name))


def _check_witnessed(
    log: LogReader, view: LogView, witnessed: Sequence[bytes], audit: Audit
) -> None:
    """What a witness cosigned is in the log's files before it is signed, published or not."""
    for note in witnessed:
        try:
            seen = log.open(note)
        except AnchorError as error:
            audit.notes.append(f"what a witness cosigned last is of no use: {error}")
            continue
        place = "what a witness cosigned"
        finding = (
            check_earlier(view, seen, place)
            if seen.size <= view.size
            else _check_ahead(log, view, seen, place)
        )
        if finding is not None:
            audit.add(Finding(finding.kind, finding.detail, log.key.name))


def _check_ahead(log: LogReader, view: LogView, seen: Checkpoint, place: str) -> LogFinding | None:
    try:
        root = log.at(seen).root(view.size)
    except (Malformed, Missing, Refused):
        detail = (
            f"the log signed size {seen.size} ({place}), and its files do not lead there: it has "
            f"{view.size} entries"
        )
        return LogFinding("log-truncated", place, detail)
    if root == view.checkpoint.root:
        return None
    detail = f"the log signed another root at size {view.size} than its tree of size {seen.size}"
    return LogFinding("log-forked", place, f"{detail} has ({place})")


def _index(view: LogView, policy: Policy, audit: Audit) -> LogIndex | None:
    """Where what stands; None where an entry cannot be read, which was found already."""
    try:
        index = LogIndex.scan(view)
        for place in index.keys.values():
            _check_key(view.entry(place), place, policy, audit)
    except AnchorError as error:
        audit.notes.append(f"rows are checked against the store alone, the log is false: {error}")
        return None
    for place in index.strange:
        detail = f"entry {place} of the log is neither a key entry nor a checkpoint of a collector"
        audit.add(Finding("log-invalid", detail, policy.log.name))
    return index


def _check_key(entry: bytes, place: int, policy: Policy, audit: Audit) -> None:
    assert policy.operator is not None
    try:
        OperatorAuthority(policy.operator).read(entry)
    except (Malformed, Refused) as error:
        detail = f"entry {place} of the log is a false key entry: {error}"
        audit.add(Finding("log-invalid", detail, policy.log.name))
