"""One machine's stored messages of a time to one range file; refuses what would not verify."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from anchor.errors import AnchorError, Malformed, Missing, Refused
from anchor.merkle import leaf_hash, subtrees_from_tiles
from anchor.ports import Ranged
from anchor.proof_file import IncludedEntry
from anchor.proving.prove import ProvingLog, certifying, cited_by, key_place, untampered
from anchor.proving.range_verify import verify_range
from anchor.range_file import ErasedMessage, RangeFile, RangeMessage, RangePart
from anchor.reading.log_index import AnchoredCheckpoint
from anchor.reading.row_record import row_name
from anchor.reading.stored_tiles import StoredTiles
from anchor.reading.tile_view import TileView
from anchor.shared_paths import shared_path
from anchor.tlog_proof import TlogProof
from telemetry.rows import MessageRow

MOST = 100_000


def prove_range(  # noqa: PLR0913 - what is asked for, each part by name
    *,
    ledger: Ranged,
    known: ProvingLog,
    device: str,
    start: int,
    stop: int,
    metric: str | None = None,
) -> RangeFile:
    """Build the proof of all that a machine made in a time, and verify it.

    `start` (inclusive) and `stop` (exclusive) are microseconds by the machine's clock. The
    messages before and after, where they are anchored, show that nothing lies between.
    Missing where there is none, or one is not anchored yet; Refused where the store is not
    what was anchored; Malformed for more than 100,000.
    """
    rows = _each_once(ledger.between(device, start, stop))
    if not rows:
        raise Missing(f"no accepted message of {device} was made in that time")
    if len(rows) > MOST:
        raise Malformed(f"{len(rows)} messages; a range file holds at most {MOST}: ask for less")
    both = _each_once([*rows, *_neighbours(ledger, known, device, rows)])
    by_collector: dict[str, list[MessageRow]] = {}
    for row in sorted(both, key=lambda row: (row.received_at, row.collector, row.position)):
        by_collector.setdefault(row.collector, []).append(row)
    parts = tuple(_part(ledger, known, part) for part in by_collector.values())
    file = RangeFile(device, start, stop, metric, parts)
    verify_range(file.to_bytes(), known.policy, known.vouchers)
    return file


def _each_once(rows: Iterable[MessageRow]) -> list[MessageRow]:
    """A number that two collectors accepted counts once."""
    found: dict[tuple[object, object], MessageRow] = {}
    for row in rows:
        found.setdefault((row.session, row.seq), row)
    return list(found.values())


def _neighbours(
    ledger: Ranged, known: ProvingLog, device: str, rows: Sequence[MessageRow]
) -> list[MessageRow]:
    """The message before and after those of each session, where there is one and it is anchored."""
    numbers: dict[str, list[int]] = {}
    for row in rows:
        if isinstance(row.session, str) and isinstance(row.seq, int):
            numbers.setdefault(row.session, []).append(row.seq)
    asked = ((s, seq) for s, seqs in numbers.items() for seq in (min(seqs) - 1, max(seqs) + 1))
    found = (ledger.find(device, session, seq) for session, seq in asked if seq >= 0)
    return [row for row in found if row is not None and _is_anchored(known, row)]


def _is_anchored(known: ProvingLog, row: MessageRow) -> bool:
    try:
        known.index.containing(row.collector, row.position)
    except Missing:
        return False
    return True


def _part(ledger: Ranged, known: ProvingLog, unordered: list[MessageRow]) -> RangePart:
    """One collector's messages under the first checkpoint that holds them all."""
    rows = sorted(unordered, key=lambda row: row.position)
    anchored = known.index.containing(rows[0].collector, rows[-1].position)
    cosigned = known.kept.earliest(anchored.index)
    size = cosigned.checkpoint.size
    places = [certifying(known, rows[0].collector, anchored.note)]
    # An erased message says both in its record.
    whole = [row for row in rows if row.payload is not None]
    entries = list(dict.fromkeys(row.entry for row in whole if row.entry is not None))
    places += [key_place(known, entry) for entry in entries]
    if max(places) >= size:
        raise Refused("a key entry stands in the log after the checkpoint that relies on it")
    view = known.index.view
    topics = list(dict.fromkeys(row.topic for row in whole if row.entry is not None))
    hashes = _hashes(ledger, rows, anchored)
    return RangePart(
        checkpoint=anchored.note,
        checkpoint_proof=TlogProof(
            anchored.index, known.reader.inclusion(anchored.index, size), cosigned.bytes
        ),
        keys=tuple(IncludedEntry(view.entry(p), p, view.inclusion(p, size)) for p in places),
        topics=tuple(topics),
        messages=tuple(_message(row, topics, entries) for row in rows),
        hashes=hashes,
        cited=cited_by(rows[0], known.reader),
        stamped=known.stamps.over(anchored.index, cosigned),
    )


def _hashes(
    ledger: Ranged, rows: Sequence[MessageRow], anchored: AnchoredCheckpoint
) -> tuple[bytes, ...]:
    """What shares the paths of all rows; Refused where a row is not the one that was signed."""
    size = anchored.checkpoint.size
    view = TileView(StoredTiles(ledger, rows[0].collector), anchored.checkpoint)
    try:
        for row in rows:
            if view.leaf(row.position) != leaf_hash(untampered(row)):
                raise Refused(
                    f"message {row_name(row)} is not what its collector signed at this position; "
                    "`factoryledger audit` names every such row"
                )
        return shared_path(
            [row.position for row in rows], size, subtrees_from_tiles(size, view.tile)
        )
    except AnchorError as error:
        raise Refused(f"the store was tampered with: {error}") from error


def _message(
    row: MessageRow, topics: Sequence[str], entries: Sequence[bytes]
) -> RangeMessage | ErasedMessage:
    if row.payload is None or row.entry is None:
        return ErasedMessage(row.position, untampered(row))
    assert sha256(row.payload).digest() == row.payload_hash
    return RangeMessage(
        position=row.position,
        received=row.received_at,
        original=row.original_at,
        topic=topics.index(row.topic),
        properties=row.properties,
        keys=row.keys,
        entry=1 + entries.index(row.entry),
        payload=row.payload,
    )
