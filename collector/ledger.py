"""One collector at work: arrivals in, committed rows and receipts out.

Not thread-safe, and may block on the disk: one worker thread runs it. What `take` has
returned for is committed; when it raises, nothing of that call may be acknowledged.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import structlog
from sqlalchemy.exc import DBAPIError

from collector.arrived import Arrived
from collector.batch import Batch, build_batch
from collector.claims import StoredClaims
from collector.commit import Commit, Shelf, put_surely
from collector.continuity import Continuity, Link, Place, Run
from collector.counting import Counts, Door
from collector.decoding import Decoding
from collector.errors import Contested
from collector.judging import Docket, judge_all
from collector.keys import Keys
from collector.limits import Gate
from collector.patience import Patience, said
from collector.pending import Pending, Piece
from collector.ports import Extension, GrowingLog, Receipts
from collector.receipting import owed
from collector.refusing import refusal_rows
from collector.stats import Standing
from collector.survey import Survey
from collector.verdict import Judge, Verdict
from telemetry.judgement import judge
from telemetry.keyring import KeyStatement
from telemetry.rows import BatchRow

_log = structlog.get_logger(__name__)

_NOT_READ = (
    "the store cannot be read, so nothing of the batch was committed or acknowledged, and "
    "nothing is lost"
)
_AT_ONCE: Final = 200  # sessions of one survey's transaction: tens of milliseconds
_LOOK_AGAIN: Final = 30.0  # seconds
_FIRST_LOOK: Final = 2.0  # seconds after the start


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How far a collector has committed.

    `number` is that of its next batch, `floor` the receive time of its last record
    (microseconds), `source_line` the line of an ingested file that was committed last.
    """

    collector: str
    log: GrowingLog
    number: int
    floor: int
    source_line: int = 0


@dataclass(frozen=True, slots=True)
class Taken:
    """What one `take` did.

    `made` are the times of its accepted messages, by their machines, in microseconds;
    `commit_seconds` is how long the transaction took, tries included.
    """

    batch: BatchRow | None
    stored: int
    duplicates: int
    own: int
    refused: int
    statuses: Mapping[str, int] = field(default_factory=dict)
    causes: Mapping[str, int] = field(default_factory=dict)
    made: Sequence[int] = ()
    commit_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Put:
    """What has just been committed, and how long that took."""

    batch: Batch
    extension: Extension | None
    commit: Commit
    seconds: float


