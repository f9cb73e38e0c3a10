"""One collector's rows in the order of positions, examined: here, or by a crew.

Whichever examines them, the same comes out in the same order.
"""

from collections.abc import Iterator
from dataclasses import fields
from itertools import chain

from anchor.audit.crew import Crew
from anchor.audit.examine import Examined, examine
from anchor.audit.keys import KeyTrail
from anchor.ports import Ledger, Paged
from telemetry.rows import MessageRow

_LOWEST = -(2**63)
_NAMES = tuple(column.name for column in fields(MessageRow))


def examined_rows(
    ledger: Ledger, collector: str, keys: KeyTrail, crew: Crew | None, first: int = 0
) -> Iterator[Examined]:
    """Every row of a collector, whatever its position has become, but those from 0 to `first`."""
    if not isinstance(ledger, Paged):
        spans = [(_LOWEST, 0), (first, None)] if first else [(_LOWEST, None)]
        for row in chain.from_iterable(ledger.messages(collector, *span) for span in spans):
            yield from examine([tuple(getattr(row, name) for name in _NAMES)], keys.at)
        return
    start = _LOWEST
    if first:
        for page in ledger.message_pages(collector, _LOWEST, 0):
            yield from examine(page, keys.at)
        start = first
    if crew is not None and crew.processes > 1:
        # As many positions as there are rows: who puts a row far off makes no more work, and
        # what lies beyond, and what comes meanwhile, is read here.
        count = ledger.count(collector)
        if count - first >= crew.worth:
            for page in ledger.message_pages(collector, start, 0):
                yield from examine(page, keys.at)
            start = first
            for end, rows in crew.examine(collector, keys.statements, first, count):
                start = end
                yield from rows
    for page in ledger.message_pages(collector, start):
        yield from examine(page, keys.at)
