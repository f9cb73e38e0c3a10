"""Rows into an SQLite table, many in one statement.

Edge. Binding a NULL costs more than binding a number, and a statement for every row hands the
interpreter to another thread for every row: so rows of one shape go together, without their
NULLs and with what they share bound once, in statements of a few sizes
(docs/decisions/rows-by-shape.md).
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection, Table

# Rows of a statement: few sizes, so that each is prepared once. Seventeen columns of the widest
# table make 4,352 parameters of the 32,766 that SQLite takes since 3.32.
_SIZES: Final = (256, 64, 16, 4, 1)

_WORTH_SHARING: Final = 64
_SHARED: Final = frozenset({int, str, bytes})

# sqlite3 knows int, float and str by sight; for bytes it searches for an adapter each time, and
# a search that finds nothing takes four times as long.
sqlite3.register_adapter(bytes, bytes)

_Row = tuple[Any, ...]


def insert_rows(connection: Connection, table: Table, rows: Sequence[_Row]) -> None:
    """Insert rows, each in the order of the table's columns."""
    if rows:
        for alike in _by_shape(rows):
            _insert(connection, table, alike)


def _by_shape(rows: Sequence[_Row]) -> Iterable[list[Sequence[Any]]]:
    """Sort rows by which of their columns are NULL; give each sort's columns."""
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    if all(column.count(None) in {0, len(rows)} for column in columns):
        return [columns]
    shapes: defaultdict[tuple[bool, ...], list[_Row]] = defaultdict(list)
    for row in rows:
        shapes[tuple([value is None for value in row])].append(row)
    return [list(zip(*alike, strict=True)) for alike in shapes.values()]


def _insert(connection: Connection, table: Table, columns: Sequence[Sequence[Any]]) -> None:
    """Insert rows of one shape, given as columns; what all of them share is bound once."""
    count = len(columns[0])
    kept = [place for place, column in enumerate(columns) if column[0] is not None]
    # Not where few come: they would make as many statements as there are ways to share.
    worth = count >= _WORTH_SHARING
    shared = tuple(place for place in kept if worth and _is_one(columns[place]))
    varying = tuple(place for place in kept if place not in shared)
    same = [columns[place][0] for place in shared]
    for start, stop in _spans(count):
        parts = [columns[place][start:stop] for place in varying]
        values = (*same, *chain.from_iterable(zip(*parts, strict=True)))
        statement = _statement(table, shared, varying, stop - start)
        connection.exec_driver_sql(statement, values)


def _is_one(column: Sequence[Any]) -> bool:
    """Whether it holds one and the same value throughout.

    Equal is not the same: 1 is True and 1.0, and 0.0 is -0.0.
    """
    first = column[0]
    return (
        type(first) in _SHARED
        and column.count(first) == len(column)
        and set(map(type, column)) == {type(first)}
    )


def _spans(count: int) -> Iterator[tuple[int, int]]:
    start = 0
    for size in _SIZES:
        while count - start >= size:
            yield start, start + size
            start += size


@lru_cache(maxsize=256)
def _statement(table: Table, shared: tuple[int, ...], varying: tuple[int, ...], count: int) -> str:
    columns = list(table.columns)
    names = ", ".join(f'"{columns[place].name}"' for place in (*shared, *varying))
    row = ", ".join("?" * len(varying))
    values = "VALUES " + ", ".join([f"({row})"] * count)
    if shared:
        # Numbered parameters would do too, but for sqlite3 those are names: a warning for each
        # from Python 3.12 on, and an error in 3.14.
        each = (f"column{number}" for number in range(1, len(varying) + 1))
        values = f"SELECT {', '.join([*'?' * len(shared), *each])} FROM ({values})"  # noqa: S608 - constants
    return f"INSERT INTO {table.name} ({names}) {values}"
