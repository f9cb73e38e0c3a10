"""Corrections: the operator's signed word on a stored message, which stays as it is.

An entry of the anchor log (docs/formats.md, Correction). It is no key entry: it counts for no
record and no collector applies it. One spelling: an entry is read by writing it again. Pure.
"""

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final, Literal, Self, get_args

from anchor.correction_words import (
    Lines,
    check_plain,
    hash_of,
    is_hash,
    number_of,
    quoted,
    time_of,
    time_spelled,
    unquoted,
)
from anchor.errors import Malformed
from anchor.note import ED25519, Note, SignerKey, VerifierKey, sign_note
from anchor.spelling import number
from telemetry.canonical import is_segment
from telemetry.correction import FIRST_LINE, is_correction

__all__ = [
    "FIRST_LINE",
    "KINDS",
    "MEANINGS",
    "Change",
    "Correction",
    "CorrectionAuthority",
    "Kind",
    "Meaning",
    "Subject",
    "is_correction",
    "seal",
]

MAX_REASON: Final = 2000
"""Bytes of a reason as UTF-8; of a name, a metric and a unit fewer."""
MAX_NAME: Final = 200

Kind = Literal["correction", "annotation", "withdrawal"]
Meaning = Literal["authorship", "review", "approval", "responsibility"]
"""What the signature means, in the words of 21 CFR 11.50(a)(3)."""
MEANINGS: Final[tuple[Meaning, ...]] = get_args(Meaning)
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Subject:
    """Which message: its place in its collector's log, and its record's leaf hash there.

    `leaf` is SHA-256(0x00 ‖ record), as RFC 9162 section 2.1.1 has it and as the tiles hold it,
    so that it can be checked where the row itself is gone. `machine` is its device, session and
    seq, for people; None where its record names none.
    """

    collector: str
    position: int
    leaf: bytes
    machine: tuple[str, str, int] | None = None

    @property
    def place(self) -> str:
        """The message as `audit` and `prove --message` name it."""
        return f"{self.collector}:{self.position}"


@dataclass(frozen=True, slots=True)
class Change:
    """One metric of one scan: what is stored, and what it should have been.

    `scan` in microseconds since the epoch; `original` and `value` are JSON numbers, kept as
    they were written, for 60.90 says more than 60.9; `unit` is free text (UCUM by custom).
    """

    metric: str
    scan: int
    original: str
    value: str
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Correction:
    """What one entry says. `change` is there for a correction alone.

    `by` is the printed name of who signs (21 CFR 11.50), `time` when, in microseconds;
    `supersedes` is the hash of an earlier entry about the same message, which this one takes
    the place of; `hash` is SHA-256 of the entry itself, empty until it is sealed.
    """

    kind: Kind
    subject: Subject
    by: str
    meaning: Meaning
    reason: str
    time: int
    change: Change | None = None
    supersedes: bytes | None = None
    hash: bytes = b""

    def to_text(self) -> str:
        """The lines that the operator signs; Malformed for what no entry may say."""
        _check(self)
        lines = [
            FIRST_LINE,
            self.kind,
            f"message {self.subject.place}",
            f"record {self.subject.leaf.hex()}",
        ]
        if self.subject.machine is not None:
            device, session, seq = self.subject.machine
            lines.append(f"machine {device} {session} {seq}")
        if self.change is not None:
            lines += _change_lines(self.change)
        if self.supersedes is not None:
            lines.append(f"supersedes {self.supersedes.hex()}")
        lines += [
            f"by {quoted(self.by, 'by')}",
            f"meaning {self.meaning}",
            f"reason {quoted(self.reason, 'reason')}",
        ]
        return "".join(f"{line}\n" for line in (*lines, f"time {time_spelled(self.time)}"))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what was signed; Malformed unless `to_text` writes it."""
        lines = text.split("\n")
        if lines[0] != FIRST_LINE:
            raise Malformed(f"not a correction: it starts with {lines[0][:100]!r}")
        found = cls._from_lines(Lines(lines[1:]))
        if found.to_text() != text:
            raise Malformed("a correction that is not in its one spelling")
        return found

    @classmethod
    def _from_lines(cls, lines: "Lines") -> Self:
        word = lines.word()
        kind = next((kind for kind in KINDS if kind == word), None)
        if kind is None:
            raise Malformed("a correction of no kind that this release knows (a newer one may)")
        subject = _subject(lines)
        change = _change(lines) if kind == "correction" else None
        supersedes = lines.optional("supersedes")
        by, meaning = unquoted(lines.needed("by"), "by"), lines.needed("meaning")
        known = next((word for word in MEANINGS if word == meaning), None)
        if known is None:
            raise Malformed(f"meaning {meaning[:100]!r} is none of {', '.join(MEANINGS)}")
        return cls(
            kind=kind,
            subject=subject,
            by=by,
            meaning=known,
            reason=unquoted(lines.needed("reason"), "reason"),
            time=time_of(lines.needed("time")),
            change=change,
            supersedes=None if supersedes is None else hash_of(supersedes, "supersedes"),
        )


def seal(operator: SignerKey, correction: Correction) -> bytes:
    """The whole signed entry; Malformed for what no entry may say."""
    text = correction.to_text()
    # What the operator signs is what every reader will take: nothing else leaves.
    Correction.from_text(text)
    return sign_note(text, operator)


class CorrectionAuthority:
    """Reads corrections that the pinned operator signed."""

    def __init__(self, operator: VerifierKey) -> None:
        if operator.algorithm != ED25519:
            raise Malformed(f"operator key {operator.name} is not an Ed25519 note key")
        self.operator = operator

    def read(self, entry: bytes) -> Correction:
        """Check grammar and the operator's signature; Malformed or Refused."""
        note = Note.from_bytes(entry)
        if len(note.signatures) != 1:
            # A further line would make another entry, with another hash, of the same word.
            raise Malformed(f"a correction with {len(note.signatures)} signatures instead of one")
        note.signed_by(self.operator)
        return replace(Correction.from_text(note.text), hash=sha256(entry).digest())


