"""One collector's rows in the order of positions, looked at: here, or by a crew.

Whichever looks at them, the same comes out in the same order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import chain

from anchor.audit.crew import RANGE, Crew, spans_of
from anchor.audit.examine import examine
from anchor.audit.ranges import Rows, Source, read_range
from anchor.ports import Paged
from telemetry.keyring import KeyStatement
from telemetry.rows import MessageRow

_LOWEST = -(2**63)
_NAMES = tuple(column.name for column in fields(MessageRow))


def rows_of(
    source: Source, statements: Sequence[KeyStatement], crew: Crew | None, first: int = 0
) -> Iterator[Rows]:
    """Every row of a collector, whatever its position has become, but those from 0 to `first`.

    `statements` are the key entries, for the crew; whom rows are judged by here, the source says.
    """
    ledger, collector = source.ledger, source.collector
    if not isinstance(ledger, Paged):
        spans = [(_LOWEST, 0), (first, None)] if first else [(_LOWEST, None)]
        for row in chain.from_iterable(ledger.messages(collector, *span) for span in spans):
            yield examine([tuple(getattr(row, name) for name in _NAMES)], source.keys)
        return
    for page in ledger.message_pages(collector, _LOWEST, 0):
        yield examine(page, source.keys)
    # As many positions as there are rows: who puts a row far off makes no more work, and what
    # lies beyond, and what comes meanwhile, is read in the end.
    start, count = first, ledger.count(collector)
    span = RANGE if crew is None else crew.span
    if crew is not None and crew.processes > 1 and count - first >= crew.worth:
        ranges = spans_of(first, count, span)
        for stop, rows in crew.read(collector, statements, source[3:], ranges):
            start = stop
            yield rows
    for begin, stop in spans_of(start, count, span):
        yield read_range(source, begin, stop)
    for page in ledger.message_pages(collector, max(start, count)):
        yield examine(page, source.keys)
