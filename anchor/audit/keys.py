"""The key entries of one collector, replayed: which keys were known when a record was judged.

Every entry must carry the operator's signature, hash to what its row says and fit those
before it. A damaged row's entry is taken from the anchor log where that still has it.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

from anchor.audit.findings import STORE, Kind
from anchor.audit.inquiry import Inquiry
from anchor.collector_keys import CollectorKeys
from anchor.errors import AnchorError
from anchor.reading.row_record import shown
from telemetry.errors import TelemetryError
from telemetry.keyring import Keyring, KeyStatement
from telemetry.rows import KeyRow


@dataclass(frozen=True, slots=True)
class Erasure:
    """Positions, first and last, and of which statuses; empty for all."""

    first: int
    last: int
    statuses: frozenset[str]

    def covers(self, position: int, status: str) -> bool:
        """Whether it says that this message's payload is erased."""
        return self.first <= position <= self.last and (
            not self.statuses or status in self.statuses
        )


class KeyTrail:
    """A collector's key entries in order; `keyring` as of the last `reach`."""

    def __init__(self, inquiry: Inquiry, collector: str) -> None:
        self.keyring = Keyring()
        self._inquiry = inquiry
        self._index = inquiry.index
        self._collector = collector
        self._statements = list[KeyStatement]()
        # All of them applied: whether the next one fits is known as it is read.
        self._whole = Keyring()
        self._broken = False
        self._short = False
        self._logged = 0
        self._read()

    @property
    def statements(self) -> Sequence[KeyStatement]:
        """All that is known of them."""
        return self._statements

    def __len__(self) -> int:
        return len(self._statements)

    def signers(self) -> CollectorKeys | None:
        """The collector's certified keys, under its origin's name; None if there are none.

        Looks again: its key may have been rotated since.
        """
        self._read()
        known = self._whole.collector_keys(self._collector)
        if not known:
            known = self._certified_in_log().collector_keys(self._collector)
        origin = self._inquiry.origin(self._collector)
        return CollectorKeys.of(origin, known) if known else None

    def certified(self) -> CollectorKeys | None:
        """The same, and a finding where there are none."""
        found = self.signers()
        if found is None:
            what = "no key entry signed by the operator certifies this collector"
            self._find("key-invalid", what)
        return found

    def erasures(self, *, everywhere: bool = False) -> list[Erasure]:
        """Whose payloads the operator said are erased; looks again, for more may be by now.

        `everywhere`: also in what other collectors applied, for one erases for another.
        """
        self._read()
        statements = [*self._statements]
        if self._index:
            statements += filter(None, map(self._from_log, self._index.erasures))
        if everywhere:
            statements += self._from_others()
        found = list[Erasure]()
        for statement in statements:
            collector, _, positions = statement.name.partition(":")
            if statement.action == "erase" and collector == self._collector:
                first, _, last = positions.partition("-")
                found.append(Erasure(int(first), int(last), frozenset(statement.statuses)))
        return found

    def at(self, applied: int) -> Keyring | None:
        """The keyring as of `applied` entries; None where so many are not there.

        Cheap as long as the numbers do not fall, as an honest collector's do not.
        """
        if applied == self.keyring.applied:
            return self.keyring
        if not self.has(applied):
            return None
        if applied < self.keyring.applied:
            self.keyring = Keyring()
        while self.keyring.applied < applied:
            self.keyring.apply(self._statements[self.keyring.applied])
        return self.keyring

    def has(self, applied: int) -> bool:
        """Whether so many entries are there; looks again, for a collector may have gone on."""
        if applied > len(self._statements):
            self._read()
        return applied <= len(self._statements)

    def demand(self, applied: int) -> None:
        """Find, once, that fewer entries are there than signed records count."""
        if not self._short and not self.has(applied):
            self._short = True
            there = f"only {len(self)} are to be read in the store"
            self._find("key-invalid", f"{applied} key entries had been applied, {there}")

    def check_logged(self, needed: int, place: int) -> None:
        """Find entries among the first `needed` that the log does not have before `place`."""
        if self._index is None:
            return
        for number in range(self._logged, min(needed, len(self._statements))):
            found = self._index.keys.get(self._statements[number].hash)
            if found is None or found > place:
                where = "is not in the anchor log" if found is None else f"is entry {found} there"
                self._find(
                    "key-unlogged",
                    f"key entry {number} ({_title(self._statements[number])}) {where}, but "
                    f"checkpoint {place} relies on it",
                    blame=self._inquiry.log_name,
                )
        self._logged = max(self._logged, min(needed, len(self._statements)))

    def _read(self) -> None:
        """Read on from where the rows ended before: a collector may have applied more since."""
        # From below 0, so that a row under a false number is seen.
        first = len(self._statements) or -(2**63)
        if self._broken:
            return
        for row in self._inquiry.ledger.key_entries(self._collector, first):
            if not self._take(row):
                self._broken = True
                return

    def _take(self, row: KeyRow) -> bool:
        due = len(self._statements)
        if type(row.number) is not int or row.number < due:
            self._find("key-invalid", f"a row of key_entries has number {shown(row.number)}")
            return True
        if row.number > due:
            self._find("key-invalid", f"key entry {due} is missing: {row.number} comes next")
            return False
        statement, fault = self._checked(row)
        if fault:
            self._find("key-invalid", f"key entry {due} is false: {fault}")
        if statement is None:
            return False
        self._statements.append(statement)
        if self._index is None:
            self._inquiry.audit.counts.key_entries += 1
        return True

    def _checked(self, row: KeyRow) -> tuple[KeyStatement | None, str | None]:
        """The statement, from the row or, where that is damaged, from the log; and the fault."""
        try:
            if type(row.entry) is not bytes:
                return self._recovered(row), f"column entry holds {shown(row.entry)}"
            statement = self._inquiry.authority.read(row.entry)
            self._whole.apply(statement)
        except (AnchorError, TelemetryError) as error:
            return self._recovered(row), str(error)
        if sha256(row.entry).digest() != row.hash:
            return statement, "its hash column is another"
        return statement, None

    def _recovered(self, row: KeyRow) -> KeyStatement | None:
        place = self._index.keys.get(row.hash) if self._index else None
        statement = None if place is None else self._from_log(place)
        try:
            if statement is not None:
                self._whole.apply(statement)
        except TelemetryError:
            return None
        return statement

    def _certified_in_log(self) -> Keyring:
        """What the log alone says of this collector's keys."""
        keyring = Keyring()
        for place in self._index.certified(self._collector) if self._index else ():
            statement = self._from_log(place)
            if statement is not None:
                with suppress(TelemetryError):  # of several that contradict, the first counts
                    keyring.apply(statement)
        return keyring

    def _from_others(self) -> Iterator[KeyStatement]:
        """The erasures of this collector's messages that the rows of others hold."""
        named = f"\nerase messages {self._collector}:".encode()
        for other in self._inquiry.ledger.collectors():
            for row in self._inquiry.ledger.key_entries(other.id):
                if type(row.entry) is bytes and named in row.entry:
                    try:
                        yield self._inquiry.authority.read(row.entry)
                    except AnchorError:
                        continue  # a false entry is found where its collector's are read

    def _from_log(self, place: int) -> KeyStatement | None:
        assert self._index is not None
        try:
            return self._inquiry.authority.read(self._index.view.entry(place))
        except AnchorError:
            return None

    def _find(self, kind: Kind, detail: str, blame: str = STORE) -> None:
        self._inquiry.find(kind, detail, collector=self._collector, blame=blame)


def revoked_at(inquiry: Inquiry, collector: str) -> int | None:
    """The log entry that ends a collector's log for good; None where none does.

    What the log says is replayed, so that a false or contradicting word ends nothing.
    """
    index, keyring = inquiry.index, Keyring()
    if index is None or collector not in index.revoked:
        return None
    for place in sorted((*index.certified(collector), *index.revoked[collector])):
        with suppress(AnchorError, TelemetryError):
            statement = inquiry.authority.read(index.view.entry(place))
            keyring.apply(statement)
            if statement.action == "revoke":
                return place
    return None


def _title(statement: KeyStatement) -> str:
    return f"{statement.action} {statement.kind} {statement.name}"
