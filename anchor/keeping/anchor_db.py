"""anchor.db: the head of the anchor log, which entry holds what, what was published when.

The anchor alone writes it. All but the times in `cosigned` can be rebuilt from the folder.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    func,
    insert,
    select,
    tuple_,
)
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import OperationalError

from anchor.errors import Diverged, Missing
from anchor.keeping.durable import Durable
from anchor.keeping.sqlite import close_writer, open_reader, open_writer
from anchor.merkle import EMPTY_ROOT

_METADATA = MetaData()
_HEAD = Table(
    "head",
    _METADATA,
    Column("origin", String, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("root", LargeBinary, nullable=False),
)
_ENTRIES = Table(
    "entries",
    _METADATA,
    Column("position", Integer, primary_key=True),
    Column("hash", LargeBinary, nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("collector", String),
    Column("number", Integer),
    Column("size", Integer),
    Index("entries_of_collector", "collector", "number", unique=True),
)
_COSIGNED = Table(
    "cosigned",
    _METADATA,
    Column("hash", LargeBinary, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("time", Integer, nullable=False),
)
# Both are made also in a database that was there without them, and no more than a quicker way.
_CORRECTIONS = Index(
    "entries_corrections", _ENTRIES.c.position, sqlite_where=_ENTRIES.c.kind == "correction"
)
_COSIGNED_BY_SIZE = Index("cosigned_by_size", _COSIGNED.c.size, _COSIGNED.c.hash)


@dataclass(frozen=True, slots=True)
class Head:
    """The log's committed head; `root` 32 bytes."""

    size: int = 0
    root: bytes = EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class IndexRow:
    """What one entry of the anchor log is.

    `hash` is SHA-256 of the entry; `kind` is `key`, `correction` or `checkpoint`. For a checkpoint:
    whose it is, the batch's number, and the size that it states.
    """

    position: int
    hash: bytes
    kind: str
    collector: str | None = None
    number: int | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class AnchorState:
    """How far the anchor is, for `stats`: leaves appended, leaves published, when (microseconds).

    `anchored` counts for each collector the batches under the published checkpoint.
    """

    size: int
    published: int
    time: int | None
    anchored: dict[str, int]


