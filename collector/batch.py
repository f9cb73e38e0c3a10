"""From judged arrivals to one batch: what is stored, as which record, and what is receipted.

Pure. The judging of single messages is `telemetry.judgement`'s; what needs the store (numbers
taken, bodies seen) comes through `Taken`. Nothing here counts before it is committed.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from collector.arrived import Arrived
from collector.continuity import Link
from collector.verdict import Number, Verdict
from telemetry.record import Record, unsigned_record

Sighting = tuple[bytes, str]
"""Body hash and status."""

ONCE = frozenset({"unknown-device", "revoked", "conflict"})
"""Statuses stored once for each body: their senders resend, having no receipt."""


FAILED: Final = "failed"
"""Why a message is refused that no limit keeps out: judging or storing it raised."""

_NOBODY: Final = (None, None, None)  # device, session and seq of what names nobody
# Device, session, seq, time, status, key, keys and entry of what nobody has signed.
_UNSIGNED: Final = (None, None, None, None, "unsigned", None, 0, None)


class Claim(NamedTuple):
    """Who took a number: the message of this body hash, in the log of this collector."""

    body_hash: bytes
    collector: str


class Taken(Protocol):
    """What the store knows already."""

    def numbers(self, wanted: Collection[Number]) -> Mapping[Number, Claim]:
        """Which of these are claimed, and by whom."""

    def sightings(self, wanted: Collection[Sighting]) -> AbstractSet[Sighting]:
        """Which of these are stored."""


class Judged(msgspec.Struct, frozen=True, gc=False):
    """An arrival and the verdict on it."""

    arrived: Arrived
    verdict: Verdict


class Receipted(msgspec.Struct, frozen=True, gc=False):
    """A committed message that its machine is to hear of, and whose log holds it.

    `again`: it was committed earlier, and has come once more.
    """

    topic: str
    number: Number
    body_hash: bytes
    collector: str
    again: bool = False


@dataclass(slots=True)
class Batch:
    """A batch's rows (columns as in docs/formats.md, Store) and records, in one order.

    `made` are the times that its accepted messages name, in microseconds.
    """

    start: int
    floor: int
    messages: list[tuple[Any, ...]] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)
    claims: list[tuple[Any, ...]] = field(default_factory=list)
    sightings: list[tuple[Any, ...]] = field(default_factory=list)
    scans: list[tuple[Any, ...]] = field(default_factory=list)
    receipted: list[Receipted] = field(default_factory=list)
    made: list[int] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    duplicates: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    refused: list["Refused"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that this release failed on, and how; or one that a limit keeps out.

    Never a message's fault that a status names; giving it one would mislabel evidence.
    """

    arrived: Arrived
    reason: str
    cause: str = FAILED


def build_batch(
    judged: Sequence[Judged], *, taken: Taken, collector: str, start: int, floor: int
) -> Batch:
    """Settle each arrival, in order, and build rows and records of those that are stored.

    `start` is the position of the first record, `floor` the receive time of the record
    before it: no record of this batch goes below.
    """
    batch = Batch(start, floor)
    # What nobody has signed contests nothing, and most of a foreign batch is that.
    signed = [item for item in judged if item.verdict.body_hash is not None]
    claimed = dict(taken.numbers(_numbers(signed)))
    seen = set(taken.sightings(_sightings(signed, claimed)))
    for item in judged:
        status, number = item.verdict.status, item.verdict.number
        if status == "unsigned" and not item.arrived.again:
            try:
                _store_unsigned(batch, item.arrived, item.verdict.payload_hash, collector)
            except Exception as error:  # noqa: BLE001 - one message must not hold up the others
                batch.refused.append(_failed(item, error))
            continue
        owner = None if number is None else claimed.get(number)
        if owner is not None:
            status = _contested(item.verdict, owner)
        sighting = (item.verdict.body_hash or b"", status)
        if status == "duplicate":
            assert number is not None
            assert owner is not None
            batch.duplicates += 1
            batch.receipted.append(_receipted(item, number, owner, again=True))
        elif (status in ONCE and sighting in seen) or (number is None and item.arrived.again):
            # What came `again` is stored already, or refused, by this batch or one before.
            batch.duplicates += 1
        else:
            try:
                _store(batch, item, status, collector)
            except Exception as error:  # noqa: BLE001 - one message must not hold up the others
                batch.refused.append(_failed(item, error))
                continue
            # Only what is stored takes a number: nothing may be receipted on its account else.
            if status == "accepted":
                assert number is not None
                claimed[number] = mine = Claim(sighting[0], collector)
                batch.receipted.append(_receipted(item, number, mine))
            elif status in ONCE:
                seen.add(sighting)
    return batch


