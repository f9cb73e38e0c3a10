"""From judged arrivals to one batch: what is stored, as which record, and what is receipted.

Pure. The judging of single messages is `telemetry.judgement`'s; what needs the store (numbers
taken, bodies seen) comes through `Taken`. Nothing here counts before it is committed.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from collector.arrived import Arrived
from telemetry.judgement import Judgement
from telemetry.record import NAMED_STATUSES, Record

Number = tuple[str, str, int]
"""Device, session, seq."""

Sighting = tuple[bytes, str]
"""Body hash and status."""

ONCE = frozenset({"unknown-device", "revoked", "conflict"})
"""Statuses stored once for each body: their senders resend, having no receipt."""


_CLAIMING = frozenset({"accepted", "revoked"})
"""Judged so, a message may be one that took its number before."""


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


class Judged(msgspec.Struct, frozen=True):
    """An arrival and the judgement on it."""

    arrived: Arrived
    judgement: Judgement


class Receipted(msgspec.Struct, frozen=True):
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
    duplicates: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    refused: list["Refused"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that this release failed on, and how: kept whole beside the log.

    Never a message's fault that a status names; giving it one would mislabel evidence.
    """

    arrived: Arrived
    reason: str


def build_batch(
    judged: Sequence[Judged], *, taken: Taken, collector: str, start: int, floor: int
) -> Batch:
    """Settle each arrival, in order, and build rows and records of those that are stored.

    `start` is the position of the first record, `floor` the receive time of the record
    before it: no record of this batch goes below.
    """
    batch = Batch(start, floor)
    claimed = dict(taken.numbers(_numbers(judged)))
    seen = set(taken.sightings(_sightings(judged, claimed)))
    for item in judged:
        status = item.judgement.status
        if status in _CLAIMING:
            status = _final_status(item.judgement, claimed)
        sighting = (item.judgement.body_hash or b"", status)
        if status == "duplicate":
            batch.duplicates += 1
            owner = claimed[_number(item.judgement)]
            batch.receipted.append(_receipted(item, owner.collector, again=True))
        elif status in ONCE and sighting in seen:
            batch.duplicates += 1
        else:
            try:
                _store(batch, item, status, collector)
            except Exception as error:  # noqa: BLE001 - one message must not hold up the others
                batch.refused.append(Refused(item.arrived, f"{type(error).__name__}: {error}"))
                continue
            # Only what is stored takes a number: nothing may be receipted on its account else.
            if status == "accepted":
                claimed[_number(item.judgement)] = Claim(sighting[0], collector)
            elif status in ONCE:
                seen.add(sighting)
    return batch


def _final_status(judgement: Judgement, claimed: Mapping[Number, Claim]) -> str:
    """Give the status of a message with a number: as judged, `conflict` or `duplicate`.

    What was accepted once stays accepted: a resend of it is a duplicate even when its key
    has been revoked since, so that a lost receipt never leaves a machine waiting.
    """
    status = judgement.status
    owner = claimed.get(_number(judgement))
    if owner is not None and owner.body_hash == judgement.body_hash:
        return "duplicate"
    return "conflict" if status == "accepted" and owner is not None else status


def _numbers(judged: Iterable[Judged]) -> list[Number]:
    return [_number(item.judgement) for item in judged if item.judgement.status in _CLAIMING]


def _sightings(judged: Sequence[Judged], claimed: Mapping[Number, Claim]) -> set[Sighting]:
    """Give every sighting that could matter: a number can only be contested if it comes twice."""
    counts = Counter(_numbers(judged))
    wanted: set[Sighting] = set()
    for item in judged:
        judgement, body = item.judgement, item.judgement.body_hash or b""
        if judgement.status in ONCE:
            wanted.add((body, judgement.status))
        elif judgement.status == "accepted":
            number = _number(judgement)
            if number in claimed or counts[number] > 1:
                wanted.add((body, "conflict"))
    return wanted


def _number(judgement: Judgement) -> Number:
    device, session, seq = judgement.device, judgement.session, judgement.seq
    assert device is not None
    assert session is not None
    assert seq is not None
    return device, session, seq


def _receipted(item: Judged, collector: str, *, again: bool = False) -> Receipted:
    body = item.judgement.body_hash or b""
    return Receipted(item.arrived.topic, _number(item.judgement), body, collector, again)


def _store(batch: Batch, item: Judged, status: str, collector: str) -> None:
    """Add one stored message: its row, its record and whatever it claims."""
    arrived, judgement = item.arrived, item.judgement
    position = batch.start + len(batch.messages)
    received, original = arrived.received, None
    if received < batch.floor:
        received, original = batch.floor, received
    topic, payload, properties = arrived.topic, arrived.payload, arrived.properties
    number, time, key = _NOBODY if status not in NAMED_STATUSES else _named(judgement)
    # What is in a row is in its record, but for the payload, which its hash stands for there.
    judged = (status, *number, key, judgement.keys, judgement.entry)
    hashes = (sha256(payload).digest(), judgement.body_hash)
    record = Record(received, original, topic, properties, *judged, *hashes).to_bytes()
    scans = _scans(judgement, collector, position)
    # Nothing below fails: a message is stored whole or refused whole.
    batch.records.append(record)
    batch.floor = received
    sent = (collector, position, received, original, topic, payload, properties)
    batch.messages.append((*sent, *number, time, status, *judged[4:], *hashes))
    batch.statuses[status] += 1
    if status == "accepted":
        batch.claims.append((*_number(judgement), collector, position, judgement.body_hash))
        batch.receipted.append(_receipted(item, collector))
        batch.scans.extend(scans)
        if judgement.time is not None:
            batch.made.append(judgement.time)
    elif status in ONCE:
        batch.sightings.append((judgement.body_hash, status, *number, collector, position))


_Named = tuple[tuple[str | None, str | None, int | None], int | None, str | None]
_NOBODY: Final[_Named] = ((None, None, None), None, None)


def _named(judgement: Judgement) -> _Named:
    """Give number, time and key of a message that is shown to be its device's own."""
    return _number(judgement), judgement.time, judgement.key


def _scans(judgement: Judgement, collector: str, position: int) -> list[tuple[Any, ...]]:
    """Give a row for each of the message's scans; a message with `readings` has none."""
    message = judgement.message
    if (
        judgement.status != "accepted"
        or message is None
        # With a backslash the name may be spelled with an escape; a row too many shows nothing.
        or (len(message.scans) == 1 and not (b'"scans"' in message.body or b"\\" in message.body))
    ):
        return []
    return [
        (collector, position, number, judgement.device, scan.time)
        for number, scan in enumerate(message.scans)
    ]
