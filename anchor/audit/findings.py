"""What an audit finds: findings, each naming a row or a file and who is to blame; counts.

The kinds are fixed; docs/security.md says which attack gives which.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from anchor.audit.memory import AuditMemory
from anchor.audit.remarks import Reach, WrongClock

Kind = Literal[
    "altered",
    "back-dated",
    "batch-altered",
    "batch-missing",
    "claim-altered",
    "collector-altered",
    "correction-false",
    "correction-invalid",
    "decoded-altered",
    "deleted",
    "duplicate",
    "erased",
    "fork",
    "index-altered",
    "inserted",
    "key-invalid",
    "key-unlogged",
    "log-forked",
    "log-invalid",
    "log-truncated",
    "misjudged",
    "receipt-false",
    "reordered",
    "schema-altered",
    "tiles-altered",
]
KINDS: tuple[str, ...] = get_args(Kind)

Certainty = Literal["certain", "likely", "one-of"]
"""How sure a finding is. `certain`: it follows from hashes and signatures under the policy's
keys. `likely`: from the word of a machine, or of a file beside the store, that may be false.
`one-of`: some row among those named is not what was signed, and it is not known which."""

STORE = "store"
"""Blamed where only somebody who can write to the database can have done it."""

MOST = 10_000
"""Findings that are kept; more are only counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    `collector`, `position`, `device`, `session` and `seq` are the row's columns as they are,
    whatever their types; None where it is no row's matter, or the row is gone and nothing
    else tells. `blame` is `store`, or the name of a key.
    """

    kind: Kind
    detail: str
    blame: str
    collector: Any = None
    position: Any = None
    device: Any = None
    session: Any = None
    seq: Any = None
    certainty: Certainty = "certain"
    against: tuple[str, int] | None = None
    """Of a fork: collector and position of the other message."""
    signed: tuple[bytes, bytes] | None = None
    """Of two histories of a collector: a checkpoint of each."""

    def to_json(self) -> dict[str, Any]:
        """All members; a column's bytes as hexadecimal text."""
        return {
            "kind": self.kind,
            "collector": _plain(self.collector),
            "position": _plain(self.position),
            "device": _plain(self.device),
            "session": _plain(self.session),
            "seq": _plain(self.seq),
            "blame": self.blame,
            "detail": self.detail,
            "certainty": self.certainty,
        }


@dataclass(slots=True)
class Counts:
    """What was checked."""

    collectors: int = 0
    batches: int = 0
    messages: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    anchored_batches: int = 0
    anchored_messages: int = 0
    key_entries: int = 0
    corrections: int = 0
    log_size: int = 0
    erased: int = 0
    unjudged: int = 0
    """Messages whose judgement could not be derived again, for want of payload or keys."""
    copies: int = 0
    """Messages accepted in a store when another store had them; the others count once."""
    sessions: int = 0
    gaps: int = 0
    """Numbers missing inside of sessions."""
    breaks: int = 0
    """Messages whose `prev` names no message that is there."""
    citations: int = 0
    citations_missing: int = 0
    """Cited checkpoints that the log no longer has."""


@dataclass(slots=True)
class Audit:
    """The outcome: findings in the order found, plain notes, counts; `omitted` were too many."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    omitted: int = 0
    skipped: int = 0
    """Messages that were not read, since an audit at `since` (POSIX seconds) had read them."""
    since: int | None = None
    ledgers: list[Reach] = field(default_factory=list)
    """How far each outside ledger stamped the log."""
    clocks: list[WrongClock] = field(default_factory=list)
    """Machines whose own clock lies outside of what is bounded: no findings."""
    memory: AuditMemory | None = None
    """What the next audit may go on from; None with findings."""

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def add(self, finding: Finding) -> None:
        """Take a finding, or count it where there are too many to be of use."""
        if len(self.findings) < MOST:
            self.findings.append(finding)
        else:
            self.omitted += 1

    def to_json(self) -> dict[str, Any]:
        """Findings, notes and counts."""
        counts = {name: getattr(self.counts, name) for name in Counts.__slots__}
        return {
            "clean": self.clean,
            "findings": [finding.to_json() for finding in self.findings],
            "omitted": self.omitted,
            "notes": self.notes,
            "ledgers": [reach.to_json() for reach in self.ledgers],
            "clocks": [clock.to_json() for clock in self.clocks],
            "skipped": self.skipped,
            "since": self.since,
            **counts,
        }


def _plain(value: object) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, str | int | float | None) else repr(value)
