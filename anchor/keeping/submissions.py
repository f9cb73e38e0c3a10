"""What was given to outside ledgers and what became of it, in anchor.db.

A row is there before a ledger is asked for the first time, and each ticket before the step
that must not be taken twice. An older anchor.db gets the table when it is opened.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from sqlalchemy import (
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    case,
    func,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import OperationalError

from anchor.keeping.anchor_db import AnchorDb
from anchor.keeping.sqlite import open_reader

State = Literal["pending", "stamped", "refused"]
PENDING: Final = "pending"
STAMPED: Final = "stamped"
REFUSED: Final = "refused"

_METADATA = MetaData()
_TABLE = Table(
    "submissions",
    _METADATA,
    Column("ledger", String, primary_key=True),
    Column("hash", LargeBinary, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("ticket", LargeBinary),
    Column("tries", Integer, nullable=False),
    Column("failure", String),
    Column("failed", Integer),
    Column("begun", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("stamp", Integer),
    Index("submissions_by_state", "ledger", "state", "size"),
    Index("submissions_by_size", "ledger", "size"),
)


@dataclass(frozen=True, slots=True)
class Submission:
    """One checkpoint on its way to one ledger.

    `hash` is SHA-256 of the whole cosigned note, `size` the log's there. `tries` counts what
    failed. Times are microseconds since the epoch; `stamp` is the receipt's, POSIX seconds.
    """

    hash: bytes
    size: int
    state: State
    ticket: bytes | None
    tries: int
    failure: str | None
    begun: int
    changed: int
    stamp: int | None


@dataclass(frozen=True, slots=True)
class LedgerState:
    """How far one ledger is, for `stats`.

    `newest` is the time of the latest stamp (POSIX seconds), `size` the log's size under it;
    `failed` is when `failure` was (microseconds).
    """

    name: str
    submitted: int
    stamped: int
    pending: int
    refused: int
    tries: int
    failure: str | None
    failed: int | None
    newest: int | None
    size: int


class Submissions:
    """One ledger's rows; every change is durable when it returns. For any thread."""

    def __init__(self, db: AnchorDb, ledger: str) -> None:
        self._db = db
        self._ledger = ledger
        with db.engine.begin() as connection:
            _METADATA.create_all(connection)

    def begin(self, note_hash: bytes, size: int, now: int) -> None:
        """Note that a checkpoint is to be given to the ledger; once for each."""
        row = {
            "ledger": self._ledger,
            "hash": note_hash,
            "size": size,
            "state": PENDING,
            "tries": 0,
            "begun": now,
            "changed": now,
        }
        self._commit(lambda c: c.execute(upsert(_TABLE).values(row).on_conflict_do_nothing()))

    def keep(self, note_hash: bytes, ticket: bytes, now: int) -> None:
        """Make a ticket durable; the one before is forgotten."""
        self._set(note_hash, ticket=ticket, changed=now)

    def fail(self, note_hash: bytes, failure: str, now: int) -> None:
        """Note a try that failed."""
        self._set(note_hash, tries=_TABLE.c.tries + 1, failure=failure, failed=now, changed=now)

    def stamped(self, note_hash: bytes, stamp: int | None, now: int) -> None:
        """Note that the receipt is stored, and its time where it shows one here."""
        self._set(note_hash, state=STAMPED, stamp=stamp, changed=now)

    def refused(self, note_hash: bytes, failure: str, now: int) -> None:
        """Note that the ledger will never take this one, or answered falsely."""
        self._set(
            note_hash,
            state=REFUSED,
            tries=_TABLE.c.tries + 1,
            failure=failure,
            failed=now,
            changed=now,
        )

    def again(self) -> None:
        """Let the checkpoint that was begun last be tried again if it was refused."""
        last = self.last()
        if last is not None:
            mine = (_TABLE.c.ledger == self._ledger, _TABLE.c.hash == last[0])
            change = update(_TABLE).where(*mine, _TABLE.c.state == REFUSED)
            self._commit(lambda c: c.execute(change.values(state=PENDING)))

    def pending(self) -> list[Submission]:
        """What is on its way, the oldest tree first."""
        mine = (_TABLE.c.ledger == self._ledger, _TABLE.c.state == PENDING)
        columns = (_TABLE.c[name] for name in Submission.__slots__)
        statement = select(*columns).where(*mine).order_by(_TABLE.c.size, _TABLE.c.begun)
        with self._db.engine.begin() as connection:
            return [Submission(*row) for row in connection.execute(statement)]

    def last(self, *, but_refused: bool = False) -> tuple[bytes, int] | None:
        """The checkpoint that was begun last: its hash, and when in microseconds.

        By the size of its tree: clocks go back, trees do not.
        """
        statement = select(_TABLE.c.hash, _TABLE.c.begun).where(_TABLE.c.ledger == self._ledger)
        if but_refused:
            statement = statement.where(_TABLE.c.state != REFUSED)
        statement = statement.order_by(_TABLE.c.size.desc(), _TABLE.c.begun.desc()).limit(1)
        with self._db.engine.begin() as connection:
            row = connection.execute(statement).first()
        return None if row is None else (row.hash, row.begun)

    def state(self) -> LedgerState:
        """How far this ledger is."""
        with self._db.engine.begin() as connection:
            found = _states(connection, self._ledger)
        return found[0] if found else LedgerState(self._ledger, 0, 0, 0, 0, 0, None, None, None, 0)

    def _set(self, note_hash: bytes, **values: Any) -> None:
        mine = (_TABLE.c.ledger == self._ledger, _TABLE.c.hash == note_hash)
        self._commit(lambda c: c.execute(update(_TABLE).where(*mine).values(values)))

    def _commit(self, change: Callable[[Connection], object]) -> None:
        def transaction() -> None:
            with self._db.engine.begin() as connection:
                change(connection)

        self._db.durable.commit(transaction)


def read_submissions(path: Path) -> list[LedgerState]:
    """How far each ledger is, beside a running anchor; none where none was ever used."""
    if not path.exists():
        return []
    engine = open_reader(path)
    try:
        with engine.begin() as connection:
            return _states(connection)
    except OperationalError:
        # The table comes with the first ledger.
        return []
    finally:
        engine.dispose()


def _states(connection: Connection, ledger: str | None = None) -> list[LedgerState]:
    def count(state: State) -> Any:
        return func.sum(case((_TABLE.c.state == state, 1), else_=0))

    statement = select(
        _TABLE.c.ledger,
        func.count(),
        count(STAMPED),
        count(PENDING),
        count(REFUSED),
        func.sum(_TABLE.c.tries),
        func.max(_TABLE.c.failed),
        func.max(_TABLE.c.stamp),
        func.max(case((_TABLE.c.state == STAMPED, _TABLE.c.size), else_=0)),
    ).group_by(_TABLE.c.ledger)
    if ledger is not None:
        statement = statement.where(_TABLE.c.ledger == ledger)
    found = list[LedgerState]()
    for row in connection.execute(statement.order_by(_TABLE.c.ledger)).all():
        name, submitted, stamped, pending, refused, tries, failed, newest, size = row
        failure = _failure(connection, name, failed)
        found.append(
            LedgerState(
                name, submitted, stamped, pending, refused, tries, failure, failed, newest, size
            )
        )
    return found


def _failure(connection: Connection, ledger: str, when: int | None) -> str | None:
    if when is None:
        return None
    mine = (_TABLE.c.ledger == ledger, _TABLE.c.failed == when)
    found = connection.scalar(select(_TABLE.c.failure).where(*mine).limit(1))
    return None if found is None else str(found)
