"""The stores: there, of this release, durable, and moving with the clock."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine

from collector.database import postgres_url, shown, sqlite_path
from collector.disguises import postgres_disguises, sqlite_disguises
from collector.errors import StoreUnavailable
from collector.schema import heads
from factoryledger.doctor.line import Line, bad, good, warning
from factoryledger.installation import Installation

_FUTURE: Final = 5_000_000  # µs
_SAFE: Final = {"on", "remote_apply"}


def check_stores(place: Installation) -> Iterator[Line]:
    """Each store that would be read."""
    for url in place.database_urls():
        path = sqlite_path(url)
        name = shown(postgres_url(url)) if path is None else str(path)
        if path is not None and not path.exists():
            yield warning("store", f"{name} is not there yet", "`factoryledger collect` makes it")
            continue
        try:
            engine = _engine(url, path)
        except StoreUnavailable as error:
            yield bad("store", f"{name}: {error}", "see the sentence")
            continue
        try:
            with engine.begin() as connection:
                yield from _examined(connection, name, postgres=path is None)
        finally:
            engine.dispose()


def _engine(url: str, path: Path | None) -> Engine:
    if path is None:
        from collector.postgres import check_server, postgres_engine  # noqa: PLC0415 - on demand

        return postgres_engine(postgres_url(url), check_server)
    from collector.sqlite_reading import reading_engine  # noqa: PLC0415 - on demand

    return reading_engine(path)


def _examined(connection: Connection, name: str, *, postgres: bool) -> Iterator[Line]:
    disguises = list((postgres_disguises if postgres else sqlite_disguises)(connection))
    if disguises:
        for disguise in disguises:
            todo = "`factoryledger audit`: somebody who may change the database did so"
            yield bad("store", f"{name}: {disguise.detail}", todo, false=True)
        return
    now = MigrationContext.configure(connection).get_current_revision()
    newest, known = heads()
    if now is None:
        yield warning("store", f"{name} is empty", "`factoryledger collect` makes its tables")
        return
    if now not in known:
        yield bad("store", f"{name} is of a newer release (schema {now})", "use that release")
        return
    if now != newest:
        yield warning(
            "store",
            f"{name} has schema {now}, this release {newest}",
            "the next start of `factoryledger collect` brings it forward; back it up before",
        )
    else:
        yield good("store", f"{name}: schema {now}")
    yield from _durability(connection, name) if postgres else _sqlite(connection, name)
    yield from _clock(connection, name)


def _sqlite(connection: Connection, name: str) -> Iterator[Line]:
    mode = _one(connection, "PRAGMA journal_mode")
    if mode == "wal":
        # `synchronous` belongs to a connection: the collector sets its own to FULL.
        yield good("durability", f"{name}: WAL; the collector syncs each commit")
    else:
        yield warning(
            "durability",
            f"{name}: journal_mode {mode}",
            "somebody changed it; the collector sets WAL at its next start",
        )


def _durability(connection: Connection, name: str) -> Iterator[Line]:
    said = {
        setting: str(_one(connection, f"SHOW {setting}"))
        for setting in ("fsync", "full_page_writes", "synchronous_commit", "server_version")
    }
    if said["fsync"] != "on":
        yield bad(
            "durability",
            f"{name}: fsync is {said['fsync']}: what is committed does not survive a power cut",
            "set fsync = on in postgresql.conf; the collector refuses such a server",
        )
    elif said["full_page_writes"] != "on":
        yield warning(
            "durability",
            f"{name}: full_page_writes is {said['full_page_writes']}: a power cut may tear a page",
            "set it on, unless the file system writes pages whole (ZFS)",
        )
    elif said["synchronous_commit"] not in _SAFE:
        yield warning(
            "durability",
            f"{name}: synchronous_commit is {said['synchronous_commit']} by default; the collector "
            "sets it on for itself",
            "nothing, unless other programs write there",
        )
    else:
        yield good("durability", f"{name}: PostgreSQL {said['server_version']}, synced commits")


def _clock(connection: Connection, name: str) -> Iterator[Line]:
    last = _one(connection, "SELECT max(received_at) FROM messages")
    ahead = 0 if last is None else int(last) - time.time_ns() // 1000
    if ahead > _FUTURE:
        yield bad(
            "clock",
            f"{name}: its newest message came {ahead / 1e6:,.0f} s from now: this machine's clock "
            "went back, or was ahead",
            "set the clock (NTP); until then new messages are stored with that time",
        )
    else:
        yield good("clock", f"{name}: no message comes from the future")


def _one(connection: Connection, query: str) -> Any:
    return connection.exec_driver_sql(query).scalar()
