"""May an audit go on from where an earlier one ended? The memory held against store and log.

Only where every collector's batch is still the one that was seen, its right edge gives the
signed root, and as many rows are there. Otherwise everything is read, and what the store
cannot have had before is a finding that rests on the signed checkpoint that was seen.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from anchor.audit.findings import STORE, Audit
from anchor.audit.inquiry import Inquiry
from anchor.audit.keys import KeyTrail
from anchor.audit.memory import AuditMemory, Seen
from anchor.collector_keys import CollectorKeys
from anchor.errors import AnchorError
from anchor.ports import Paged, store_of
from anchor.reading.frontier import Frontier
from anchor.reading.log_reader import LogReader
from anchor.reading.row_record import shown
from anchor.reading.stored_tiles import StoredTiles
from anchor.reading.tile_view import TileView
from anchor.tree_head import Checkpoint


@dataclass(frozen=True, slots=True)
class Since:
    """What an earlier audit left, if anything; `only_new` asks to read only what came since.

    `now` in POSIX seconds is when this one is made; without findings it leaves a memory too.
    """

    now: int
    memory: AuditMemory | None = None
    only_new: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where to go on with one collector."""

    seen: Seen
    checkpoint: Checkpoint


class _Unusable(Exception):  # noqa: N818 - no error: everything is read then
    """Why nothing can rest on the memory."""


def places(
    memory: AuditMemory, trust: str, log: LogReader | None, inquiry: Inquiry
) -> dict[str, Place] | None:
    """Where to go on; None where everything has to be read, and a note or finding says why."""
    try:
        if memory.trust != trust:
            raise _Unusable("it was made under another policy")  # noqa: TRY301 - one way out
        _check_anchor(memory, log)
        known = {row.id for row in inquiry.ledger.collectors()}
        for name in memory.collectors.keys() - known:
            what = f"the store does not know collector {shown(name)}, that one did"
            raise _Unusable(what)  # noqa: TRY301 - as above
        return {
            name: _place(name, seen, memory, inquiry) for name, seen in memory.collectors.items()
        }
    except _Unusable as reason:
        inquiry.audit.notes.append(
            f"the audit of {day(memory.made)} is not gone on from, all was read: {reason}"
        )
        return None


def day(made: int) -> str:
    """When an audit was made, for people."""
    try:
        return datetime.fromtimestamp(made, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"time {made}"


def _check_anchor(memory: AuditMemory, log: LogReader | None) -> None:
    if log is None:
        raise _Unusable("no anchor log can be read now")
    try:
        log.open(memory.anchor)
    except AnchorError as error:
        raise _Unusable(f"its checkpoint is not this log's: {error}") from error


def _place(collector: str, seen: Seen, memory: AuditMemory, inquiry: Inquiry) -> Place:
    ledger = store_of(inquiry.ledger, collector)
    # What is wrong with key entries is found where its collector is read.
    scratch = replace(inquiry, ledger=ledger, audit=Audit())
    keys = KeyTrail(scratch, collector).signers()
    try:
        checkpoint = keys.open(seen.checkpoint)[0] if keys else None
    except AnchorError:
        checkpoint = None
    if keys is None or checkpoint is None:
        raise _Unusable(f"no certified key of collector {shown(collector)} signed what it saw")
    _check_batch(collector, Place(seen, checkpoint), keys, inquiry, day(memory.made))
    try:
        Frontier.at(TileView(StoredTiles(ledger, collector), checkpoint))
    except AnchorError as error:
        raise _Unusable(f"collector {shown(collector)}: {error}") from error
    size = checkpoint.size
    if isinstance(ledger, Paged) and (count := ledger.count(collector, size)) != size:
        raise _Unusable(f"collector {shown(collector)} has {count} of the first {size} rows")
    return Place(seen, checkpoint)


def _check_batch(
    collector: str, place: Place, keys: CollectorKeys, inquiry: Inquiry, made: str
) -> None:
    """The batch that was seen last must stand in the store, byte for byte."""
    number = place.seen.number
    row = next(iter(store_of(inquiry.ledger, collector).batches(collector, number)), None)
    if row is not None and (row.number, row.checkpoint) == (number, place.seen.checkpoint):
        return
    saw = f"on {made} an audit saw batch {number} end at {place.checkpoint.size}"
    if row is None or row.number != number:
        detail = f"{saw}, signed by the collector's key; it is not in the store"
        inquiry.find("batch-missing", detail, collector=collector)
    else:
        blame = STORE
        try:
            keys.open(row.checkpoint)
            blame = keys.origin
        except (AnchorError, AttributeError, TypeError):
            pass
        detail = f"{saw}, signed by the collector's key; it has another checkpoint now"
        inquiry.find("batch-altered", detail, collector=collector, blame=blame)
    raise _Unusable(f"batch {number} of collector {shown(collector)} is not what was seen")
