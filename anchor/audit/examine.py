"""Rows of `messages` as they come from the store, looked at one by one, by any process.

Pure. What is `Good` here has no fault in itself: its columns make a record, its payload has
the hash that is recorded, and it would be judged so again. Whatever is not goes back as it
came, and `anchor.audit.rows` says what is wrong with it: nothing is found here.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

from anchor.errors import Refused
from anchor.reading.row_record import record_of_types, types_fit
from telemetry.errors import TelemetryError
from telemetry.judgement import Judgement, is_signed, judge
from telemetry.keyring import Keyring, KeyStatement
from telemetry.members import Cited
from telemetry.message import Message
from telemetry.record import KEYLESS_STATUSES, unsigned_record
from telemetry.rows import MessageRow

RawRow = Sequence[Any]
"""The columns of a row of `messages`, in the order of `MessageRow`, of any types."""

KeysAt = Callable[[int], Keyring | None]
"""The keys after so many entries; None where so many are not there."""


class Said(NamedTuple):
    """What a signed message says of others: the one before it, the checkpoint it saw."""

    prev: bytes | None
    anchor: Cited | None


class Good(NamedTuple):
    """A row without its payload, its leaf hash, what its message says if it has a judgement."""

    row: tuple[Any, ...]
    leaf: bytes
    said: Said | None


Examined = Good | RawRow


class Held(NamedTuple):
    """Of a row that holds: its leaf hash, and its message if its signature was checked."""

    leaf: bytes
    message: Message | None


_PAYLOAD: Final = 5
_NOBODY: Final = Keyring()
_NOTHING: Final = (None,) * 7


def said_by(judged: Judgement | None) -> Said | None:
    """What the message says, where its signature held."""
    message = judged.message if judged else None
    return None if message is None else Said(message.prev, message.anchor)


class KeysInOrder:
    """A keyring that goes on through statements; cheap as long as the numbers do not fall."""

    def __init__(self, statements: Sequence[KeyStatement]) -> None:
        self._statements = statements
        self._keyring = Keyring()

    def __call__(self, applied: int) -> Keyring | None:
        """The keys after so many entries; None where so many are not there."""
        if applied == self._keyring.applied:
            return self._keyring
        if not 0 <= applied <= len(self._statements):
            return None
        if applied < self._keyring.applied:
            self._keyring = Keyring()
        while self._keyring.applied < applied:
            self._keyring.apply(self._statements[self._keyring.applied])
        return self._keyring


def examine(rows: Iterable[RawRow], keys: KeysAt) -> list[Examined]:
    """Look at rows, each by itself, in order."""
    return [as_examined(raw, look(raw, keys)) for raw in rows]


def as_examined(raw: RawRow, held: Held | None) -> Examined:
    """A row with what `look` said of it."""
    if held is None:
        return raw
    message = held.message
    said = None if message is None else Said(message.prev, message.anchor)
    return Good(without_payload(raw), held.leaf, said)


def without_payload(raw: RawRow) -> tuple[Any, ...]:
    """The same columns, no payload."""
    return (*raw[:_PAYLOAD], None, *raw[_PAYLOAD + 1 :])


def look(raw: RawRow, keys: KeysAt) -> Held | None:
    """Whether a row holds in itself; None where it does not, or where that is not known."""
    if raw[_PAYLOAD] is None or not types_fit(raw):
        return None
    row = MessageRow(*raw)
    assert row.payload is not None
    if row.position < 0 or sha256(row.payload).digest() != row.payload_hash:
        return None
    try:
        if row.status == "unsigned":
            return _look_unsigned(row, row.payload)
        return _look_signed(row, row.payload, keys)
    except (Refused, TelemetryError, ValueError):
        return None


def _look_signed(row: MessageRow, payload: bytes, keys: KeysAt) -> Held | None:
    """The same of a row that says it was judged: judged again."""
    keyring = _NOBODY if row.status in KEYLESS_STATUSES else keys(row.keys)
    if keyring is None:
        return None
    judged = judge(row.topic, payload, keyring, row.properties)
    if not _agrees(row, judged):
        return None
    return Held(sha256(b"\x00" + record_of_types(row)).digest(), judged.message)


def _look_unsigned(row: MessageRow, payload: bytes) -> Held | None:
    """The same of a row that says it is unsigned: nothing is parsed."""
    named = (row.device, row.session, row.seq, row.time, row.key, row.entry, row.body_hash)
    if row.keys or named != _NOTHING or is_signed(payload, row.properties):
        return None
    record = unsigned_record(
        row.received_at, row.original_at, row.topic, row.properties, row.payload_hash
    )
    return Held(sha256(b"\x00" + record).digest(), None)


def _agrees(row: MessageRow, judged: Judgement) -> bool:
    return (
        row.status == judged.status
        and row.body_hash == judged.body_hash
        and row.keys == judged.keys
        and row.time == judged.time
        and row.seq == judged.seq
        and row.device == judged.device
        and row.session == judged.session
        and row.key == judged.key
        and row.entry == judged.entry
    )