class AnchorDb:
    """The database of one anchor log; `durable` carries its commits."""

    def __init__(self, path: Path, origin: str, durable: Durable | None = None) -> None:
        self.path = path
        self._origin = origin
        self.durable = durable or Durable()
        self.engine: Engine = open_writer(path)
        try:
            self._set_up()
        except BaseException:
            self.close()
            raise

    def _set_up(self) -> None:
        """Make the tables where they are not; Diverged for the database of another log."""
        with self.engine.begin() as connection:
            _METADATA.create_all(connection)
            _COSIGNED_BY_SIZE.create(connection, checkfirst=True)
            _CORRECTIONS.create(connection, checkfirst=True)
            others = select(_HEAD.c.origin).where(_HEAD.c.origin != self._origin)
            found = connection.scalars(others).first()
        if found is not None:
            raise Diverged(
                f"{self.path} belongs to the log {found}, not to {self._origin}: give the path of "
                "this log's own database, or the key of that log"
            )

    def close(self) -> None:
        """Close the connection; DiskFailed where the disk fails at that."""
        close_writer(self.engine, self.path)

    def head(self) -> Head | None:
        """The committed head; None in a new database."""
        with self.engine.begin() as connection:
            row = connection.execute(select(_HEAD.c.size, _HEAD.c.root)).first()
        return None if row is None else Head(row.size, row.root)

    def extend(self, rows: Sequence[IndexRow], head: Head) -> None:
        """Commit new entries and the head after them, together."""

        def transaction() -> None:
            with self.engine.begin() as connection:
                for start in range(0, len(rows), 1000):
                    chunk = rows[start : start + 1000]
                    connection.execute(insert(_ENTRIES), [_values(row) for row in chunk])
                put = upsert(_HEAD).values(origin=self._origin, size=head.size, root=head.root)
                connection.execute(
                    put.on_conflict_do_update(
                        index_elements=["origin"], set_={"size": head.size, "root": head.root}
                    )
                )

        self.durable.commit(transaction)

    def index(self, kind: str | None = None) -> list[IndexRow]:
        """Every entry in order, or those of one kind."""
        statement = select(_ENTRIES).order_by(_ENTRIES.c.position)
        if kind is not None:
            statement = statement.where(_ENTRIES.c.kind == kind)
        with self.engine.begin() as connection:
            return [IndexRow(*row) for row in connection.execute(statement)]

    def ends(self) -> dict[str, tuple[int, int]]:
        """For each collector the number of its next batch and the size after its last."""
        columns = (_ENTRIES.c.collector, func.max(_ENTRIES.c.number), func.max(_ENTRIES.c.size))
        statement = select(*columns).where(_ENTRIES.c.kind == "checkpoint")
        with self.engine.begin() as connection:
            rows = connection.execute(statement.group_by(_ENTRIES.c.collector)).all()
        return {collector: (number + 1, size) for collector, number, size in rows}

    def extent(self) -> tuple[int, int]:
        """How many entries it knows, and the position of the last; (0, -1) for none."""
        statement = select(func.count(), func.max(_ENTRIES.c.position)).select_from(_ENTRIES)
        with self.engine.begin() as connection:
            count, last = connection.execute(statement).one()
        return count, -1 if last is None else last

    def last_checkpoints(self) -> list[tuple[IndexRow, int]]:
        """Each collector's row of the highest number, and how many rows it has."""
        mine = _ENTRIES.c.kind == "checkpoint"
        last = select(_ENTRIES.c.collector, func.max(_ENTRIES.c.number).label("last"), func.count())
        ends = last.where(mine).group_by(_ENTRIES.c.collector).subquery()
        same = (_ENTRIES.c.collector == ends.c.collector) & (_ENTRIES.c.number == ends.c.last)
        statement = select(_ENTRIES, ends.c.count).join(ends, same)
        with self.engine.begin() as connection:
            return [(IndexRow(*row[:-1]), row[-1]) for row in connection.execute(statement)]

    def last_checkpoint(self, collector: str) -> int:
        """The position of a collector's last checkpoint; it has one."""
        mine = (_ENTRIES.c.kind == "checkpoint", _ENTRIES.c.collector == collector)
        with self.engine.begin() as connection:
            return int(connection.scalar(select(func.max(_ENTRIES.c.position)).where(*mine)) or 0)

    def add_cosigned(self, note_hash: bytes, size: int, time: int) -> None:
        """Note that a checkpoint was published; once for each."""

        def transaction() -> None:
            with self.engine.begin() as connection:
                put = upsert(_COSIGNED).values(hash=note_hash, size=size, time=time)
                connection.execute(put.on_conflict_do_nothing())

        self.durable.commit(transaction)

    def newest(self) -> tuple[bytes, int] | None:
        """The checkpoint that was published last: hash, size."""
        statement = select(_COSIGNED.c.hash, _COSIGNED.c.size)
        statement = statement.order_by(_COSIGNED.c.size.desc(), _COSIGNED.c.time.desc()).limit(1)
        with self.engine.begin() as connection:
            row = connection.execute(statement).first()
        return None if row is None else (row.hash, row.size)

    def published_after(self, note_hash: bytes) -> list[tuple[bytes, int]]:
        """What was published after this checkpoint, in order: hash, size."""
        before = select(_COSIGNED.c.size, _COSIGNED.c.time).where(_COSIGNED.c.hash == note_hash)
        with self.engine.begin() as connection:
            row = connection.execute(before).first()
            if row is None:
                return []
            place = tuple_(_COSIGNED.c.size, _COSIGNED.c.time)
            statement = select(_COSIGNED.c.hash, _COSIGNED.c.size)
            statement = statement.where(place > tuple_(row.size, row.time))
            statement = statement.order_by(_COSIGNED.c.size, _COSIGNED.c.time)
            return [(row.hash, row.size) for row in connection.execute(statement)]

    def cosigned(self) -> list[tuple[bytes, int, int]]:
        """Every published checkpoint: hash, size, time in microseconds; in order of size."""
        statement = select(_COSIGNED).order_by(_COSIGNED.c.size, _COSIGNED.c.time)
        with self.engine.begin() as connection:
            return [(row.hash, row.size, row.time) for row in connection.execute(statement)]


def read_state(path: Path) -> AnchorState:
    """How far the anchor is, beside a running one; Missing when there is no database yet."""
    if not path.exists():
        raise Missing(f"{path} is not there: no anchor has run on it yet")
    engine = open_reader(path)
    try:
        with engine.begin() as connection:
            return _read_state(connection)
    except OperationalError as error:
        # The anchor makes the tables right after the file.
        raise Missing(f"{path} cannot be read (yet): {error.orig}") from error
    finally:
        engine.dispose()


def _read_state(connection: Connection) -> AnchorState:
    size = connection.scalar(select(func.max(_HEAD.c.size))) or 0
    last = connection.execute(
        select(_COSIGNED.c.size, _COSIGNED.c.time)
        .order_by(_COSIGNED.c.size.desc(), _COSIGNED.c.time)
        .limit(1)
    ).first()
    published = last.size if last else 0
    anchored = dict(_anchored(connection, published))
    return AnchorState(size, published, last.time if last else None, anchored)


def _anchored(connection: Connection, published: int) -> Iterator[tuple[str, int]]:
    """Each collector's batches under the published size; a few look-ups each, no scan."""
    first, last = func.min(_ENTRIES.c.collector), _ENTRIES.c.number + 1
    collector = connection.scalar(select(first))
    while collector is not None:
        mine = (_ENTRIES.c.collector == collector, _ENTRIES.c.position < published)
        newest = select(last).where(*mine).order_by(_ENTRIES.c.number.desc()).limit(1)
        count = connection.scalar(newest)
        if count is not None:
            yield str(collector), int(count)
        collector = connection.scalar(select(first).where(_ENTRIES.c.collector > collector))


def _values(row: IndexRow) -> dict[str, object]:
    return {
        "position": row.position,
        "hash": row.hash,
        "kind": row.kind,
        "collector": row.collector,
        "number": row.number,
        "size": row.size,
    }
