"""A collector's identity: its key, its enrolment and its log, made when the id is new.

The collector asks for it by id and never sees the anchor; this is where the two meet.
"""

from anchor.errors import AnchorError
from anchor.growing import GrowingLog
from anchor.receipts import ReceiptTree
from collector.ports import Identity, TileReader
from factoryledger.anchored import sizes_in_log
from factoryledger.data_dir import DataDir, bare
from factoryledger.enrolment import Enrolments
from factoryledger.installation import Installation


def identity_of(data: DataDir, collector: str) -> Identity:
    """Give a collector's keys; key and enrolment are durable on return."""
    enrolments = Enrolments(data)
    enrolments.settle_collector(collector)
    key = data.collector(collector)
    entry = enrolments.ensure_collector(collector, bare(key))

    def log(size: int, tiles: TileReader) -> GrowingLog:
        return GrowingLog.resume(key.name, key, size, tiles)

    return Identity(
        origin=key.name,
        vkey=str(key.verifier),
        key_entry=entry,
        receipts=ReceiptTree(key),
        log=log,
    )


def anchored_size(place: Installation, collector: str) -> int:
    """Give the size of the newest checkpoint of a collector that the anchor log holds.

    An AnchorError, which names the log's folder, where that does not hold.
    """
    try:
        return sizes_in_log(place, [collector])[collector] if place.has_log else 0
    except AnchorError as error:
        raise type(error)(
            f"the anchor log in {place.log} cannot be followed: {error}; `factoryledger audit` "
            "says what is wrong with it"
        ) from error
