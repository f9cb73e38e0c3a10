"""Rows come out of SQLite as they went in, whatever they share and however many there are."""

import math
import sqlite3

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, Text, create_engine
from sqlalchemy.pool import StaticPool

from collector.sqlite_insert import insert_rows

PLACES = Table(
    "places",
    MetaData(),
    Column("number", Integer),
    Column("a", Text),
    Column("b", LargeBinary),
    Column("c", Integer),
)
# Without a type, so that SQLite keeps what it is given.
CREATE = "CREATE TABLE places (number, a, b, c)"

VALUES = st.sampled_from([None, 0, 1, True, 1.0, 0.0, -0.0, "", "1", b"", b"1", 2**62])
ROWS = st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=8)


def stored(rows):
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(CREATE)
        insert_rows(connection, PLACES, rows)
        found = connection.exec_driver_sql("SELECT * FROM places ORDER BY number").all()
    engine.dispose()
    return [tuple(row) for row in found]


def said(rows):
    """Tell 1, 1.0 and True apart, and 0.0 and -0.0, as SQLite stores them: True is its 1."""
    return [
        tuple(
            (int if isinstance(value, bool) else type(value), value, _sign(value)) for value in row
        )
        for row in rows
    ]


def _sign(value):
    return math.copysign(1, value) if isinstance(value, float) else None


@given(ROWS, st.sampled_from([1, 9, 70]))
@settings(deadline=None, max_examples=60)
def test_rows_come_back_as_they_went_in(some, times):
    rows = [(number, *row) for number, row in enumerate(some * times)]
    assert said(stored(rows)) == said(rows)


def test_what_rows_share_is_shared_in_a_full_statement_too():
    rows = [(number, "same", b"each %d" % number, None) for number in range(700)]
    assert stored(rows) == rows
    assert stored([]) == []
    assert sqlite3.sqlite_version_info >= (3, 32)
