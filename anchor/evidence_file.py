"""The evidence file: two things that one key signed and that contradict each other.

Whoever has it and the policy can check it, with neither store nor log (docs/formats.md).
Nothing in it is trusted for being there. One spelling: it is read by writing it again.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

from anchor.errors import Malformed
from anchor.merkle import HASH
from anchor.note import Note
from anchor.spelling import decoded, octets
from anchor.tree_head import Checkpoint
from telemetry.canonical import b64, quote
from telemetry.errors import NotCanonical

VERSION = 1
MAX_FILE = 1 << 25
"""Two payloads of 1 MiB, which is as large as a signed message may be, and room."""

_OPENING = b'{"factoryledger":"evidence",'


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """A message as it was on the wire; `properties` is their canonical text."""

    topic: str
    payload: bytes
    properties: str | None = None


@dataclass(frozen=True, slots=True)
class ForkedMessages:
    """Two messages by one machine's key, and the key entry that enrols that key."""

    first: SignedMessage
    second: SignedMessage
    entry: bytes

    @classmethod
    def of(cls, one: SignedMessage, other: SignedMessage, entry: bytes) -> Self:
        """Put them into the order in which they are written."""
        first, second = sorted((one, other), key=_place)
        return cls(first, second, entry)

    def to_bytes(self) -> bytes:
        """The file: compact JSON and a newline."""
        return _file(
            "messages",
            first=_message(self.first),
            second=_message(self.second),
            key=_text(self.entry),
        )


@dataclass(frozen=True, slots=True)
class ForkedCheckpoints:
    """Two checkpoints of one log, the smaller first, that no one tree has.

    `root` is what the larger tree has at the smaller's size and `path` the consistency proof
    from there: only the larger tree's keeper can give one. None and empty where both are of
    one size. `entry` is the key entry of a collector, None for the log that a policy pins.
    """

    first: bytes
    second: bytes
    root: bytes | None = None
    path: tuple[bytes, ...] = ()
    entry: bytes | None = None

    @classmethod
    def of_one_size(cls, one: bytes, other: bytes, entry: bytes | None = None) -> Self:
        """Put two checkpoints of one size into the order in which they are written."""
        first, second = sorted((one, other), key=_head)
        return cls(first, second, entry=entry)

    def to_bytes(self) -> bytes:
        """The file: compact JSON and a newline."""
        path = ",".join(f'"{b64(step)}"' for step in self.path)
        return _file(
            "checkpoints",
            first=_text(self.first),
            second=_text(self.second),
            root="null" if self.root is None else f'"{b64(self.root)}"',
            path=f"[{path}]",
            key="null" if self.entry is None else _text(self.entry),
        )


Evidence: TypeAlias = ForkedMessages | ForkedCheckpoints


def is_evidence(data: bytes) -> bool:
    """Whether a file begins as one of these; nothing is checked."""
    return data.startswith(_OPENING)


def evidence_from_bytes(data: bytes) -> Evidence:
    """Read an evidence file, nothing in it checked; Malformed unless `to_bytes` writes it."""
    if len(data) > MAX_FILE:
        raise Malformed(f"an evidence file of {len(data)} bytes; at most {MAX_FILE} are read")
    members = _parse(data)
    try:
        evidence = _KINDS[members["kind"]](members)
        written = evidence.to_bytes()
    except (KeyError, TypeError, AttributeError, UnicodeEncodeError, NotCanonical) as error:
        raise Malformed(f"a member of the evidence file has the wrong form: {error}") from error
    if written != data:
        raise Malformed("the evidence file is not in the one spelling that is written")
    return evidence


def _messages(members: dict[str, Any]) -> ForkedMessages:
    first, second = _message_of(members["first"]), _message_of(members["second"])
    return ForkedMessages.of(first, second, members["key"].encode())


def _checkpoints(members: dict[str, Any]) -> ForkedCheckpoints:
    first, second = members["first"].encode(), members["second"].encode()
    root, key = members["root"], members["key"]
    entry = None if key is None else key.encode()
    if root is None:
        return ForkedCheckpoints.of_one_size(first, second, entry)
    path = tuple(octets(step, "hash in the path", HASH) for step in members["path"])
    return ForkedCheckpoints(first, second, octets(root, "root", HASH), path, entry)


_KINDS: dict[str, Callable[[dict[str, Any]], Evidence]] = {
    "messages": _messages,
    "checkpoints": _checkpoints,
}


def _parse(data: bytes) -> dict[str, Any]:
    try:
        members = json.loads(decoded(data, "an evidence file"))
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not an evidence file: {error}") from error
    if not isinstance(members, dict) or members.get("factoryledger") != "evidence":
        raise Malformed('not an evidence file: it has no "factoryledger":"evidence"')
    if members.get("version") != VERSION:
        raise Malformed(f"evidence of version {members.get('version')!r}; this reads {VERSION}")
    return members


def _file(kind: str, **members: str) -> bytes:
    said = "".join(f',"{name}":{value}' for name, value in members.items())
    return f'{_OPENING.decode()}"version":{VERSION},"kind":"{kind}"{said}}}\n'.encode()


def _message(message: SignedMessage) -> str:
    properties = "null" if message.properties is None else quote(message.properties)
    return (
        f'{{"topic":{quote(message.topic)},"properties":{properties}'
        f',"payload":"{b64(message.payload)}"}}'
    )


def _message_of(member: dict[str, Any]) -> SignedMessage:
    payload = octets(member["payload"], "payload")
    return SignedMessage(member["topic"], payload, member["properties"])


def _place(message: SignedMessage) -> tuple[bytes, bytes, bytes]:
    return message.payload, message.topic.encode(), (message.properties or "").encode()


def _head(note: bytes) -> tuple[bytes, bytes]:
    return Checkpoint.from_text(Note.from_bytes(note).text).root, note


def _text(data: bytes) -> str:
    return quote(decoded(data, "a part of an evidence file"))
