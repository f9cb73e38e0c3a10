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
from telemetry.judgement import Judgement, judge
from telemetry.keyring import Keyring, KeyStatement
from telemetry.members import Cited
from telemetry.record import KEYLESS_STATUSES
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

_PAYLOAD: Final = 5
_NOBODY: Final = Keyring()


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
        if not 0 <= applied <= len(self._statements):
            return None
        if applied < self._keyring.applied:
            self._keyring = Keyring()
        while self._keyring.applied < applied:
            self._keyring.apply(self._statements[self._keyring.applied])
        return self._keyring


def examine(rows: Iterable[RawRow], keys: KeysAt) -> list[Examined]:
    """Look at rows, each by itself, in order."""
    return [_examine(raw, keys) for raw in rows]


def _examine(raw: RawRow, keys: KeysAt) -> Examined:
    if raw[_PAYLOAD] is None or not types_fit(raw):
        return raw
    row = MessageRow(*raw)
    assert row.payload is not None
    if row.position < 0 or sha256(row.payload).digest() != row.payload_hash:
        return raw
    keyring = _NOBODY if row.status in KEYLESS_STATUSES else keys(row.keys)
    if keyring is None:
        return raw
    try:
        leaf = sha256(b"\x00" + record_of_types(row)).digest()
        judged = judge(row.topic, row.payload, keyring, row.properties)
    except (Refused, TelemetryError, ValueError):
        return raw
    if not _agrees(row, judged):
        return raw
    return Good((*raw[:_PAYLOAD], None, *raw[_PAYLOAD + 1 :]), leaf, said_by(judged))


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
