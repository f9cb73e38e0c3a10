"""What a log asks of a witness: C2SP tlog-witness v1 `add-checkpoint`, and the rules for it.

Pure. Old size, consistency proof, empty line, checkpoint; one spelling of it. The rules
say what a witness answers, given what it cosigned last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from anchor.checkpoint import Checkpoint, check_log_signature
from anchor.errors import AnchorError, Malformed, Refused
from anchor.merkle import EMPTY_ROOT, HASH, check_consistency
from anchor.note import Note, VerifierKey
from anchor.spelling import decoded, number, octets
from telemetry.canonical import b64

MAX_BODY = 1 << 18
MAX_PROOF = 63
SIZE_TYPE = "text/x.tlog.size"
_ZERO = "0"


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request: what the witness cosigned last, the path from there, the signed checkpoint."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Read a request's body, the note unread; Malformed unless `to_bytes` would write it."""
        head, blank, note = body.partition(b"\n\n")
        lines = decoded(head, "the request").split("\n")
        if not blank or not lines[0].startswith("old "):
            raise Malformed("a request starts with an old size line and has an empty line")
        if len(lines) - 1 > MAX_PROOF:
            raise Malformed(f"{len(lines) - 1} proof lines; at most {MAX_PROOF} are allowed")
        old = number(lines[0].removeprefix("old "), "old size")
        proof = tuple(octets(line, "proof line", HASH) for line in lines[1:])
        return cls(old, proof, note)

    def to_bytes(self) -> bytes:
        """The body to send."""
        lines = [f"old {self.old}", *map(b64, self.proof)]
        return "".join(f"{line}\n" for line in lines).encode() + b"\n" + self.note


@dataclass(frozen=True, slots=True)
class Seen:
    """What a witness cosigned last for an origin; `note` carries log's signature and its own."""

    size: int = 0
    root: bytes = EMPTY_ROOT
    note: bytes = b""


class Answer(AnchorError):  # noqa: N818 - it is what the witness answers
    """A refusal by a witness: the HTTP status that tlog-witness gives it, and the body."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Conflict(Answer):
    """The request is at odds with what the witness cosigned last, of this `size`."""

    def __init__(self, size: int) -> None:
        super().__init__(409, f"{size}\n")
        self.size = size


class TooMany(Answer):
    """Asked more often than is allowed; again after `seconds`."""

    def __init__(self, seconds: int, who: str) -> None:
        super().__init__(429, f"too many requests {who}; again in {seconds} s\n")
        self.seconds = seconds


def origin_hash(origin: str) -> str:
    """How a witness names a log in its monitoring path: lower-case hexadecimal SHA-256."""
    return sha256(origin.encode()).hexdigest()


def read_request(
    body: bytes, logs: Mapping[str, Sequence[VerifierKey]]
) -> tuple[AddCheckpoint, Note, Checkpoint]:
    """Check what depends on the request alone: grammar (400), origin (404), signature (403).

    `logs` holds the pinned keys of each origin; only a pinned origin comes back.
    """
    try:
        request = AddCheckpoint.from_bytes(body)
        note = Note.from_bytes(request.note)
    except Malformed as error:
        raise Answer(400, f"{error}\n") from error
    origin = note.text.split("\n", 1)[0]
    if origin not in logs:
        raise Answer(404, "unknown origin\n")
    _check_signatures(note, logs[origin])
    checkpoint = _read_head(note.text)
    if request.old > checkpoint.size:
        raise Answer(400, f"old size {request.old} is above {checkpoint.size}\n")
    return request, note, checkpoint


def check_growth(request: AddCheckpoint, checkpoint: Checkpoint, seen: Seen) -> None:
    """Check what depends on what was cosigned last: old size (409), consistency (422).

    Another root at the size that was cosigned is a conflict too, not a proof that fails.
    """
    if request.old != seen.size:
        raise Conflict(seen.size)
    if checkpoint.size == seen.size and checkpoint.root != seen.root:
        raise Conflict(seen.size)
    if request.old == 0 and checkpoint.size:
        if request.proof:
            raise Answer(422, "every tree continues the empty one: no proof line is due\n")
        return
    try:
        check_consistency(
            old_size=seen.size,
            old_root=seen.root,
            size=checkpoint.size,
            root=checkpoint.root,
            path=request.proof,
        )
    except Refused as error:
        raise Answer(422, f"{error}\n") from error


def _check_signatures(note: Note, keys: Sequence[VerifierKey]) -> None:
    """At least one pinned key signed, and no line under a pinned key's name and id is false."""
    try:
        signing = [key for key in keys if note.line_of(key)]
        if not signing:
            raise Answer(403, "no signature by a key of this origin\n")
        for key in signing:
            check_log_signature(note, key)
    except (Refused, Malformed) as error:
        raise Answer(403, f"{error}\n") from error


def _read_head(text: str) -> Checkpoint:
    try:
        return Checkpoint.from_text(text)
    except Malformed as error:
        # Size zero with a root that is none of the empty tree is well-formed, and false.
        status = 422 if text.split("\n")[1:2] == [_ZERO] and _is_head(text) else 400
        raise Answer(status, f"{error}\n") from error


def _is_head(text: str) -> bool:
    lines = text.split("\n")
    try:
        Checkpoint(lines[0], 1, octets(lines[2], "root", HASH))
    except (Malformed, IndexError):
        return False
    return len(lines) == 4 and not lines[3]  # noqa: PLR2004 - three lines and their end
