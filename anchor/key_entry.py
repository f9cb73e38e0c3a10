"""Key entries: the operator's signed word on whose key is whose (docs/formats.md, Key entry).

Enrolment and rotation carry a proof of possession, so that nobody can be enrolled with a
key that is another's. One spelling: an entry is read by writing it again. What version 1
could not say has the first line of version 2, and a gateway's key for a machine that cannot
sign that of version 3, so that one statement has one version.
"""

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Literal

from anchor.errors import Malformed, Refused
from anchor.note import (
    ED25519,
    Note,
    Possessor,
    SignerKey,
    VerifierKey,
    check_key_name,
    sign_note,
)
from anchor.spelling import octets
from telemetry.canonical import b64, is_segment, time_text, time_us
from telemetry.errors import NotCanonical, WeakKey
from telemetry.keyring import Action, KeyStatement, Kind
from telemetry.record import STATUSES
from telemetry.signature import check_public_key, verify

FIRST_LINE = "factoryledger key entry v1"
SECOND_VERSION = "factoryledger key entry v2"
THIRD_VERSION = "factoryledger key entry v3"
POSSESSION_TAG = "factoryledger/possession/v1"
CONSENT_TAG = "factoryledger/consent/v1"

Enrolled = Literal["device", "collector"]

_ENTRY_LINES: dict[tuple[Action, Kind], tuple[str, tuple[str, ...]]] = {
    ("enrol", "device"): (FIRST_LINE, ("key", "possession")),
    ("enrol", "collector"): (FIRST_LINE, ("key", "possession")),
    ("rotate", "device"): (FIRST_LINE, ("key", "prior", "possession")),
    ("rotate", "collector"): (SECOND_VERSION, ("key", "prior", "possession")),
    ("rotate", "log"): (SECOND_VERSION, ("key", "former", "consent", "possession")),
    ("revoke", "device"): (FIRST_LINE, ("prior",)),
    ("revoke", "collector"): (FIRST_LINE, ("prior",)),
    ("erase", "messages"): (FIRST_LINE, ()),
}
"""What an entry can say: its first line, and the lines after its time."""

_GATEWAY_LINES: dict[tuple[Action, Kind], tuple[str, ...]] = {
    ("enrol", "device"): ("signed-by", "key", "possession"),
    ("rotate", "device"): ("signed-by", "key", "prior", "possession"),
}
"""What version 3 can say: that a gateway holds a machine's key; the lines after its time."""

_FIRST_LINES = (FIRST_LINE, SECOND_VERSION, THIRD_VERSION)
_GATEWAY = "gateway "

_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_RANGE = re.compile(r"([a-z0-9_-]{1,64}):(0|[1-9][0-9]{0,18})-(0|[1-9][0-9]{0,18})", re.ASCII)


def enrol(  # noqa: PLR0913 - the lines of the format, one argument each
    *,
    operator: SignerKey,
    kind: Enrolled,
    name: str,
    key: Possessor | SignerKey,
    time: int,
    gateway: str | None = None,
) -> bytes:
    """Enrol a device's or collector's key at `time` (microseconds); the whole signed entry.

    `key` signs its own possession; `gateway` names who holds it on behalf of a device that
    cannot sign. Malformed for a name, time or key that no entry may have.
    """
    return _seal(operator, "enrol", kind, name, time=time, key=key, gateway=gateway)


def enrolment_request(*, name: str, key: Possessor, time: int, gateway: str | None = None) -> str:
    """What a device, or the gateway that signs for it, writes for the operator to sign."""
    text = _text("enrol", "device", name, time=time, key=key, gateway=gateway)
    _read(text, b"")
    return text


def rotate(  # noqa: PLR0913 - the lines of the format, one argument each
    *,
    operator: SignerKey,
    name: str,
    key: Possessor | SignerKey,
    prior: bytes,
    time: int,
    kind: Enrolled = "device",
    gateway: str | None = None,
) -> bytes:
    """End the key of a device's or collector's entry `prior` (its hash); `key` takes its place.

    `gateway` as in `enrol`.
    """
    return _seal(operator, "rotate", kind, name, time=time, key=key, prior=prior, gateway=gateway)


def rotate_log(*, operator: SignerKey, former: SignerKey, key: SignerKey, time: int) -> bytes:
    """Let `key` sign the anchor log from this entry on, in place of `former`, which consents.

    Both bear the log's origin as their name.
    """
    if key.name != former.name:
        raise Malformed(f"key {key.name!r} does not take the place of {former.name!r}")
    return _seal(operator, "rotate", "log", key.name, time=time, key=key, former=former.raw)


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


def countersign(operator: SignerKey, text: str) -> bytes:
    """Sign what a device wrote about its own key, with its proof of possession; the whole entry.

    So the key never leaves the device. Malformed or Refused for what no entry may say.
    """
    if not text.endswith("\n"):
        raise Malformed("a key entry's last line does not end")
    _read(text, b"")
    return sign_note(text, operator)


def is_key_entry(entry: bytes) -> bool:
    """Whether an entry of the anchor log is a key entry and no checkpoint; nothing is checked."""
    return entry.startswith(tuple(f"{line}\n".encode() for line in _FIRST_LINES))


