"""Rows into an SQLite table, many in one statement.

Edge. Binding a NULL costs more than binding a number, and a statement for every row hands the
interpreter to another thread for every row: so rows of one shape go together, without their
NULLs, in statements of a few sizes (docs/decisions/rows-by-shape.md).
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, Table

# Rows of a statement: few sizes, so that each is prepared once. Seventeen columns of the widest
# table make 4,352 parameters of the 32,766 that SQLite takes since 3.32.
_SIZES: Final = (256, 64, 16, 4, 1)

# sqlite3 knows int, float and str by sight; for bytes it searches for an adapter each time, and
# a search that finds nothing takes four times as long.
sqlite3.register_adapter(bytes, bytes)

_Row = tuple[Any, ...]


def insert_rows(connection: Connection, table: Table, rows: Iterable[_Row]) -> None:
    """Insert rows, each in the order of the table's columns."""
    shapes: defaultdict[tuple[type, ...], list[_Row]] = defaultdict(list)
    for row in rows:
        shapes[tuple(map(type, row))].append(row)
    for shape, alike in shapes.items():
        kept = tuple(place for place, kind in enumerate(shape) if kind is not type(None))
        pick = itemgetter(*kept)
        for chunk in _chunks(alike):
            values = tuple(chain.from_iterable(map(pick, chunk)))
            connection.exec_driver_sql(_statement(table, kept, len(chunk)), values)


def _chunks(rows: Sequence[_Row]) -> Iterator[Sequence[_Row]]:
    start = 0
    for size in _SIZES:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


@lru_cache(maxsize=256)
def _statement(table: Table, kept: tuple[int, ...], count: int) -> str:
    columns = list(table.columns)
    names = ", ".join(f'"{columns[place].name}"' for place in kept)
    marks = f"({', '.join('?' * len(kept))})"
    return f"INSERT INTO {table.name} ({names}) VALUES {', '.join([marks] * count)}"  # noqa: S608 - constants
