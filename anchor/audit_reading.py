"""One collector's rows in the order of positions, examined: here, or by a crew.

Whichever examines them, the same comes out in the same order.
"""

from collections.abc import Iterator
from dataclasses import fields

from anchor.audit_crew import Crew
from anchor.audit_examine import Examined, examine
from anchor.audit_keys import KeyTrail
from anchor.ports import Ledger, Paged
from telemetry.rows import MessageRow

_LOWEST = -(2**63)
_NAMES = tuple(column.name for column in fields(MessageRow))


def examined_rows(
    ledger: Ledger, collector: str, keys: KeyTrail, crew: Crew | None
) -> Iterator[Examined]:
    """Every row of a collector, whatever its position has become."""
    if not isinstance(ledger, Paged):
        for row in ledger.messages(collector, _LOWEST):
            yield from examine([tuple(getattr(row, name) for name in _NAMES)], keys.at)
        return
    start = _LOWEST
    if crew is not None and crew.processes > 1:
        # As many positions as there are rows: who puts a row far off makes no more work, and
        # what lies beyond, and what comes meanwhile, is read here.
        count = ledger.count(collector)
        if count >= crew.worth:
            for page in ledger.message_pages(collector, _LOWEST, 0):
                yield from examine(page, keys.at)
            start = 0
            for end, rows in crew.examine(collector, keys.statements, 0, count):
                start = end
                yield from rows
    for page in ledger.message_pages(collector, start):
        yield from examine(page, keys.at)