class Ledger:
    """Judges, batches and commits for one collector."""

    def __init__(  # noqa: PLR0913 - its parts, each replaceable in a test
        self,
        head: Head,
        counts: Counts,
        *,
        shelf: Shelf,
        claims: StoredClaims,
        keys: Keys,
        receipts: Receipts,
        judge: Judge = judge,
        survey: Survey,
        decoding: Decoding,
        patience: Patience | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.head = head
        # What a limit keeps out; a recording is let in as it is.
        self.gate: Gate | None = None
        # Gaps and forks in the store, as counted by the last survey that looked again.
        self.standing: Standing | None = None
        self._counts = counts
        self._shelf = shelf
        self._claims = claims
        self._keys = keys
        self._receipts = receipts
        self._judge = judge
        self._patience = patience or Patience()
        self._monotonic = monotonic
        self._pending = Pending()
        self._survey = survey
        self._decoding = decoding
        self._continuity = Continuity()
        self._looked_again = monotonic() - _LOOK_AGAIN + _FIRST_LOOK

    @property
    def owes(self) -> bool:
        """Whether receipts wait."""
        return len(self._pending) > 0

    @property
    def statements(self) -> Sequence[KeyStatement]:
        """The key statements applied so far, in order; it grows by itself."""
        return self._keys.statements

    @property
    def counters(self) -> Mapping[str, int]:
        """The counters as committed last; 0 for a name that is not there."""
        return self._counts.stored

    def take(
        self,
        arrivals: Sequence[Arrived],
        door: Door,
        *,
        ahead: Sequence[Verdict | str | None] | None = None,
        anchored_by: int | None = None,
        source_line: int | None = None,
    ) -> Taken:
        """Commit these arrivals as one batch, or only count them where none is new.

        `ahead` are verdicts on them, or why the gate keeps them out, from before.
        `anchored_by` (microseconds) is what their receipts promise; without it there are none.
        CommitFailed when they are not in the store and cannot be put there.
        """
        docket = judge_all(
            arrivals,
            judge=self._judge,
            keys=self._keys,
            ahead=ahead,
            gate=self.gate,
        )
        put = self._put(docket, door, source_line)
        batch, commit = put.batch, put.commit
        # Committed: only from here on may the process rely on it, or tell anyone.
        self._advance(put)
        self._continuity.note(batch.links, self._monotonic())
        self._decoding.note([row[4] for row in batch.messages])
        if anchored_by is not None:
            self._pending.stored(len(batch.records))
            now = self._monotonic()
            self._pending.add(batch.receipted, now=now, anchored_by=anchored_by)
        return Taken(
            batch=commit.batch,
            stored=len(batch.records),
            duplicates=batch.duplicates,
            own=docket.own,
            refused=len(docket.refused) + len(batch.refused),
            causes=Counter(one.cause for one in (*docket.refused, *batch.refused)),
            statuses=batch.statuses,
            made=batch.made,
            commit_seconds=put.seconds,
        )

    def receipts(self, room: int) -> list[tuple[str, bytes]]:
        """Topics and payloads to be published now, at most `room` of them."""
        return self._sealed(self._pending.due(self._monotonic(), room=room))

    def last_receipts(self, room: int) -> list[tuple[str, bytes]]:
        """As `receipts`, but all that wait: the collector is about to stop."""
        return self._sealed(self._pending.rest(room=room))

    @property
    def restless(self) -> bool:
        """Whether new runs of messages are to be looked at, or Sparkplug to be decoded."""
        now = self._monotonic()
        if self._decoding.due:
            return True
        return self._continuity.due(now) or now - self._looked_again >= _LOOK_AGAIN

    def resurvey(self, links: Iterable[Link]) -> None:
        """Take messages that an earlier process has committed, and may not have looked at."""
        self._continuity.note(links, self._monotonic())

    def survey(self, *, everything: bool = False) -> None:
        """Look at new runs of messages, and keep down what is missing or does not follow on.

        And decode the Sparkplug messages among them.
        Where the store does not answer it is left for later, and after a restart.
        """
        now = self._monotonic()
        taken: dict[Place, list[Run]] = {}
        try:
            while taken := self._continuity.take(now, everything=everything, most=_AT_ONCE):
                unseen = self._continuity.unseen(self.head.log.size)
                found = self._survey.look(taken, surveyed=unseen)
                self._counts.surveyed(unseen)
                self._continuity.settle(found.tops, found.doubted)
            again = everything or now - self._looked_again >= _LOOK_AGAIN
            self._decoding.catch_up(self.head.log.size, everything=everything, mark=again)
            if again:
                self._looked_again = now
                seen = self._survey.look_again()
                self._continuity.settle((), seen.doubted)
                self.standing = seen.standing
        except (DBAPIError, OSError) as error:
            self._continuity.put_back(taken, now)
            _log.warning(
                "gaps and forks not looked for yet, nor Sparkplug decoded", error=said(error)
            )

    def refresh_keys(self) -> int:
        """Apply the key entries that wait in the requests folder; give their number."""
        return self._keys.refresh()

    def save_keys(self) -> None:
        """Keep the key entries that no batch has kept yet; CommitFailed as with a batch."""
        unsaved = tuple(self._keys.unsaved)
        if unsaved:
            commit = Commit(
                collector=self.head.collector,
                key_entries=unsaved,
                counters=self._counts.stored,
                follows=self._counts.stored,
            )
            put_surely(self._shelf, commit, self._patience)
            self._keys.saved(unsaved)

    def _put(self, docket: Docket, door: Door, source_line: int | None) -> _Put:
        """Settle what was judged and commit it; again where another collector was faster."""
        while True:
            batch = self._patience.surely(
                lambda: self._batch(docket), again=self._claims.renew, what=_NOT_READ
            )
            extension = self.head.log.extend(batch.records) if batch.records else None
            commit = self._commit(batch, docket, extension, door, source_line)
            begun = self._monotonic()
            try:
                put_surely(self._shelf, commit, self._patience)
            except Contested as contested:
                _log.info("judged again", why=str(contested))
                self._claims.forget()
            else:
                return _Put(batch, extension, commit, self._monotonic() - begun)

    def _batch(self, docket: Docket) -> Batch:
        return build_batch(
            docket.judged,
            taken=self._claims,
            collector=self.head.collector,
            start=self.head.log.size,
            floor=self.head.floor,
        )

    def _commit(
        self,
        batch: Batch,
        docket: Docket,
        extension: Extension | None,
        door: Door,
        source_line: int | None,
    ) -> Commit:
        row = None if extension is None else self._row(extension)
        refused = [*docket.refused, *batch.refused]
        counters = self._counts.with_batch(
            door=door,
            statuses=batch.statuses,
            duplicates=batch.duplicates,
            own=docket.own,
            refused=len(refused),
        )
        # Before this position gaps and forks were looked for: a restart begins there.
        counters["surveyed"] = self._continuity.unseen(batch.start)
        refusals, causes = refusal_rows(self.head.collector, refused, counters)
        counters.update(causes)
        return Commit(
            collector=self.head.collector,
            batch=row,
            messages=batch.messages,
            claims=batch.claims,
            sightings=batch.sightings,
            scans=batch.scans,
            tiles=() if extension is None else extension.tiles,
            key_entries=() if row is None else tuple(self._keys.unsaved),
            refusals=refusals,
            counters=counters,
            source_line=source_line,
            follows=self._counts.stored,
        )

    def _row(self, extension: Extension) -> BatchRow:
        return BatchRow(
            collector=self.head.collector,
            number=self.head.number,
            start=extension.start,
            size=extension.size - extension.start,
            root=extension.root,
            checkpoint=extension.checkpoint,
            keys=self._keys.keyring.applied,
        )

    def _advance(self, put: _Put) -> None:
        batch, extension, commit = put.batch, put.extension, put.commit
        self._counts.committed(commit.counters)
        self._keys.saved(commit.key_entries)
        self._claims.committed((row[0], row[1], row[2]) for row in batch.claims)
        if commit.source_line is not None:
            self.head = replace(self.head, source_line=commit.source_line)
        if extension is not None:
            self.head = replace(
                self.head, log=extension.log, number=self.head.number + 1, floor=batch.floor
            )
            _log.debug("batch committed", number=self.head.number - 1, size=len(batch.records))

    def _sealed(self, pieces: Sequence[Piece]) -> list[tuple[str, bytes]]:
        if not pieces:
            return []
        due = owed(pieces)
        payloads = self._receipts.seal([receipt.leaf for receipt in due])
        return [
            (topic, payload)
            for receipt, payload in zip(due, payloads, strict=True)
            for topic in receipt.topics
        ]
