"""One row of `messages`: whether it holds together, and would be judged so again.

What is found here is blamed only once it is known whether the collector signed the row as
it stands (`anchor.audit.collector`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from anchor.audit.examine import Good, Said, said_by
from anchor.audit.findings import Kind
from anchor.audit.inquiry import Inquiry
from anchor.audit.keys import Erasure, KeyTrail
from anchor.errors import Refused
from anchor.merkle import leaf_hash
from anchor.reading.row_record import named_message, payload_fault, record_of
from telemetry.judgement import Judgement, judge
from telemetry.keyring import Keyring
from telemetry.record import KEYLESS_STATUSES
from telemetry.rows import MessageRow


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a row.

    `signed`: if the collector signed the row as it is, then its key is to blame. Otherwise
    it is the store in any case, for no record binds what is wrong.
    """

    kind: Kind
    detail: str
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """A row's leaf hash (None where its columns make no record), its fault, what it says."""

    leaf: bytes | None
    fault: Fault | None = None
    said: Said | None = None


@dataclass(slots=True)
class RowCheck:
    """Checks one collector's rows in order; `keys` gives the keys as of each.

    `received` and `counted` are the receive time and the number of key entries that the
    rows before had; the caller moves them on by the rows that it believes.
    """

    inquiry: Inquiry
    keys: KeyTrail
    erasures: Sequence[Erasure]
    received: int = 0
    counted: int = 0
    _nobody: Keyring = field(default_factory=Keyring)
    _looks: int = 50

    def check(self, row: MessageRow) -> Checked:
        """Check a row whose position is the one that is due."""
        try:
            leaf = leaf_hash(record_of(row))
        except Refused as error:
            return Checked(None, Fault("altered", str(error)))
        fault = payload_fault(row)
        if fault:
            return Checked(leaf, Fault("altered", fault))
        judgement = None
        found = self._order(row)
        if row.payload is None:
            found = found or self._erased(row)
        else:
            judgement = self._judge(row, row.payload)
            found = (judgement and self._compare(row, judgement)) or found
        return Checked(leaf, found, said_by(judgement))

    def accept(self, row: MessageRow, good: Good) -> Checked:
        """Check of a row that holds in itself what only the rows before it can tell."""
        return Checked(good.leaf, self._order(row), good.said)

    def _order(self, row: MessageRow) -> Fault | None:
        if row.received_at < self.received:
            detail = f"received at {row.received_at}, but the message before it at {self.received}"
            return Fault("back-dated", detail, signed=True)
        if row.keys < self.counted and row.status not in KEYLESS_STATUSES:
            detail = f"judged by {row.keys} key entries, though {self.counted} had been applied"
            return Fault("misjudged", detail, signed=True)
        return None

    def _erased(self, row: MessageRow) -> Fault | None:
        self.inquiry.audit.counts.erased += 1
        self.inquiry.audit.counts.unjudged += 1
        if not self._is_covered(row) and self._looks:
            # A collector may have gone on erasing while we read.
            self._looks -= 1
            self.erasures = self.keys.erasures(everywhere=True)
        if self._is_covered(row):
            return None
        return Fault("erased", "the payload is gone, and no key entry by the operator erased it")

    def _is_covered(self, row: MessageRow) -> bool:
        return any(erasure.covers(row.position, row.status) for erasure in self.erasures)

    def _judge(self, row: MessageRow, payload: bytes) -> Judgement | None:
        keyring = self._nobody if row.status in KEYLESS_STATUSES else self.keys.at(row.keys)
        if keyring is None:
            self.inquiry.audit.counts.unjudged += 1
            return None
        return judge(row.topic, payload, keyring, row.properties)

    def _compare(self, row: MessageRow, judged: Judgement) -> Fault | None:
        status = judged.status
        if row.status == "conflict" and status == "accepted":
            status = "conflict" if self._other_claimed(row, judged) else "accepted"
        if status != row.status:
            detail = f"status {row.status}, judged again it is {status}"
            return Fault("misjudged", detail, signed=True)
        names = ("device", "session", "seq", "key", "entry", "keys", "body_hash")
        wrong = [name for name in names if getattr(row, name) != getattr(judged, name)]
        if wrong:
            detail = f"judged again, it has another {', '.join(wrong)}"
            return Fault("misjudged", detail, signed=True)
        if row.time != judged.time:
            # The record binds the body and not this column, which queries rely on.
            return Fault("altered", f"column time holds {row.time}, the message says {judged.time}")
        return None

    def _other_claimed(self, row: MessageRow, judged: Judgement) -> bool:
        """Whether another body took this number; two with one `prev` are a fork."""
        assert judged.device is not None
        assert judged.session is not None
        assert judged.seq is not None
        claimed = self.inquiry.ledger.find(judged.device, judged.session, judged.seq)
        if claimed is None or claimed.body_hash == judged.body_hash:
            return False
        other = named_message(claimed)
        if other and judged.message and other.prev == judged.message.prev:
            detail = (
                f"another message by this key has the same number and prev: {claimed.collector}"
            )
            self.inquiry.find_row(
                "fork",
                f"{detail}:{claimed.position}; the machine or its key was cloned",
                row,
                blame=f"device {judged.device} key {judged.key}",
                against=(claimed.collector, claimed.position),
            )
        return True
