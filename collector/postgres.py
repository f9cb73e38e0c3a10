"""A session with PostgreSQL, such that what it commits is kept and what it reads is exact.

Edge. Nothing that the server's configuration may say for speed or for people counts here:
each session sets what it relies on, and says what it cannot set (docs/decisions/postgresql.md).
"""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import psycopg
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL

from collector.errors import StoreUnavailable

_OLDEST: Final = 13

_SESSION: Final = (
    "SET statement_timeout = 0",
    "SET timezone = 'UTC'",
    "SET standard_conforming_strings = on",
    "SET default_transaction_isolation = 'read committed'",
    "SET lock_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
    "SET jit = off",
    # A session whose client is gone gives its locks up: after half a minute, not two hours.
    "SET tcp_keepalives_idle = 15",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 3",
)
# What libpq is told unless the URL says otherwise: a server that is gone is noticed.
_LINK: Final = {
    "application_name": f"factoryledger {os.getpid()}",
    "connect_timeout": "10",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
_SAFE: Final = frozenset({"on", "remote_apply"})

Prepare = Callable[[psycopg.Connection[Any]], None]


def postgres_engine(url: URL, prepare: Prepare) -> Engine:
    """Give an engine of exactly one connection; `prepare` is called with each new one.

    It speaks outside of a transaction there, and what it raises is the connection's failure.
    """
    engine = create_engine(
        url.update_query_dict({k: v for k, v in _LINK.items() if k not in url.query}),
        pool_size=1,
        max_overflow=0,
        connect_args={"client_encoding": "UTF8"},
    )

    def prepared(connection: psycopg.Connection[Any], _record: object) -> None:
        try:
            connection.autocommit = True
            connection.execute("; ".join(_SESSION))
            prepare(connection)
            connection.autocommit = False
        except BaseException:
            connection.close()
            raise

    event.listen(engine, "connect", prepared)
    event.listen(engine, "before_cursor_execute", _spelled, retval=True)
    return engine


def prepare_writer(connection: psycopg.Connection[Any]) -> None:
    """Let commits be on the disk when they return; StoreUnavailable where they cannot be."""
    check_server(connection)
    if setting(connection, "fsync") != "on":
        raise StoreUnavailable(
            "the PostgreSQL server runs with fsync = off: what it has committed does not "
            "survive a power cut, so nothing may be acknowledged; switch it on"
        )
    if setting(connection, "synchronous_commit") not in _SAFE:
        connection.execute("SET synchronous_commit = on")
    if setting(connection, "synchronous_commit") not in _SAFE:
        raise StoreUnavailable("the PostgreSQL server does not take synchronous_commit = on")


def prepare_reader(connection: psycopg.Connection[Any]) -> None:
    """Let nothing be written."""
    check_server(connection)
    connection.execute("SET default_transaction_read_only = on")


def check_server(connection: psycopg.Connection[Any]) -> None:
    """StoreUnavailable for a server or a database that cannot hold a store."""
    if connection.info.server_version < _OLDEST * 10_000:
        raise StoreUnavailable(
            f"PostgreSQL {connection.info.parameter_status('server_version')} is too old: "
            f"a store needs {_OLDEST} or later"
        )
    encoding = setting(connection, "server_encoding")
    if encoding != "UTF8":
        raise StoreUnavailable(
            f"the database has the encoding {encoding}: make one with ENCODING 'UTF8'"
        )


def setting(connection: psycopg.Connection[Any], name: str) -> str:
    """Give a setting's value in this session."""
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return str(row[0])


def hang_up(connection: psycopg.Connection[Any]) -> None:
    """End a connection's socket under it, from any thread: whatever waits for it fails."""
    with suppress(psycopg.Error, OSError):
        held = socket.socket(fileno=os.dup(connection.fileno()))
        with held:
            held.shutdown(socket.SHUT_RDWR)


def _spelled(
    _connection: object,
    _cursor: object,
    statement: str,
    parameters: object,
    context: Any,
    _many: object,
) -> tuple[str, object]:
    """Give a statement of ours in psycopg's spelling; SQLAlchemy's own are in it already."""
    if context is not None and context.compiled is None and "?" in statement:
        statement = statement.replace("?", "%s")
    return statement, parameters
