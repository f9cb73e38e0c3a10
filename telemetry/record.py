"""The record: what was received, when, and how it was judged; a leaf of a collector's log.

One canonical encoding; nothing else is read (docs/formats.md, Record). Pure.
"""

from binascii import b2a_base64
from functools import lru_cache
from typing import Final, Literal

import msgspec

from telemetry.canonical import END_OF_TIME, b64, is_key_id, is_segment, quote, unb64
from telemetry.errors import NotCanonical
from telemetry.properties import Properties

STATUSES: Final = (
    "accepted",
    "unsigned",
    "bad-signature",
    "unknown-device",
    "revoked",
    "malformed",
    "conflict",
)
# Only these have been shown to be the device's own, so only these name it.
NAMED_STATUSES: Final = frozenset({"accepted", "conflict", "revoked"})
# No key matters to these: they read the same in every store.
KEYLESS_STATUSES: Final = frozenset({"unsigned", "malformed"})
MAX_SEQ: Final = 2**63 - 1

_STATUSES: Final = frozenset(STATUSES)
_HASH_LENGTH: Final = 32
_NOBODY: Final = (None,) * 5  # device, session, seq, key, entry
# Longer topics are spelled each time, so that strangers cannot fill memory with them.
_CACHED_LENGTH: Final = 512


class Record(msgspec.Struct, frozen=True, gc=False):
    """A message as a collector recorded it.

    `received` and `original` are microseconds since the epoch, `properties` the canonical
    text, `entry` the hash of the key entry that the judgement rests on, `payload` and
    `body` the SHA-256 of each (32 bytes).
    """

    received: int
    original: int | None
    topic: str
    properties: str | None
    status: str
    device: str | None
    session: str | None
    seq: int | None
    key: str | None
    keys: int
    entry: bytes | None
    payload: bytes
    body: bytes | None

    def to_bytes(self) -> bytes:
        """Write the leaf; NotCanonical where the parts contradict each other."""
        _check(self)
        properties = "null" if self.properties is None else quote(self.properties)
        body = "null" if self.body is None else f'"{b64(self.body)}"'
        said = (
            f',"properties":{properties},"status":"{self.status}",{self._named()}'
            f',"payload":"{b64(self.payload)}","body":{body}}}'
        )
        return b"".join(
            (_opening(self.received, self.original), _topic(self.topic), said.encode("ascii"))
        )

    def _named(self) -> str:
        """Spell the members between status and payload, checked: nothing in them to escape."""
        if self.entry is None:
            return (
                '"device":null,"session":null,"seq":null,"key":null'
                f',"keys":{self.keys},"entry":null'
            )
        assert self.device is not None
        assert self.session is not None
        assert self.key is not None
        before, after = _whose(self.device, self.session, self.key, self.keys, self.entry)
        return f"{before}{self.seq}{after}"

    @staticmethod
    def from_bytes(data: bytes) -> "Record":
        """Read a leaf; NotCanonical for anything that `to_bytes` would not write."""
        try:
            record = _WIRE.decode(data).record_of()
            Properties.from_text(record.properties)
            written = record.to_bytes()
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise NotCanonical(f"not a record: {error}") from None
        if written != data:
            raise NotCanonical("a record is not in its canonical spelling")
        return record


def unsigned_record(
    received: int, original: int | None, topic: str, properties: str | None, payload: bytes
) -> bytes:
    """Write the leaf of an `unsigned` message: what `Record` writes, in a quarter of the time.

    Most of it is the same for all messages of a topic or of a moment. NotCanonical as there.
    """
    if len(payload) != _HASH_LENGTH:
        _check_hash("payload", payload)
    opening = _opening(received, original)
    said = _topic(topic)
    hashed = b2a_base64(payload, newline=False)
    if properties is None:
        return b"".join((opening, said, _UNSIGNED_BARE, hashed, _NO_BODY))
    kept = quote(properties).encode("ascii")
    return b"".join((opening, said, b',"properties":', kept, _UNSIGNED, hashed, _NO_BODY))


