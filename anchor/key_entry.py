"""Key entries: the operator's signed word on whose key is whose (docs/formats.md, Key entry).

Enrolment and rotation carry a proof of possession, so that nobody can be enrolled with a
key that is another's. One spelling: an entry is read by writing it again.
"""

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Literal, get_args

from anchor.errors import Malformed, Refused
from anchor.note import ED25519, Note, Possessor, SignerKey, VerifierKey, sign_note
from anchor.spelling import octets
from telemetry.canonical import b64, is_segment, time_text, time_us
from telemetry.errors import NotCanonical, WeakKey
from telemetry.keyring import Action, KeyStatement, Kind
from telemetry.record import STATUSES
from telemetry.signature import check_public_key, verify

FIRST_LINE = "factoryledger key entry v1"
POSSESSION_TAG = "factoryledger/possession/v1"

Enrolled = Literal["device", "collector"]

_KINDS: dict[str, tuple[str, ...]] = {
    "enrol": ("device", "collector"),
    "rotate": ("device",),
    "revoke": ("device", "collector"),
    "erase": ("messages",),
}
_FIELDS = {
    "enrol": ("key", "possession"),
    "rotate": ("key", "prior", "possession"),
    "revoke": ("prior",),
    "erase": (),
}
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_RANGE = re.compile(r"([a-z0-9_-]{1,64}):(0|[1-9][0-9]{0,18})-(0|[1-9][0-9]{0,18})", re.ASCII)


def enrol(
    *, operator: SignerKey, kind: Enrolled, name: str, key: Possessor | SignerKey, time: int
) -> bytes:
    """Enrol a device's or collector's key at `time` (microseconds); the whole signed entry.

    `key` signs its own possession. Malformed for a name, time or key that no entry may have.
    """
    return _seal(operator, "enrol", kind, name, time=time, key=key)


def rotate(
    *, operator: SignerKey, name: str, key: Possessor | SignerKey, prior: bytes, time: int
) -> bytes:
    """End the key of a device's entry `prior` (its hash) and enrol `key` in its place."""
    return _seal(operator, "rotate", "device", name, time=time, key=key, prior=prior)


def revoke(*, operator: SignerKey, kind: Enrolled, name: str, prior: bytes, time: int) -> bytes:
    """End the key of the entry `prior` (its hash)."""
    return _seal(operator, "revoke", kind, name, time=time, prior=prior)


def erase(  # noqa: PLR0913 - what is erased, each part by name
    *,
    operator: SignerKey,
    collector: str,
    first: int,
    last: int,
    time: int,
    statuses: Sequence[str] = (),
) -> bytes:
    """State that payloads at these positions (inclusive) are erased; their records stand.

    With `statuses`, only those of messages with one of them.
    """
    name = f"{collector}:{first}-{last}"
    return _seal(operator, "erase", "messages", name, time=time, statuses=statuses)


def is_key_entry(entry: bytes) -> bool:
    """Whether an entry of the anchor log is a key entry and no checkpoint; nothing is checked."""
    return entry.startswith(FIRST_LINE.encode() + b"\n")


class OperatorAuthority:
    """Reads key entries that the pinned operator signed."""

    def __init__(self, operator: VerifierKey) -> None:
        if operator.algorithm != ED25519:
            raise Malformed(f"operator key {operator.name} is not an Ed25519 note key")
        self.operator = operator

    def read(self, entry: bytes) -> KeyStatement:
        """Check grammar, the operator's signature and possession; Malformed or Refused."""
        note = Note.from_bytes(entry)
        if len(note.signatures) != 1:
            # A further line would make another entry, with another hash, of the same word.
            raise Malformed(f"a key entry with {len(note.signatures)} signatures instead of one")
        note.signed_by(self.operator)
        return _read(note.text, sha256(entry).digest())


