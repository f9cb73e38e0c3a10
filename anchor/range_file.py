"""The range file: one machine's messages of a time, and what proves them (docs/formats.md).

Form only; nothing in it is trusted for being there. Records are left out where the payload
gives them again. One spelling: it is read by writing it again.
"""

import json
from dataclasses import dataclass
from typing import Any, Self

from anchor.errors import Malformed
from anchor.merkle import HASH
from anchor.proof_file import (
    MAX_FILE,
    IncludedEntry,
    bare_proof,
    entry_text,
    included_entry,
    verbatim,
)
from anchor.spelling import decoded, octets
from anchor.stamped import StampedCheckpoint, read_all_stamped, stamped_text
from anchor.tlog_proof import TlogProof
from telemetry.canonical import b64, quote, time_text, time_us
from telemetry.errors import TelemetryError

VERSION = 1
STAMPED_VERSION = 2
"""With receipts of outside ledgers; without any a file is of version 1."""
_FULL = 8


@dataclass(frozen=True, slots=True)
class RangeMessage:
    """A message and what the collector's record says beside it.

    `topic` and `entry` are numbers in the part's `topics` and `keys`.
    """

    position: int
    received: int
    original: int | None
    topic: int
    properties: str | None
    keys: int
    entry: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class ErasedMessage:
    """A message whose payload is erased: its record, whole."""

    position: int
    record: bytes


@dataclass(frozen=True, slots=True)
class RangePart:
    """What one collector's log holds of the range, under one anchored checkpoint of it.

    `keys` holds the collector's entry first, then those of the machine that messages rest on;
    `hashes` what shares the paths of all messages; `cited` what the first of them cites;
    `stamped` are checkpoints that contain them all and that outside ledgers stamped.
    """

    checkpoint: bytes
    checkpoint_proof: TlogProof
    keys: tuple[IncludedEntry, ...]
    topics: tuple[str, ...]
    messages: tuple[RangeMessage | ErasedMessage, ...]
    hashes: tuple[bytes, ...]
    cited: bytes | None
    stamped: tuple[StampedCheckpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class RangeFile:
    """A machine, from when (inclusive) to when (exclusive) by its clock, a metric or all."""

    device: str
    start: int
    stop: int
    metric: str | None
    parts: tuple[RangePart, ...]

    def to_bytes(self) -> bytes:
        """The file: compact JSON and a newline."""
        metric = "null" if self.metric is None else quote(self.metric)
        version = STAMPED_VERSION if any(part.stamped for part in self.parts) else VERSION
        parts = ",".join(_part(part, version) for part in self.parts)
        return (
            f'{{"factoryledger":"range proof","version":{version},"device":{quote(self.device)},'
            f'"from":"{time_text(self.start)}","to":"{time_text(self.stop)}","metric":{metric},'
            f'"parts":[{parts}]}}\n'
        ).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a range file, nothing in it checked; Malformed unless `to_bytes` writes it."""
        if len(data) > MAX_FILE:
            raise Malformed(f"a range file of {len(data)} bytes; at most {MAX_FILE} are read")
        members = _parse(data)
        try:
            found = cls(
                device=members["device"],
                start=time_us(members["from"]),
                stop=time_us(members["to"]),
                metric=members["metric"],
                parts=tuple(map(_read_part, members["parts"])),
            )
            written = found.to_bytes()
        except (
            KeyError, TypeError, AttributeError, IndexError, ValueError, TelemetryError,
        ) as error:  # fmt: skip
            raise Malformed(f"a member of the range file has the wrong form: {error}") from error
        if written != data:
            raise Malformed("the range file is not in the one spelling that `prove` writes")
        return found


def is_range_file(data: bytes) -> bool:
    """Whether a file says that it is one; nothing is checked."""
    return data.startswith(b'{"factoryledger":"range proof"')


def _parse(data: bytes) -> dict[str, Any]:
    try:
        members = json.loads(decoded(data, "a range file"))
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not a range file: {error}") from error
    if not isinstance(members, dict) or members.get("factoryledger") != "range proof":
        raise Malformed('not a range file: it has no "factoryledger":"range proof"')
    version = members.get("version")
    if version not in (VERSION, STAMPED_VERSION):
        raise Malformed(
            f"range file of version {version!r}; this reads {VERSION} and {STAMPED_VERSION}"
        )
    return members


def _part(part: RangePart, version: int) -> str:
    hashes = ",".join(f'"{b64(each)}"' for each in part.hashes)
    cited = "null" if part.cited is None else verbatim(part.cited)
    stamped = ""
    if version == STAMPED_VERSION:
        stamped = f',"stamped":[{",".join(map(stamped_text, part.stamped))}]'
    return (
        f'{{"checkpoint":{verbatim(part.checkpoint)},'
        f'"checkpoint_proof":{verbatim(part.checkpoint_proof.to_bytes())},'
        f'"keys":[{",".join(map(entry_text, part.keys))}],'
        f'"topics":[{",".join(map(quote, part.topics))}],'
        f'"messages":[{",".join(map(_message, part.messages))}],'
        f'"hashes":[{hashes}],"cited":{cited}{stamped}}}'
    )


def _read_part(member: dict[str, Any]) -> RangePart:
    cited = member["cited"]
    return RangePart(
        checkpoint=member["checkpoint"].encode(),
        checkpoint_proof=bare_proof(member["checkpoint_proof"]),
        keys=tuple(map(included_entry, member["keys"])),
        topics=tuple(member["topics"]),
        messages=tuple(map(_read_message, member["messages"])),
        hashes=tuple(octets(each, "hash of a range file", HASH) for each in member["hashes"]),
        cited=None if cited is None else cited.encode(),
        stamped=read_all_stamped(member.get("stamped", ())),
    )


def _message(message: RangeMessage | ErasedMessage) -> str:
    if isinstance(message, ErasedMessage):
        return f"[{message.position},{verbatim(message.record)}]"
    values = (
        str(message.position),
        str(message.received),
        "null" if message.original is None else str(message.original),
        str(message.topic),
        "null" if message.properties is None else quote(message.properties),
        str(message.keys),
        str(message.entry),
        _payload(message.payload),
    )
    return f"[{','.join(values)}]"


def _payload(payload: bytes) -> str:
    """The payload as it is where it is text, else as base64 in a list of its own."""
    try:
        return quote(payload.decode())
    except UnicodeDecodeError:
        return f'["{b64(payload)}"]'


def _read_message(values: list[Any]) -> RangeMessage | ErasedMessage:
    if len(values) != _FULL:
        position, record = values
        return ErasedMessage(_count(position), record.encode())
    position, received, original, topic, properties, keys, entry, payload = values
    return RangeMessage(
        position=_count(position),
        received=_count(received),
        original=None if original is None else _count(original),
        topic=_count(topic),
        properties=properties,
        keys=_count(keys),
        entry=_count(entry),
        payload=payload.encode() if isinstance(payload, str) else octets(payload[0], "payload"),
    )


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise Malformed(f"{value!r} is not a number from 0")
    return value
