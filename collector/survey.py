"""Looks beside new runs of messages, and keeps down what is missing, broken off or forked.

Edge. Everything it writes follows from what is committed: done twice it is done once, and what a
crash kept it from is looked at again after the restart. Numbers are missing only by the word of
`claims`, so that several collectors on one store do not take each other's messages for gaps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from sqlalchemy import Connection, TextClause, text

from collector.continuity import Place, Run
from collector.continuity_report import filled, standing
from collector.naming import prev_of
from collector.ports import Transactions
from collector.stats import Gap, Standing

_log = structlog.get_logger(__name__)

_NEAR = 4096  # a start is looked for among so many last messages of a session ...
_LOOSE = 200  # the newest sessions whose first message names one that is not here
_RECENT = 64  # ... and in so many of its machine's last sessions; `audit` looks everywhere

_BELOW = text(
    "SELECT seq, body_hash FROM claims WHERE device = :device AND session = :session "
    "AND seq < :seq ORDER BY seq DESC LIMIT 1"
)
_ABOVE = text(
    "SELECT seq, body_hash FROM claims WHERE device = :device AND session = :session "
    "AND seq > :seq ORDER BY seq LIMIT 1"
)
_NAMED = text(
    "SELECT m.topic, m.payload, m.properties, m.received_at FROM claims AS c JOIN messages AS m "
    "ON m.collector = c.collector AND m.position = c.position "
    "WHERE c.device = :device AND c.session = :session AND c.seq = :seq"
)
_GAPS = text(
    "SELECT first, last, since FROM gaps WHERE device = :device AND session = :session "
    "AND last > :low AND first < :high"
)
_CLOSE = text(
    "DELETE FROM gaps WHERE device = :device AND session = :session "
    "AND last > :low AND first < :high"
)
_OPEN = text(
    "INSERT INTO gaps (device, session, first, last, since) "
    "VALUES (:device, :session, :first, :last, :since) "
    "ON CONFLICT (device, session, first) DO UPDATE SET last = excluded.last"
)
_SEEN = text(
    "INSERT INTO sessions (device, session, started, since) "
    "VALUES (:device, :session, 0, :since) ON CONFLICT (device, session) DO NOTHING"
)
_START = text(
    "UPDATE sessions SET started = 1, prev = :prev WHERE device = :device AND session = :session"
)
_NAMELESS = text(
    "SELECT 1 FROM sessions WHERE device = :device AND session <> :session AND started = 1 "
    "AND prev IS NULL LIMIT 1"
)
_AFTER = text(
    "UPDATE sessions SET after_session = :after_session, after_seq = :after_seq "
    "WHERE device = :device AND session = :session"
)
_LOOSE_STARTS = text(
    "SELECT device, session, prev FROM sessions WHERE prev IS NOT NULL AND after_session IS NULL "
    "ORDER BY since DESC LIMIT :most"
)
_SAME_START = text(
    "SELECT session FROM sessions WHERE device = :device AND prev = :prev AND session <> :session "
    "ORDER BY since, session LIMIT 1"
)
_STARTED_HERE = text(
    "SELECT session, prev, after_seq FROM sessions WHERE device = :device "
    "AND after_session = :session AND after_seq >= :low AND after_seq < :high"
)
_SESSIONS = text(
    "SELECT session FROM sessions WHERE device = :device ORDER BY since DESC LIMIT :most"
)
_TIP = text(
    "SELECT seq, body_hash FROM claims WHERE device = :device AND session = :session "
    "ORDER BY seq DESC LIMIT 1"
)
_BODY = text(
    "SELECT seq FROM claims WHERE device = :device AND session = :session AND seq > :low "
    "AND body_hash = :body"
)
_BEHIND_GAPS = text(
    "SELECT session, last + 1 FROM gaps WHERE device = :device ORDER BY since DESC LIMIT :most"
)
_BREAK = text(
    "INSERT INTO breaks (device, session, seq, kind, since, other_session, other_seq) "
    "VALUES (:device, :session, :seq, :kind, :since, :other_session, :other_seq) "
    "ON CONFLICT (device, session, seq, kind) DO NOTHING"
)
_MEND = text("DELETE FROM breaks WHERE device = :device AND session = :session AND kind = 'start'")
_SURVEYED = text(
    "UPDATE counters SET value = :value WHERE collector = :collector AND name = 'surveyed'"
)

_BEYOND: Final = 2**63 - 1


@dataclass(slots=True)
class Surveyed:
    """What a survey found: runs that are the end of their session, and sessions to doubt.

    `standing` is what the whole store shows, where that was counted.
    """

    tops: list[tuple[Place, Run]] = field(default_factory=list)
    doubted: list[Place] = field(default_factory=list)
    forks: int = 0
    breaks: int = 0
    standing: Standing | None = None


class Survey:
    """Surveys for one collector; each call is a transaction."""

    def __init__(self, store: Transactions, collector: str) -> None:
        self._store = store
        self._collector = collector

    def look(self, taken: Mapping[Place, Sequence[Run]], *, surveyed: int) -> Surveyed:
        """Look at these runs, and note that all before position `surveyed` is looked at."""
        found = Surveyed()
        with self._store.writing() as connection:
            for place, runs in taken.items():
                session = _Session(connection, place, found)
                for run in runs:
                    session.look(run)
                session.finish(runs)
            values = {"collector": self._collector, "value": surveyed}
            connection.execute(_SURVEYED, values)
        return found

    def look_again(self) -> Surveyed:
        """Look for what was not here before: whom sessions go on from, what gaps lack; count."""
        found = Surveyed()
        with self._store.writing() as connection:
            for device, session, prev in connection.execute(_LOOSE_STARTS, {"most": _LOOSE}).all():
                _Session(connection, (device, session), found).place(prev)
            for gap, numbers in filled(connection).items():
                _Session(connection, (gap.device, gap.session), found).fill(gap, numbers)
            found.standing = standing(connection)
        return found


class _Session:
    """One session of one machine, under the survey's transaction."""

    def __init__(self, connection: Connection, place: Place, found: Surveyed) -> None:
        self._connection = connection
        self._device, self._session = place
        self._found = found

    def look(self, run: Run) -> None:
        """Look below and above a run, and for those who go on from inside of it."""
        below = self._row(_BELOW, seq=run.first)
        above = self._row(_ABOVE, seq=run.last)
        self._mark_gaps(run, -1 if below is None else below.seq, above)
        if below is None:
            self._all(_SEEN, since=self._received(self._session, run.first))
        if run.first == 0:
            self._begin(run)
        elif below is None or below.seq < run.first - 1:
            self._compare_start(run)
        elif below.body_hash != run.prev:
            self._break_off(run.first, run.prev)
        if above is not None and above.seq == run.last + 1:
            known, prev = self._prev(self._session, above.seq)
            if known and prev != run.body:
                self._break_off(above.seq, prev)
        for session, prev, seq in self._all(_STARTED_HERE, low=run.first - 1, high=run.last):
            if seq >= run.first or prev == run.prev:
                self._fork(session, 0, self._session, seq + 1)

    def fill(self, gap: Gap, numbers: Sequence[int]) -> None:
        """Keep down what of a gap is missing, now that these numbers are there."""
        self._all(_CLOSE, low=gap.first - 1, high=gap.last + 1)
        for part in gap.without(numbers):
            self._all(_OPEN, first=part.first, last=part.last, since=part.since)

    def finish(self, runs: Sequence[Run]) -> None:
        """Find which of the runs is the end of the session."""
        tip = self._row(_TIP)
        for run in runs:
            if tip is not None and (tip.seq, tip.body_hash) == (run.last, run.body):
                place = (self._device, self._session)
                if place not in self._found.doubted:
                    self._found.tops.append((place, run))

    def _mark_gaps(self, run: Run, low: int, above: Any) -> None:
        """Replace what is noted between the neighbours by what is missing now."""
        high = _BEYOND if above is None else above.seq
        before = self._all(_GAPS, low=low, high=high)
        if before:
            self._all(_CLOSE, low=low, high=high)
        self._open(low + 1, run.first - 1, before)
        if above is not None:
            self._open(run.last + 1, high - 1, before)

    def _open(self, first: int, last: int, before: Sequence[Any]) -> None:
        """Note a gap; it is there since what comes after it came, or as long as it was."""
        if first > last:
            return
        known = [gap.since for gap in before if gap.first <= last and gap.last >= first]
        since = min(known) if known else self._received(self._session, last + 1)
        self._all(_OPEN, first=first, last=last, since=since)

    def _begin(self, run: Run) -> None:
        """Note a session's start, and where it goes on from."""
        self._all(_START, prev=run.prev)
        if run.prev is not None:
            self.place(run.prev)
        elif self._row(_NAMELESS) is not None:
            self._break(self._session, 0, "lost")

    def place(self, prev: bytes) -> None:
        """Find the message that the session's first one names; nothing else may name it too."""
        twin = self._row(_SAME_START, prev=prev)
        if twin is not None:
            self._fork(self._session, 0, twin.session, 0)
        found = self._whose(prev, but=self._session)
        if found is None:
            self._break(self._session, 0, "start")
            self._compare_gaps(prev)
            return
        after, seq = found
        self._all(_MEND)
        self._all(_AFTER, after_session=after, after_seq=seq)
        known, named = self._prev(after, seq + 1)
        if known and named == prev:
            self._fork(self._session, 0, after, seq + 1)
        # The next message of that session, should one come, names what this one does.
        self._found.doubted.append((self._device, after))

    def _compare_start(self, run: Run) -> None:
        """Behind a gap: a session may start from the missing message that this one names."""
        twin = None if run.prev is None else self._row(_SAME_START, session="", prev=run.prev)
        if twin is not None:
            self._fork(twin.session, 0, self._session, run.first)

    def _compare_gaps(self, prev: bytes) -> None:
        """As `_compare_start`, for a session that starts from a missing message."""
        for session, seq in self._all(_BEHIND_GAPS, most=_RECENT):
            known, named = self._prev(session, seq)
            if known and named == prev:
                self._fork(self._session, 0, session, seq)

    def _break_off(self, seq: int, prev: bytes | None) -> None:
        """A message that does not name the one before it in its own session."""
        self._break(self._session, seq, "link")
        if prev is None:
            return
        twin = self._row(_SAME_START, session="", prev=prev)
        if twin is not None:
            self._fork(self._session, seq, twin.session, 0)
        found = self._whose(prev, but=None)
        if found is not None and (found[0], found[1] + 1) != (self._session, seq):
            known, named = self._prev(found[0], found[1] + 1)
            if known and named == prev:
                self._fork(self._session, seq, found[0], found[1] + 1)

    def _whose(self, body: bytes, *, but: str | None) -> tuple[str, int] | None:
        """Session and number of this machine's message of this body, among the last ones."""
        sessions = [row.session for row in self._all(_SESSIONS, most=_RECENT)]
        tips = {
            session: tip
            for session in dict.fromkeys([self._session, *sessions])
            if session != but and (tip := self._row(_TIP, session=session)) is not None
        }
        for session, tip in tips.items():
            if tip.body_hash == body:
                return session, tip.seq
        for session, tip in tips.items():
            row = self._row(_BODY, session=session, low=tip.seq - _NEAR, body=body)
            if row is not None:
                return session, row.seq
        return None

    def _fork(self, session: str, seq: int, other: str, other_seq: int) -> None:
        """Two messages name one: whoever has the machine's key is there twice."""
        if self._break(session, seq, "fork", other, other_seq):
            self._found.forks += 1
            _log.error(
                "fork: two messages name one predecessor, as of a machine that was cloned",
                device=self._device,
                session=session,
                seq=seq,
                other_session=other,
                other_seq=other_seq,
            )

    def _break(
        self,
        session: str,
        seq: int,
        kind: str,
        other: str | None = None,
        other_seq: int | None = None,
    ) -> bool:
        """Keep a break once; say whether it is new."""
        since = self._received(session, seq)
        values = {"other_session": other, "other_seq": other_seq}
        result = self._execute(_BREAK, session=session, seq=seq, kind=kind, since=since, **values)
        new: bool = result.rowcount == 1
        if new and kind != "fork":
            self._found.breaks += 1
            _log.warning(
                "a message does not follow on",
                device=self._device,
                session=session,
                seq=seq,
                kind=kind,
            )
        return new

    def _prev(self, session: str, seq: int) -> tuple[bool, bytes | None]:
        """What a stored message names; not known where it is not there, or erased."""
        row = self._row(_NAMED, session=session, seq=seq)
        if row is None or row.payload is None:
            return False, None
        return True, prev_of(row.topic, row.payload, row.properties)

    def _received(self, session: str, seq: int) -> int:
        row = self._row(_NAMED, session=session, seq=seq)
        return 0 if row is None else row.received_at

    def _row(self, statement: TextClause, **values: object) -> Any:
        return self._execute(statement, **values).first()

    def _all(self, statement: TextClause, **values: object) -> Sequence[Any]:
        result = self._execute(statement, **values)
        return result.all() if result.returns_rows else []

    def _execute(self, statement: TextClause, **values: object) -> Any:
        named = {"device": self._device, "session": self._session, **values}
        return self._connection.execute(statement, named)
