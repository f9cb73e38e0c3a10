"""What a verified proof shows, in values and in plain sentences, and what it does not show.

Every value comes from bytes that the policy's keys vouch for; those that are only somebody's
word say whose.
"""

from dataclasses import dataclass
from typing import Any

from anchor.corrected import Corrections
from anchor.ledgers.ledger import Stamp
from telemetry.canonical import b64, plain, time_text
from telemetry.members import Scan
from telemetry.source import Source

SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Vouching:
    """Who vouches for a bound: witnesses by their names in the policy, ledgers by theirs."""

    witnesses: tuple[str, ...] = ()
    ledgers: tuple[str, ...] = ()

    @property
    def alone(self) -> str:
        """What is to be said where nobody else stands behind it."""
        if self.witnesses or len(self.ledgers) != 1:
            return ""
        return "; this rests on that ledger alone"

    def __str__(self) -> str:
        found = []
        if self.witnesses:
            noun = "witness" if len(self.witnesses) == 1 else "witnesses"
            found.append(f"{noun} {', '.join(self.witnesses)} had cosigned")
        if self.ledgers:
            noun = "ledger" if len(self.ledgers) == 1 else "ledgers"
            found.append(f"{noun} {', '.join(self.ledgers)} had stamped")
        return " and ".join(found) or "witnesses had cosigned"

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {"witnesses": list(self.witnesses), "ledgers": list(self.ledgers)}


def between(gateway: str) -> str:
    """What no gateway's signature proves."""
    return (
        f"what happened between the machine and gateway {gateway}, which signed on its behalf; "
        "the machine itself signed nothing."
    )


def stamp_line(stamp: Stamp) -> str:
    """What one ledger says by itself, as a sentence."""
    if stamp.lacking is not None:
        return (
            f"Ledger {stamp.ledger}: {plain(stamp.voucher)} is not counted here: {stamp.lacking}."
        )
    by = time_text(stamp.time * SECOND)
    who = plain(stamp.voucher)
    return f"Ledger {stamp.ledger}: a log that contains it was there by {by}, says {who}."


def stamp_json(stamp: Stamp) -> dict[str, Any]:
    """The same for programs."""
    return {
        "ledger": stamp.ledger,
        "kind": stamp.kind,
        "time": None if stamp.lacking else time_text(stamp.time * SECOND),
        "voucher": stamp.voucher,
        "lacking": stamp.lacking,
        "not_shown": list(stamp.not_shown),
    }