def _seal(  # noqa: PLR0913  # the lines of the format, one argument each
    operator: SignerKey,
    action: Action,
    kind: Kind,
    name: str,
    *,
    time: int,
    key: Possessor | SignerKey | None = None,
    prior: bytes | None = None,
    statuses: Sequence[str] = (),
) -> bytes:
    holder = key.raw if isinstance(key, SignerKey) else key
    lines = [FIRST_LINE, f"{action} {kind} {name}", f"time {_time_text(time)}"]
    if holder is not None:
        lines.append(f"key {b64(holder.public_key)}")
    if prior is not None:
        lines.append(f"prior {prior.hex()}")
    if statuses:
        lines.append(f"status {','.join(statuses)}")
    text = "".join(f"{line}\n" for line in lines)
    if holder is not None:
        text += f"possession {b64(holder.sign(_possession(text)))}\n"
    # What the operator signs is what every reader will take: nothing else leaves.
    _read(text, b"")
    return sign_note(text, operator)


def _read(text: str, entry_hash: bytes) -> KeyStatement:
    lines = text.split("\n")[:-1]
    action, kind, name = _subject(lines)
    narrowed = action == "erase" and len(lines) > 3  # noqa: PLR2004  # first line, subject, time
    fields = ("status",) if narrowed else _FIELDS[action]
    values = _values(lines[2:], ("time", *fields))
    statement = KeyStatement(
        hash=entry_hash,
        action=action,
        kind=kind,
        name=name,
        time=_time_us(values["time"]),
        key=octets(values["key"], "key", 32) if "key" in values else None,
        prior=_prior(values["prior"]) if "prior" in values else None,
        statuses=_statuses(values["status"]) if "status" in values else (),
    )
    if statement.key is not None:
        before = text[: text.rindex("possession ")]
        _check_possession(statement.key, before, values["possession"])
    return statement


def _subject(lines: list[str]) -> tuple[Action, Kind, str]:
    if len(lines) < 3 or lines[0] != FIRST_LINE:  # noqa: PLR2004  # first line, subject, time
        raise Malformed(f"not a key entry: it starts with {lines[0][:100]!r}")
    action, _, rest = lines[1].partition(" ")
    kind, _, name = rest.partition(" ")
    for known in get_args(Action):
        for of in get_args(Kind):
            if (action, kind) == (known, of) and kind in _KINDS[action]:
                _check_name(of, name)
                return known, of, name
    raise Malformed(f"a key entry cannot {action[:100]!r} {kind[:100]!r}")


def _check_name(kind: Kind, name: str) -> None:
    if kind != "messages":
        if not is_segment(name):
            raise Malformed(f"{kind} {name[:100]!r} is not a segment ([a-z0-9_-], 1 to 64)")
        return
    found = _RANGE.fullmatch(name)
    if not found or int(found[2]) > int(found[3]):
        raise Malformed(f"{name[:100]!r} is not <collector>:<first>-<last>")


def _values(lines: list[str], names: tuple[str, ...]) -> dict[str, str]:
    pairs = [line.partition(" ")[::2] for line in lines]
    if tuple(name for name, _ in pairs) != names:
        raise Malformed(f"a key entry of this kind has the lines {', '.join(names)}")
    return dict(pairs)


def _statuses(text: str) -> tuple[str, ...]:
    named = text.split(",")
    if [status for status in STATUSES if status in named] != named:
        raise Malformed(
            f"status {text[:100]!r} is no list of statuses, each once, in the order "
            f"{','.join(STATUSES)}"
        )
    return tuple(named)


def _prior(text: str) -> bytes:
    if not _HASH.fullmatch(text):
        raise Malformed("prior is not 64 lower-case hexadecimal digits")
    return bytes.fromhex(text)


def _possession(text: str) -> bytes:
    return POSSESSION_TAG.encode() + b"\x00" + text.encode()


def _check_possession(key: bytes, before: str, signature: str) -> None:
    try:
        check_public_key(key)
    except WeakKey as error:
        raise Malformed(f"unusable key in a key entry: {error}") from error
    if not verify(key, _possession(before), octets(signature, "possession", 64)):
        raise Refused("the proof of possession in a key entry does not hold")


def _time_text(time: int) -> str:
    try:
        return time_text(time)
    except (ValueError, OverflowError) as error:
        raise Malformed(f"time {time} cannot be written: {error}") from error


def _time_us(text: str) -> int:
    try:
        return time_us(text)
    except NotCanonical as error:
        raise Malformed(f"time of a key entry: {error}") from error
