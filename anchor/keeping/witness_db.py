"""witness.db: what a witness cosigned last, for each pinned origin.

Check and persist are one transaction: of two requests at once, the later one sees what the
earlier one left, and no size ever goes back.
"""

from collections.abc import Callable
from pathlib import Path
from threading import Lock

from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import DBAPIError

from anchor.errors import Diverged, Missing
from anchor.keeping.add_checkpoint import Seen
from anchor.keeping.durable import Durable
from anchor.keeping.sqlite import close_writer, open_reader, open_writer

_METADATA = MetaData()
_SEEN = Table(
    "seen",
    _METADATA,
    Column("origin", String, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", LargeBinary, nullable=False),
)


class WitnessState:
    """The state of one witness; safe to use from several threads."""

    def __init__(self, path: Path, durable: Durable | None = None) -> None:
        self._durable = durable or Durable()
        self.path = path
        self._engine = open_writer(path)
        # One connection, so one transaction at a time within the process as well.
        self._lock = Lock()
        try:
            with self._engine.begin() as connection:
                _METADATA.create_all(connection)
                # A few pages: what SQLite itself sees of damage, before anything rests on it.
                self._check(connection.exec_driver_sql("PRAGMA integrity_check").scalar())
        except BaseException:
            self.close()
            raise

    def _check(self, found: object) -> None:
        if found != "ok":
            raise Diverged(f"{self.path} is damaged ({found}): put back the newest state")

    def close(self) -> None:
        """Close the database; DiskFailed where the disk fails at that."""
        close_writer(self._engine, self.path)

    def latest(self, origin: str) -> Seen | None:
        """What was cosigned last for an origin; None if nothing ever was."""
        statement = select(_SEEN.c.size, _SEEN.c.root, _SEEN.c.note)
        with self._lock, self._engine.begin() as connection:
            row = connection.execute(statement.where(_SEEN.c.origin == origin)).first()
        return None if row is None else Seen(*row)

    def advance(self, origin: str, decide: Callable[[Seen], Seen]) -> Seen:
        """Replace what was cosigned last by what `decide` makes of it, durably, and give it.

        Whatever `decide` raises leaves everything as it was.
        """
        result = Seen()

        def transaction() -> None:
            nonlocal result
            with self._lock, self._engine.begin() as connection:
                statement = select(_SEEN.c.size, _SEEN.c.root, _SEEN.c.note)
                row = connection.execute(statement.where(_SEEN.c.origin == origin)).first()
                result = decide(Seen() if row is None else Seen(*row))
                values = {"size": result.size, "root": result.root, "note": result.note}
                put = upsert(_SEEN).values(origin=origin, **values)
                connection.execute(
                    put.on_conflict_do_update(index_elements=["origin"], set_=values)
                )

        self._durable.commit(transaction)
        return result


def read_seen(path: Path, origin: str) -> Seen:
    """What a witness cosigned last for an origin, beside a running one; Missing if nothing."""
    if not path.exists():
        raise Missing(f"{path} is not there: no witness has run on it yet")
    engine = open_reader(path)
    try:
        with engine.begin() as connection:
            statement = select(_SEEN.c.size, _SEEN.c.root, _SEEN.c.note)
            row = connection.execute(statement.where(_SEEN.c.origin == origin)).first()
    except DBAPIError as error:
        raise Missing(f"{path} cannot be read: {error.orig}") from error
    finally:
        engine.dispose()
    if row is None:
        raise Missing(f"{path}: no checkpoint of {origin} was cosigned yet")
    return Seen(*row)