def _subject(lines: Lines) -> Subject:
    collector, _, position = lines.needed("message").partition(":")
    leaf = hash_of(lines.needed("record"), "record")
    machine = lines.optional("machine")
    return Subject(
        collector,
        number(position, "a message's position"),
        leaf,
        None if machine is None else _machine(machine),
    )


def _machine(text: str) -> tuple[str, str, int]:
    words = text.split(" ")
    if len(words) != 3:  # noqa: PLR2004 - device, session, seq
        raise Malformed("a correction's machine is a device, a session and a seq")
    return words[0], words[1], number(words[2], "a message's seq")


def _change(lines: Lines) -> Change:
    metric = unquoted(lines.needed("metric"), "metric")
    scan = time_of(lines.needed("scan"))
    original, value = lines.needed("original"), lines.needed("value")
    unit = lines.optional("unit")
    return Change(metric, scan, original, value, None if unit is None else unquoted(unit, "unit"))


def _change_lines(change: Change) -> list[str]:
    lines = [
        f"metric {quoted(change.metric, 'metric')}",
        f"scan {time_spelled(change.scan)}",
        f"original {change.original}",
        f"value {change.value}",
    ]
    return lines if change.unit is None else [*lines, f"unit {quoted(change.unit, 'unit')}"]


def _check(correction: Correction) -> None:
    """Malformed for what the grammar cannot say, or should not."""
    subject, change = correction.subject, correction.change
    if not is_segment(subject.collector) or not is_hash(subject.leaf):
        raise Malformed(f"{subject.place[:100]!r} is no message of a collector")
    if subject.machine is not None and not all(map(is_segment, subject.machine[:2])):
        raise Malformed("a correction's device and session are segments ([a-z0-9_-], 1 to 64)")
    if (change is not None) != (correction.kind == "correction"):
        raise Malformed("a correction changes a metric, and nothing else does")
    if correction.kind == "withdrawal" and correction.supersedes is None:
        raise Malformed("a withdrawal names the entry that it supersedes")
    if correction.supersedes is not None and not is_hash(correction.supersedes):
        raise Malformed("supersedes is not a SHA-256")
    check_plain(correction.by, "by", MAX_NAME)
    check_plain(correction.reason, "reason", MAX_REASON)
    if change is not None:
        _check_change(change)


def _check_change(change: Change) -> None:
    if not 0 < len(change.metric.encode("utf-8", "replace")) <= MAX_NAME:
        raise Malformed(f"a metric's name has 1 to {MAX_NAME} bytes")
    if change.unit is not None:
        check_plain(change.unit, "unit", MAX_NAME)
    if number_of(change.original, "original") == number_of(change.value, "value"):
        raise Malformed(f"the value {change.value} is the one that is stored: nothing to correct")
