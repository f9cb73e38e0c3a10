"""A store's counts together with what the anchor has published of it."""

from dataclasses import replace

from anchor.errors import Missing
from anchor.keeping.anchor_db import read_state
from anchor.keeping.submissions import LedgerState, read_submissions
from collector.stats import Stats
from factoryledger.installation import Installation


def with_anchored(place: Installation) -> Stats:
    """Count a store, with how many of its records a published checkpoint covers."""
    return replace(place.ledger.stats(), anchored=anchored(place))


def outside(place: Installation) -> list[LedgerState]:
    """How far each outside ledger is that checkpoints were ever given to."""
    return read_submissions(place.data.anchor_db)


def anchored(place: Installation) -> int | None:
    """How many records a published checkpoint covers; None where no anchor has run."""
    try:
        batches = read_state(place.data.anchor_db).anchored
    except Missing:
        return None
    ends = (_end(place, collector, number) for collector, number in batches.items())
    return sum(ends)


def _end(place: Installation, collector: str, batches: int) -> int:
    """How many records a collector's first so many batches have."""
    last = next(iter(place.ledger.batches(collector, batches - 1)), None) if batches else None
    return last.start + last.size if last else 0