def is_log_rotation(entry: bytes) -> bool:
    """Whether an entry says that it rotates the anchor log's key; nothing is checked."""
    return entry.startswith(f"{SECOND_VERSION}\nrotate log ".encode())


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


def _seal(operator: SignerKey, action: Action, kind: Kind, name: str, **lines: Any) -> bytes:
    """Write an entry and sign it; what the operator signs is what every reader will take."""
    text = _text(action, kind, name, **lines)
    _read(text, b"")
    return sign_note(text, operator)


def _text(  # noqa: PLR0913  # the lines of the format, one argument each
    action: Action,
    kind: Kind,
    name: str,
    *,
    time: int,
    key: Possessor | SignerKey | None = None,
    prior: bytes | None = None,
    statuses: Sequence[str] = (),
    former: Possessor | None = None,
    gateway: str | None = None,
) -> str:
    holder = key.raw if isinstance(key, SignerKey) else key
    first, _ = _ENTRY_LINES.get((action, kind), (FIRST_LINE, ()))
    first = first if gateway is None else THIRD_VERSION
    lines = [first, f"{action} {kind} {name}", f"time {_time_text(time)}"]
    if gateway is not None:
        lines.append(f"signed-by {_GATEWAY}{gateway}")
    if holder is not None:
        lines.append(f"key {b64(holder.public_key)}")
    if prior is not None:
        lines.append(f"prior {prior.hex()}")
    if statuses:
        lines.append(f"status {','.join(statuses)}")
    if former is not None:
        lines.append(f"former {b64(former.public_key)}")
    text = "".join(f"{line}\n" for line in lines)
    if former is not None:
        text += f"consent {b64(former.sign(_tagged(CONSENT_TAG, text)))}\n"
    if holder is not None:
        text += f"possession {b64(holder.sign(_tagged(POSSESSION_TAG, text)))}\n"
    return text


def _read(text: str, entry_hash: bytes) -> KeyStatement:
    lines = text.split("\n")[:-1]
    action, kind, name, fields = _subject(lines)
    narrowed = action == "erase" and len(lines) > 3  # noqa: PLR2004  # first line, subject, time
    values = _values(lines[2:], ("time", *(("status",) if narrowed else fields)))
    statement = KeyStatement(
        hash=entry_hash,
        action=action,
        kind=kind,
        name=name,
        time=_time_us(values["time"]),
        key=octets(values["key"], "key", 32) if "key" in values else None,
        prior=_prior(values["prior"]) if "prior" in values else None,
        statuses=_statuses(values["status"]) if "status" in values else (),
        former=octets(values["former"], "former key", 32) if "former" in values else None,
        gateway=_gateway(values["signed-by"]) if "signed-by" in values else None,
    )
    if statement.key is not None:
        _check_holder(statement.key, POSSESSION_TAG, text, "possession", values)
    if statement.former is not None:
        _check_holder(statement.former, CONSENT_TAG, text, "consent", values)
    return statement


def _subject(lines: list[str]) -> tuple[Action, Kind, str, tuple[str, ...]]:
    """Give action, kind and name, and the lines that are due after the time."""
    if len(lines) < 3 or lines[0] not in _FIRST_LINES:  # noqa: PLR2004  # + time
        raise Malformed(f"not a key entry: it starts with {''.join(lines[:1])[:100]!r}")
    action, _, rest = lines[1].partition(" ")
    kind, _, name = rest.partition(" ")
    versions = [(*of, first, fields) for of, (first, fields) in _ENTRY_LINES.items()]
    versions += [(*of, THIRD_VERSION, fields) for of, fields in _GATEWAY_LINES.items()]
    for known, of, first, fields in versions:
        if (action, kind, lines[0]) == (known, of, first):
            _check_name(of, name)
            return known, of, name, fields
    raise Malformed(
        f"{lines[0]!r} cannot say {action[:100]!r} {kind[:100]!r} (a newer release may)"
    )


def _check_name(kind: Kind, name: str) -> None:
    if kind == "log":
        check_key_name(name)
        return
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


def _gateway(text: str) -> str:
    name = text.removeprefix(_GATEWAY)
    if name == text or not is_segment(name):
        raise Malformed(f"signed-by {text[:100]!r} is not `gateway` and a segment")
    return name


def _prior(text: str) -> bytes:
    if not _HASH.fullmatch(text):
        raise Malformed("prior is not 64 lower-case hexadecimal digits")
    return bytes.fromhex(text)


def _tagged(tag: str, text: str) -> bytes:
    return tag.encode() + b"\x00" + text.encode()


def _check_holder(key: bytes, tag: str, text: str, line: str, values: dict[str, str]) -> None:
    """Check what a key's holder signed on a line: the tag and all lines before."""
    before = text[: text.rindex(f"\n{line} ") + 1]
    try:
        check_public_key(key)
    except WeakKey as error:
        raise Malformed(f"unusable key in a key entry: {error}") from error
    if not verify(key, _tagged(tag, before), octets(values[line], line, 64)):
        what = "proof of possession" if line == "possession" else "former key's consent"
        raise Refused(f"the {what} in a key entry does not hold")


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
