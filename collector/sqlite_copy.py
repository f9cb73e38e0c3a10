"""An SQLite database copied as one transaction sees it, beside its writer. Edge: the disk."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from collector.errors import StoreUnavailable


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a database into one file, with nothing beside it; StoreUnavailable if it is damaged.

    `target` is not synced: it is the caller's to make durable, and to name.
    """
    with (
        closing(sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True)) as reading,
        closing(sqlite3.connect(target)) as copy,
    ):
        reading.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE").close()
        (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise StoreUnavailable(f"{source} is damaged: {found}; run `factoryledger audit`")