# Messages come in runs: of one read, all were received at the same microsecond.
@lru_cache(maxsize=16)
def _opening(received: int, original: int | None) -> bytes:
    _check_times(received, original)
    before = "null" if original is None else original
    return f'{{"record":1,"received":{received},"original":{before},"topic":'.encode("ascii")


def _topic(topic: str) -> bytes:
    return _spelled(topic) if len(topic) <= _CACHED_LENGTH else quote(topic).encode("ascii")


@lru_cache(maxsize=4096)
def _spelled(topic: str) -> bytes:
    return quote(topic).encode("ascii")


# A session's messages differ in their numbers alone, as long as no key entry comes.
@lru_cache(maxsize=4096)
def _whose(device: str, session: str, key: str, keys: int, entry: bytes) -> tuple[str, str]:
    """What stands before and after the number; NotCanonical where it names nobody."""
    if not (is_segment(device) and is_segment(session)):
        raise NotCanonical("a record's device or session is no segment")
    if not is_key_id(key):
        raise NotCanonical("a record's key is no key id of 16 hexadecimal digits")
    _check_hash("entry", entry)
    return (
        f'"device":"{device}","session":"{session}","seq":',
        f',"key":"{key}","keys":{keys},"entry":"{b64(entry)}"',
    )


_UNSIGNED: Final = (
    b',"status":"unsigned","device":null,"session":null,"seq":null,"key":null,"keys":0'
    b',"entry":null,"payload":"'
)
_UNSIGNED_BARE: Final = b',"properties":null' + _UNSIGNED
_NO_BODY: Final = b'","body":null}'


class _Wire(msgspec.Struct, forbid_unknown_fields=True):
    record: Literal[1]
    received: int
    original: int | None
    topic: str
    properties: str | None
    status: str
    device: str | None
    session: str | None
    seq: int | None
    key: str | None
    keys: int
    entry: str | None
    payload: str
    body: str | None

    def record_of(self) -> Record:
        return Record(
            received=self.received,
            original=self.original,
            topic=self.topic,
            properties=self.properties,
            status=self.status,
            device=self.device,
            session=self.session,
            seq=self.seq,
            key=self.key,
            keys=self.keys,
            entry=None if self.entry is None else unb64(self.entry),
            payload=unb64(self.payload),
            body=None if self.body is None else unb64(self.body),
        )


_WIRE: Final = msgspec.json.Decoder(_Wire)


def _check(record: Record) -> None:
    status = record.status
    if status not in _STATUSES:
        raise NotCanonical(f"a record of no known status: {status!r}")
    _check_hash("payload", record.payload)
    if (record.body is None) != (status == "unsigned"):
        raise NotCanonical("a record has a body hash, and only then, if it was signed")
    if record.body is not None:
        _check_hash("body", record.body)
    if record.keys < 0 or (record.keys and status in KEYLESS_STATUSES):
        raise NotCanonical("a record counts keys though none mattered")
    if status in NAMED_STATUSES:
        _check_named(record)
    elif (record.device, record.session, record.seq, record.key, record.entry) != _NOBODY:
        raise NotCanonical(f"a record of status {status} names a device")


def _check_times(received: int, original: int | None) -> None:
    if not 0 <= received < END_OF_TIME:
        raise NotCanonical("a record received outside of the years 1970 to 9999")
    if original is not None and not 0 <= original < received:
        raise NotCanonical("a record's original time is not before the one it was lifted to")


def _check_named(record: Record) -> None:
    if record.device is None or record.session is None or record.key is None:
        raise NotCanonical(f"a record of status {record.status} lacks device, session or key")
    if record.seq is None or not 0 <= record.seq <= MAX_SEQ:
        raise NotCanonical("a record's seq is missing or outside of 0 to 2^63-1")
    if record.entry is None:
        raise NotCanonical("a record lacks the key entry that its judgement rests on")
    _whose(record.device, record.session, record.key, record.keys, record.entry)


def _check_hash(name: str, value: bytes) -> None:
    if len(value) != _HASH_LENGTH:
        raise NotCanonical(f"a record's {name} is not a hash of {_HASH_LENGTH} bytes")
