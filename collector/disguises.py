"""What in a store's schema can make a table say one thing to one reader and another to the next.

A store's tables are plain tables. A view in the place of one, a trigger, a rule, a generated
column or a row policy answers by who asks, or changes what is written: nothing that such a
table shows is evidence. Edge: asks the database's own catalogue.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from collector import tables
from collector.errors import LogInDoubt

# With Alembic's own, which everybody asks before all others.
_NAMES: Final = ("alembic_version", *sorted(tables.metadata.tables))
_SQLITE: Final = "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_master ORDER BY name"
_GENERATED: Final = "SELECT name FROM pragma_table_xinfo(?) WHERE hidden IN (2, 3)"

# A table, and the partitions or heirs whose rows it shows.
_FAMILY: Final = (
    "WITH RECURSIVE family (ours, id) AS ("
    "SELECT n.name, to_regclass(quote_ident(n.name))::oid "
    "FROM unnest(CAST(? AS text[])) AS n (name) "
    "UNION SELECT f.ours, i.inhrelid FROM family AS f JOIN pg_inherits AS i ON i.inhparent = f.id"
    ") "
)
_POSTGRES: Final = (
    f"{_FAMILY}SELECT f.ours, c.relname, c.relkind, 'kind', '' "  # noqa: S608 - constants
    "FROM family AS f JOIN pg_class AS c ON c.oid = f.id "
    "WHERE c.relkind NOT IN ('r', 'p') "
    "UNION ALL SELECT f.ours, c.relname, c.relkind, 'row security', '' "
    "FROM family AS f JOIN pg_class AS c ON c.oid = f.id WHERE c.relrowsecurity "
    "UNION ALL SELECT f.ours, c.relname, c.relkind, 'heir', p.relname "
    "FROM family AS f JOIN pg_inherits AS i ON i.inhrelid = f.id "
    "JOIN pg_class AS c ON c.oid = f.id JOIN pg_class AS p ON p.oid = i.inhparent "
    "WHERE p.relkind = 'r' "
    "UNION ALL SELECT f.ours, c.relname, c.relkind, 'trigger', t.tgname "
    "FROM family AS f JOIN pg_class AS c ON c.oid = f.id "
    "JOIN pg_trigger AS t ON t.tgrelid = f.id AND NOT t.tgisinternal "
    "UNION ALL SELECT f.ours, c.relname, c.relkind, 'rule', r.rulename "
    "FROM family AS f JOIN pg_class AS c ON c.oid = f.id AND c.relkind IN ('r', 'p') "
    "JOIN pg_rewrite AS r ON r.ev_class = f.id "
    "UNION ALL SELECT f.ours, c.relname, c.relkind, 'generated column', a.attname "
    "FROM family AS f JOIN pg_class AS c ON c.oid = f.id "
    "JOIN pg_attribute AS a ON a.attrelid = f.id AND a.attgenerated <> '' "
    "UNION ALL SELECT f.ours, c.relname, c.relkind, 'collation', l.collname "
    "FROM family AS f JOIN pg_class AS c ON c.oid = f.id "
    "JOIN pg_attribute AS a ON a.attrelid = f.id "
    "JOIN pg_collation AS l ON l.oid = a.attcollation AND NOT l.collisdeterministic "
    "ORDER BY 1, 2, 4, 5"
)


class Disguise(NamedTuple):
    """What is wrong, as a sentence; `hides`: its table shows what somebody made up."""

    detail: str
    hides: bool = False


def refuse_disguises(connection: Connection, store: str) -> None:
    """LogInDoubt where a store that is to be written to would keep other rows than it is given."""
    found = sqlite_disguises if connection.dialect.name == "sqlite" else postgres_disguises
    for disguise in found(connection):
        raise LogInDoubt(
            f"{store}: {disguise.detail}: what is written there need not be what it keeps, so "
            "nothing is taken; `factoryledger audit` says all that is wrong"
        )


def sqlite_disguises(connection: Connection) -> Iterator[Disguise]:
    """Of an SQLite file; tables that are not there are not spoken of."""
    for kind, name, of, page, sql in connection.exec_driver_sql(_SQLITE).all():
        table = str(of).lower()
        if table not in _NAMES:
            continue
        if kind == "trigger":
            yield Disguise(f"trigger {name} acts on table {table}; a store has none")
        elif kind in {"table", "view"}:
            yield from _of_table(connection, kind, table, page, str(sql))


def _of_table(
    connection: Connection, kind: Any, table: str, page: Any, sql: str
) -> Iterator[Disguise]:
    if kind == "view":
        yield Disguise(f"{table} is a view, which may show each reader other rows", hides=True)
    elif not page:
        yield Disguise(f"{table} is a virtual table, whose rows a program makes up", hides=True)
    else:
        for (column,) in connection.exec_driver_sql(_GENERATED, (table,)).all():
            yield Disguise(f"column {column} of table {table} is generated, not stored")
        if "COLLATE" in sql.upper():
            yield Disguise(f"table {table} compares text in a way of its own (COLLATE)")


def postgres_disguises(connection: Connection) -> Iterator[Disguise]:
    """Of the tables that this session sees under the store's names."""
    for ours, name, kind, what, which in connection.exec_driver_sql(
        _POSTGRES, (list(_NAMES),)
    ).all():
        whose = f"{ours} ({name})" if name != ours else ours
        if what == "kind":
            yield Disguise(f"{whose} is no table but a relation of kind {kind!r}", hides=True)
        elif what == "row security":
            yield Disguise(f"table {whose} shows its rows by who asks (row security)", hides=True)
        elif what == "heir":
            yield Disguise(f"table {whose} shows its rows in {which} by inheritance")
        else:
            yield Disguise(f"table {whose} has a {what} ({which}); a store has none")