@dataclass(frozen=True, slots=True)
class Verified:
    """A message, proved.

    Times are microseconds since the epoch; `not_before` and `not_after` are the bounds that
    `before_by` and `after_by` vouch for, None where unknown; `stamps` are what outside ledgers
    say, each by itself; `made` and `scans` are the machine's word, `received` the
    collector's. `device`, `session`, `seq` and `key` are None unless a machine's signature
    was checked. `judged_here` says whether the status was derived again from the payload.
    `gateway` names who holds the machine's key and signed on its behalf, `source` what that
    received from it; None where the machine signs itself. `corrections` are what the operator
    said of it later; all else is as the machine sent it.
    """

    status: str
    collector: str
    position: int
    received: int
    topic: str
    payload: bytes | None
    device: str | None
    session: str | None
    seq: int | None
    key: str | None
    kind: str | None
    made: int | None
    scans: tuple[Scan, ...]
    content: dict[str, Any] | None
    judged_here: bool
    log: str
    log_size: int
    log_index: int
    witnesses: tuple[str, ...]
    quorum: str
    not_before: int | None
    not_after: int | None
    not_proven: tuple[str, ...]
    before_by: Vouching = Vouching()
    after_by: Vouching = Vouching()
    stamps: tuple[Stamp, ...] = ()
    gateway: str | None = None
    source: Source | None = None
    corrections: Corrections | None = None

    def lines(self) -> list[str]:
        """What is proved, a sentence a line; then each thing that is not."""
        found = [self._whose(), *self._what(), *self._corrected()]
        found += [self._recorded(), *self._when()]
        return [*found, self._witnessed()] + [f"Not proven: {gap}" for gap in self.not_proven]

    def to_json(self) -> dict[str, Any]:
        """The same for programs: times as text, the payload as base64."""
        return {
            "verified": True,
            "status": self.status,
            "collector": self.collector,
            "position": self.position,
            "received": time_text(self.received),
            "topic": self.topic,
            "device": self.device,
            "session": self.session,
            "seq": self.seq,
            "key": self.key,
            "signed_by_gateway": self.gateway,
            "source": None if self.source is None else self.source.to_json(),
            "kind": self.kind,
            "time": _text(self.made),
            "scans": [{"time": time_text(s.time), "readings": s.readings} for s in self.scans],
            "content": self.content,
            "payload": None if self.payload is None else b64(self.payload),
            "judged_here": self.judged_here,
            "not_before": _text(self.not_before),
            "not_after": _text(self.not_after),
            "not_before_by": self.before_by.to_json(),
            "not_after_by": self.after_by.to_json(),
            "stamps": [stamp_json(stamp) for stamp in self.stamps],
            "corrections": [] if self.corrections is None else self.corrections.to_json(),
            "corrections_as_of": None if self.corrections is None else self.corrections.size,
            "log": {"origin": self.log, "size": self.log_size, "index": self.log_index},
            "witnesses": list(self.witnesses),
            "quorum": self.quorum,
            "lines": self.lines(),
            "not_proven": list(self.not_proven),
        }

    def _whose(self) -> str:
        if self.device is None:
            return f"A message on topic {self.topic!r} is recorded as {self.status}."
        of = f"session {self.session}, number {self.seq}"
        if not self.judged_here:
            held = "" if self.gateway is None else f", which gateway {self.gateway} holds"
            return (
                f"A message is recorded as {self.status} from machine {self.device} ({of}), key "
                f"{self.key}{held}."
            )
        signed = f"Machine {self.device} signed this message with its enrolled key {self.key}"
        if self.gateway is not None:
            signed = (
                f"Signed by the gateway {self.gateway} on behalf of machine {self.device}, with "
                f"the key {self.key} that the operator enrolled for that"
            )
        if self.status == "accepted":
            return f"{signed} ({of})."
        if self.status == "revoked":
            return (
                f"Key {self.key} of machine {self.device} signed this message ({of}) after the "
                "operator had ended that key: it is recorded as revoked."
            )
        return (
            f"{signed} ({of}), and another message had that number before: it is recorded as a "
            f"{self.status}."
        )

    def _what(self) -> list[str]:
        if self.kind is None or self.made is None:
            return []
        whose = "by the machine's clock"
        if self.gateway is not None:
            whose = f"by gateway {self.gateway}'s word"
        found = [
            f"It measured at {time_text(scan.time)} {whose}: {_readings(scan)}."
            for scan in self.scans
        ]
        if self.kind != "telemetry":
            found = [f"It is a {self.kind}, made at {time_text(self.made)} {whose}."]
        if self.gateway is not None and self.source is not None:
            found.append(self.source.line(self.gateway))
        return found

    def _corrected(self) -> list[str]:
        found = () if self.corrections is None else self.corrections.found
        return [one.line() for one in found]

    def _recorded(self) -> str:
        return (
            f"Collector {self.collector} recorded it as its message {self.position}, received at "
            f"{time_text(self.received)} by the collector's clock."
        )

    def _when(self) -> list[str]:
        found = []
        if self.not_before is not None:
            found.append(
                f"Signed not before {time_text(self.not_before)}: it cites a checkpoint that "
                f"{self.before_by} then."
            )
        if self.not_after is not None:
            found.append(
                f"In the log not after {time_text(self.not_after)}: by then {self.after_by} a log "
                f"that contains it{self.after_by.alone}."
            )
        return found + [stamp_line(stamp) for stamp in self.stamps]

    def _witnessed(self) -> str:
        place = f"It stands under entry {self.log_index} of log {self.log}, of size {self.log_size}"
        if not self.witnesses:
            return (
                f"{place}: cosigned by no witness, so this rests on the log's own key alone "
                f"(quorum {self.quorum})."
            )
        count, names = len(self.witnesses), ", ".join(self.witnesses)
        noun = "witness" if count == 1 else "witnesses"
        met = "" if self.quorum == "none" else f", which meets the policy's quorum ({self.quorum})"
        return f"{place}: cosigned by {count} {noun} ({names}){met}."


def _readings(scan: Scan) -> str:
    return ", ".join(f"{plain(n)} {value}" for n, value in scan.readings.items()) or "nothing"


def _text(us: int | None) -> str | None:
    return None if us is None else time_text(us)
