"""A store's counts together with what the anchor has published of it."""

from dataclasses import replace

from anchor.errors import Missing
from anchor.keeping.submissions import LedgerState, read_submissions
from collector.stats import Stats
from factoryledger.anchored import anchored_records
from factoryledger.errors import WrongUsage
from factoryledger.installation import Installation


def with_anchored(place: Installation) -> Stats:
    """Count a store, with how many of its records a published checkpoint covers."""
    return replace(place.ledger.stats(), anchored=anchored(place))


def outside(place: Installation) -> list[LedgerState]:
    """How far each outside ledger is that checkpoints were ever given to."""
    return read_submissions(place.data.anchor_db)


def anchored(place: Installation) -> int | None:
    """How many records a published checkpoint covers; None where no anchor's word is here."""
    try:
        return sum(anchored_records(place).values())
    except (Missing, WrongUsage):
        return None
