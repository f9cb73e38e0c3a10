"""Stores put back, and PostgreSQL's copied, by its own tools. Edge: databases, processes."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL

from collector.database import postgres_url, shown
from factoryledger.errors import NotThere, WrongUsage

MARK: Final = "UPDATE collectors SET kind = 'restored' WHERE kind = 'live'"
"""So that nobody goes on with a log that may have gone on elsewhere (collector.resume)."""


def mark_sqlite(path: Path) -> None:
    """Let no collector of a copy go on with its log; the copy is a store as collectors leave it."""
    with closing(sqlite3.connect(path)) as copy:
        with copy:
            copy.execute(MARK).close()
        copy.execute("PRAGMA journal_mode = WAL").close()


def dump_postgres(url: str, target: Path) -> None:
    """Copy a database as one transaction sees it, by pg_dump."""
    _run("pg_dump", postgres_url(url), "--format=custom", "--no-owner", f"--file={target}")


def restore_postgres(url: str, source: Path) -> None:
    """Put a dump into an empty database, by pg_restore, and mark its collectors."""
    import psycopg  # noqa: PLC0415 - on demand

    parsed = postgres_url(url)
    plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        with psycopg.connect(plain) as connection:
            row = connection.execute("SELECT to_regclass('collectors')").fetchone()
            if row is None or row[0] is not None:
                raise WrongUsage(f"{shown(parsed)} holds a store already; name an empty database")
        whole = ["--single-transaction", "--exit-on-error", "--no-owner"]
        _run("pg_restore", parsed, *whole, str(source))
        with psycopg.connect(plain) as connection:
            connection.execute(MARK)
    except psycopg.Error as error:
        raise NotThere(f"{shown(parsed)}: {error}") from error


def _run(program: str, url: URL, *arguments: str) -> None:
    path = _found(program)
    query = {name: value for name, value in url.query.items() if name != "password"}
    password = url.password or url.query.get("password")
    plain = URL.create(
        "postgresql",
        username=url.username,
        host=url.host,
        port=url.port,
        database=url.database,
        query=query,
    )
    # By the environment of this one process: a command line is everybody's to read.
    secret = {} if password is None else {"PGPASSWORD": str(password)}
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own tool
        [path, *arguments, f"--dbname={plain.render_as_string()}"],
        env={**os.environ, **secret},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        why = " ".join(done.stderr.split())[-300:]
        raise NotThere(f"{program} of {shown(url)} failed: {why}")


def _found(program: str) -> str:
    newest = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{program}"),
        key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0,
    )
    path = str(newest[-1]) if newest else shutil.which(program)
    if path is None:
        raise NotThere(
            f"{program} is not here: install PostgreSQL's client programs, of the server's version"
        )
    return path