def _contested(verdict: Verdict, owner: Claim) -> str:
    """Give the status of a message whose number is taken: `conflict`, `duplicate` or `revoked`.

    What was accepted once stays accepted: a resend of it is a duplicate even when its key
    has been revoked since, so that a lost receipt never leaves a machine waiting.
    """
    if owner.body_hash == verdict.body_hash:
        return "duplicate"
    return "conflict" if verdict.status == "accepted" else verdict.status


def _numbers(judged: Iterable[Judged]) -> list[Number]:
    return [item.verdict.number for item in judged if item.verdict.number is not None]


def _sightings(judged: Sequence[Judged], claimed: Mapping[Number, Claim]) -> set[Sighting]:
    """Give every sighting that could matter: a number can only be contested if it comes twice."""
    counts = Counter(_numbers(judged))
    wanted: set[Sighting] = set()
    for item in judged:
        status, number, body = item.verdict.status, item.verdict.number, item.verdict.body_hash
        if status in ONCE:
            wanted.add((body or b"", status))
        elif number is not None and (number in claimed or counts[number] > 1):
            wanted.add((body or b"", "conflict"))
    return wanted


def _receipted(item: Judged, number: Number, owner: Claim, *, again: bool = False) -> Receipted:
    return Receipted(item.arrived.topic, number, owner.body_hash, owner.collector, again)


def _failed(item: Judged, error: Exception) -> Refused:
    return Refused(item.arrived, f"{type(error).__name__}: {error}")


def _store_unsigned(batch: Batch, arrived: Arrived, hashed: bytes, collector: str) -> None:
    """As `_store`, for a message that names and claims nothing."""
    received, original = arrived.received, None
    if received < batch.floor:
        received, original = batch.floor, received
    topic, properties = arrived.topic, arrived.properties
    if not topic.isascii() or "\0" in topic:
        _check_storable(topic)
    record = unsigned_record(received, original, topic, properties, hashed)
    # Nothing below fails: a message is stored whole or refused whole.
    position = batch.start + len(batch.records)
    batch.records.append(record)
    batch.floor = received
    sent = (collector, position, received, original, topic, arrived.payload, properties)
    batch.messages.append((*sent, *_UNSIGNED, hashed, None))
    batch.statuses["unsigned"] += 1


def _store(batch: Batch, item: Judged, status: str, collector: str) -> None:
    """Add one stored message: its row, its record and whatever it claims."""
    arrived, verdict = item.arrived, item.verdict
    position = batch.start + len(batch.messages)
    received, original = arrived.received, None
    if received < batch.floor:
        received, original = batch.floor, received
    topic, payload, properties = arrived.topic, arrived.payload, arrived.properties
    if not topic.isascii() or "\0" in topic:
        _check_storable(topic)
    device, session, seq = number = verdict.number or _NOBODY
    key, keys, entry = judged = verdict.key, verdict.keys, verdict.entry
    hashed, body = hashes = verdict.payload_hash, verdict.body_hash
    # What is in a row is in its record, but for the payload, which its hash stands for there.
    named = (device, session, seq, key, keys, entry, hashed, body)
    record = Record(received, original, topic, properties, status, *named).to_bytes()
    # Nothing below fails: a message is stored whole or refused whole.
    batch.records.append(record)
    batch.floor = received
    sent = (collector, position, received, original, topic, payload, properties)
    batch.messages.append((*sent, *number, verdict.time, status, *judged, *hashes))
    batch.statuses[status] += 1
    if status == "accepted":
        batch.claims.append((device, session, seq, collector, position, body))
        batch.scans += [(collector, position, at, device, t) for at, t in enumerate(verdict.scans)]
        if body is not None and verdict.number is not None:
            batch.links.append(Link(*verdict.number, verdict.prev, body, position))
        if verdict.time is not None:
            batch.made.append(verdict.time)
    elif status in ONCE:
        batch.sightings.append((body, status, device, session, seq, collector, position))


def _check_storable(topic: str) -> None:
    """ValueError for a topic that no database takes: it would hold up its whole batch.

    MQTT lets neither through; a recording may hold either.
    """
    if "\0" in topic:
        raise ValueError("the topic holds U+0000")
    topic.encode()
