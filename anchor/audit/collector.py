"""One collector's rows, tiles and batches in one pass, in the order of positions.

Rows drive it: whenever a batch's end is reached, its root decides whether the rows or the
stored tiles tell the truth, and only then is anything of that batch blamed. A collector may
go on committing meanwhile: batches and keys are asked for again where rows go on.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

from anchor.audit.batches import BatchTrail, Head
from anchor.audit.blame import Blame
from anchor.audit.chain import Chains
from anchor.audit.citations import Citations
from anchor.audit.claims import ClaimsCheck
from anchor.audit.clocks import Clocks
from anchor.audit.copies import Copies
from anchor.audit.crew import Crew
from anchor.audit.decoded import DecodedCheck
from anchor.audit.examine import Examined, Good, examine
from anchor.audit.inquiry import Inquiry
from anchor.audit.keys import KeyTrail
from anchor.audit.ranges import Rows, Source, Summary
from anchor.audit.reading import rows_of
from anchor.audit.rows import Checked, RowCheck
from anchor.audit.since import Place
from anchor.audit.tree import MOST, LeafTrail, Verdict
from anchor.collector_keys import CollectorKeys
from anchor.errors import AnchorError
from anchor.note import VerifierKey
from anchor.ports import Paged
from anchor.reading.row_record import shown
from anchor.reading.stored_tiles import StoredTiles
from telemetry.rows import CollectorRow, MessageRow

Progress = Callable[[str, int], None]
"""Called with what is being read and how much of it has been."""


@dataclass(slots=True)
class Across:
    """What is followed across collectors."""

    chains: Chains
    claims: ClaimsCheck
    citations: Citations
    copies: Copies
    decoded: DecodedCheck
    clocks: Clocks


class Reached(NamedTuple):
    """The last batch, receive time, number of key entries; what batches said of those."""

    head: Head
    received: int
    counted: int
    keys: str


@dataclass(slots=True)
class CollectorPass:
    """Audits one collector; `run` does it all."""

    inquiry: Inquiry
    row: CollectorRow
    across: Across
    progress: Progress | None = None
    crew: Crew | None = None
    place: Place | None = None
    """Where an earlier audit ended, and this one goes on."""
    keys: KeyTrail = field(init=False)
    batches: BatchTrail = field(init=False)
    check: RowCheck = field(init=False)
    trail: LeafTrail = field(init=False)
    blame: Blame = field(init=False)
    _head: Head | None = None
    _last: Head | None = None
    _counted: int = 0
    # Over what every batch says of key entries, which no signature binds.
    _keys_said: Any = field(default_factory=sha256)

    def __post_init__(self) -> None:
        self.keys = KeyTrail(self.inquiry, self.row.id)
        certified = self.keys.certified()
        self._check_row_of_collectors(certified.keys[0] if certified else None)
        # Without a certified key the rest is still compared, under the store's own word.
        signers = self.keys.signers if certified else self._uncertified
        self.batches = BatchTrail(self.inquiry, self.row.id, signers)
        self.check = RowCheck(self.inquiry, self.keys, self.keys.erasures())
        self.trail = LeafTrail(StoredTiles(self.inquiry.ledger, self.row.id), self._false_tile)
        self.blame = Blame(self.inquiry, self.row.id, self.trail, self.across.claims)
        if self.place is not None:
            self.trail.begin_at(self.place.checkpoint)
            self.check.received = self.place.seen.received

    def run(self) -> None:
        """Read everything of this collector once."""
        self._head = self.batches.next()
        if self.place is not None:
            self._pass_over(self.place)
        for rows in self._rows():
            self._follow_all(rows)
            if self.progress:
                self.progress(self.row.id, self.trail.position)
        while self._head is not None:
            self._miss(self._head.checkpoint.size)
            self._close()
        self.trail.finish()
        self.blame.settle(self._last)
        self.across.claims.ends[self.row.id] = self.trail.position

    def reached(self) -> Reached | None:
        """Where it ended, after `run`; None without a batch."""
        if self._last is None:
            return None
        said = self._keys_said.hexdigest()
        return Reached(self._last, self.check.received, self.check.counted, said)

    def _pass_over(self, place: Place) -> None:
        """Check the batches whose rows are not read again: signatures, log, key entries."""
        while self._head is not None and self._head.checkpoint.size <= place.checkpoint.size:
            if self._head.checkpoint.size == place.checkpoint.size:
                self.check.counted = self._counted = place.seen.counted
            self._check_keys(self._head)
            self._last, self._head = self._head, self.batches.next()
        if self._keys_said.hexdigest() != place.seen.keys:
            detail = (
                f"batches up to {place.seen.number} do not count the key entries that an earlier "
                "audit read there: a full one names them"
            )
            self.inquiry.find("batch-altered", detail, collector=self.row.id)

    def _rows(self) -> Iterator[Rows]:
        nonce = self.across.claims.nonce
        clocks = self.across.clocks.compare
        source = Source(self.inquiry.ledger, self.row.id, self.keys.at, nonce, clocks)
        return rows_of(source, self.keys.statements, self.crew, self.trail.position)

    def _follow_all(self, rows: Rows) -> None:
        if isinstance(rows, list):
            for examined in rows:
                self._come_to(examined)
            return
        start = rows.start
        if self._folds(rows):
            self._fold(rows)
            start = self.trail.position
        # Row by row then, and read once more: in a few words there are no rows.
        for examined in self._again(start, rows.stop):
            self._come_to(examined)

    def _again(self, start: int, stop: int) -> Iterator[Examined]:
        ledger = self.inquiry.ledger
        assert isinstance(ledger, Paged)
        if start < stop:
            for page in ledger.message_pages(self.row.id, start, stop):
                yield from examine(page, self.keys.at)

    def _folds(self, rows: Summary) -> bool:
        """Whether what was read before lets these rows be followed by their summary."""
        return (
            rows.start == self.trail.position
            and self.trail.agreed
            and rows.received >= self.check.received
            and (not rows.counted or rows.counted[0][1] >= max(self.check.counted, self._counted))
            and self.across.chains.takes(rows.runs)
            and not self.across.copies.elsewhere(self.inquiry.ledger)
        )

    def _fold(self, rows: Summary) -> None:
        """Follow rows by their summary, up to a root that does not hold or the last there is."""
        cited, counted, told = deque(rows.cited), deque(rows.counted), deque(rows.told)
        while self.trail.position < rows.stop and self.trail.agreed:
            if self._head is None:
                self._head = self.batches.next()
                if self._head is None:
                    break
            end = min(rows.stop, self._head.checkpoint.size)
            self.trail.extend(rows.leaves, end)
            while counted and counted[0][0] < end:
                self._counted = max(self._counted, counted.popleft()[1])
            while cited and cited[0][0][1] < end:
                raw, said = cited.popleft()
                self.across.citations.check(MessageRow(*raw), said)
            while told and told[0].position < end:
                self.across.clocks.hear(told.popleft())
            if end == self._head.checkpoint.size and self._close() == "neither":
                break
        if self.trail.position < rows.stop:
            self._count_singly(rows)
            return
        self.check.received = rows.received_last
        self._count(rows.statuses)
        self.across.claims.rows.total += rows.claims
        self.across.chains.extend(rows.runs)
        for raw in rows.sparkplug:
            self.across.decoded.note(MessageRow(*raw))

    def _count_singly(self, rows: Summary) -> None:
        """Of a summary that was followed in part: take account of its rows up to there."""
        for examined in self._again(rows.start, self.trail.position):
            # One that changed meanwhile is found at the next audit.
            if isinstance(examined, Good):
                row = MessageRow(*examined.row)
                self.check.received = row.received_at
                self._count({row.status: 1})
                if row.status == "accepted" and examined.said is not None:
                    self.across.claims.add(row)
                    self.across.decoded.note(row)
                    body = row.body_hash or b""
                    self.across.chains.add(row, body, examined.said.prev, known=True)

    def _come_to(self, examined: Examined) -> None:
        good = examined if isinstance(examined, Good) else None
        row = MessageRow(*(good.row if good else examined))
        if type(row.position) is not int or row.position < self.trail.position:
            self.blame.insert(row, "its position is none that a collector gives")
        elif self._reach(row.position):
            self._take(row, good)
        else:
            self.blame.insert(row, "no signed checkpoint covers its position")

    def _count(self, statuses: Mapping[str, int]) -> None:
        counts = self.inquiry.audit.counts
        for status, count in statuses.items():
            counts.messages += count
            counts.statuses[status] = counts.statuses.get(status, 0) + count

    def _reach(self, position: int) -> bool:
        """Come to a row's position, past whatever is missing; False beyond every batch."""
        if self._head is None:
            self._head = self.batches.next()
        while self._head is not None:
            self._miss(min(position, self._head.checkpoint.size))
            if position < self._head.checkpoint.size:
                return True
            self._close()
        return False

    def _miss(self, position: int) -> None:
        """Every position before this one has no row."""
        missing = range(self.trail.position, position)
        for place in missing[:MOST]:
            self.blame.miss(place)
            self.trail.add(None)
        if len(missing) > MOST:
            detail = f"so are all rows from {missing[MOST]} to {missing[-1]}"
            self.inquiry.find("deleted", detail, collector=self.row.id)
            self.trail.skip(position)

    def _take(self, row: MessageRow, good: Good | None) -> None:
        """The row of the position that is due."""
        checked = self.check.accept(row, good) if good else self.check.check(row)
        agrees = self.trail.add(checked.leaf)
        status = row.status if type(row.status) is str else shown(row.status)
        self._count({status: 1})
        if checked.fault or not agrees:
            self.blame.suspect(self.trail.position - 1, row, checked)
        if agrees:
            self.check.received = row.received_at
            self._counted = max(self._counted, row.keys)
        if row.status == "accepted":
            self._follow(row, checked)
        if self._head is not None and self.trail.position == self._head.checkpoint.size:
            self._close()

    def _follow(self, row: MessageRow, checked: Checked) -> None:
        self.across.claims.add(row)
        self.across.decoded.note(row)
        if checked.fault is not None or checked.leaf is None:
            return
        said = checked.said
        copied = self.across.copies.is_one(row, said, self.inquiry)
        if row.body_hash is not None and not copied:
            prev = said.prev if said else None
            self.across.chains.add(row, row.body_hash, prev, known=said is not None)
        if said:
            self.across.clocks.add(row, said.anchor.note if said.anchor else None)
        if said and said.anchor:
            self.across.citations.check(row, said.anchor)

    def _close(self) -> Verdict:
        """A root is reached: whatever of this batch is wrong can now be blamed."""
        head = self._head
        assert head is not None
        window = self.trail.close(head.checkpoint)
        self.blame.close(window, head.note)
        if window.verdict != "neither":
            self.check.counted = max(self.check.counted, self._counted)
        self._counted = self.check.counted
        self._check_keys(head)
        self.across.clocks.close(head.anchored)
        self._last, self._head = head, self.batches.next()
        return window.verdict

    def _check_keys(self, head: Head) -> None:
        self._keys_said.update(f"{head.number} {head.keys}\n".encode())
        counted = self.check.counted
        if head.keys is not None and head.keys < counted:
            detail = f"batch {head.number} counts {head.keys} key entries, its records {counted}"
            self.inquiry.find("batch-altered", detail, collector=self.row.id)
        needed = max(counted, head.keys or 0)
        self.keys.demand(needed)
        if head.anchored is not None:
            self.keys.check_logged(needed, head.anchored)

    def _false_tile(self, _level: int, _number: int, detail: str) -> None:
        self.inquiry.find("tiles-altered", detail, collector=self.row.id)

    def _check_row_of_collectors(self, key: VerifierKey | None) -> None:
        origin = self.inquiry.origin(self.row.id)
        wrong = [] if self.row.origin == origin else [f"origin {shown(self.row.origin)}"]
        if key is not None and self.row.vkey != str(key):
            wrong.append(f"vkey {shown(self.row.vkey)}")
        if wrong:
            detail = f"the row of collectors says {', '.join(wrong)}: not what is certified"
            self.inquiry.find("collector-altered", detail, collector=self.row.id)

    def _uncertified(self) -> CollectorKeys | None:
        origin = self.inquiry.origin(self.row.id)
        try:
            key = VerifierKey.from_text(self.row.vkey)
        except (AnchorError, AttributeError):
            return None
        return CollectorKeys(origin, (key,), (b"",)) if key.name == origin else None
