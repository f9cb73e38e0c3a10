"""Opening the store for its writer, whichever database the URL names."""

from collector.database import sqlite_path
from collector.writing import Store

__all__ = ["Store", "open_store"]


def open_store(url: str, *, create: bool) -> Store:
    """Bring a store's schema up to date and give it to its writer.

    `url` is SQLAlchemy's. StoreLocked when another process writes to the file (on PostgreSQL
    each collector is locked by itself, `Store.own`); StoreUnavailable when it is not there
    (and not to be created), is no store, or is of a newer release.
    """
    path = sqlite_path(url)
    if path is None:
        # On demand: psycopg is not loaded where a file is the store.
        from collector.postgres_store import open_postgres  # noqa: PLC0415

        return open_postgres(url, create=create)
    from collector.sqlite_store import open_sqlite  # noqa: PLC0415 - as above

    return open_sqlite(path, create=create)
