"""What is wrong with one collector's rows, said once it is known who is to blame.

At a root it is known whether the collector signed a row as it stands; in the end, whether a row
that stands where another was signed was moved, is new, or was changed.
"""

from dataclasses import dataclass, field, replace

from anchor.audit.batches import Head
from anchor.audit.claims import ClaimsCheck
from anchor.audit.findings import STORE, Kind
from anchor.audit.inquiry import Inquiry
from anchor.audit.rows import Checked, Fault
from anchor.audit.tree import MOST, LeafTrail, Window
from anchor.reading.row_record import leaf_of, shown
from telemetry.rows import MessageRow


@dataclass(frozen=True, slots=True)
class _Differs:
    """A row that is not what was signed at its position; said at the end, when all are known."""

    row: MessageRow
    kind: Kind
    detail: str
    leaf: bytes | None
    signed: bytes | None


@dataclass(slots=True)
class Blame:
    """Takes what is suspected of one collector's rows; `close` at each root, `settle` at last."""

    inquiry: Inquiry
    collector: str
    trail: LeafTrail
    claims: ClaimsCheck
    _suspects: dict[int, tuple[MessageRow, Checked]] = field(default_factory=dict)
    _differing: list[_Differs] = field(default_factory=list)
    _unresolved: list[tuple[Window, bytes]] = field(default_factory=list)
    _unchecked: list[tuple[int, int]] = field(default_factory=list)
    # Signed hashes of positions that have no row.
    _vacant: set[bytes] = field(default_factory=set)
    _beyond: int = 0
    _named: set[int] = field(default_factory=set)

    def suspect(self, position: int, row: MessageRow, checked: Checked) -> None:
        """A row has a fault, or is not what the stored tile says."""
        if len(self._suspects) < MOST:
            self._suspects[position] = row, checked

    def miss(self, position: int) -> None:
        """A position has no row."""
        self.claims.deleted[self.collector, position] = "the row is gone"
        self._named.add(position)

    def insert(self, row: MessageRow, detail: str) -> None:
        """A row stands where none is due."""
        self._beyond += 1
        if self._beyond <= MOST:
            self._differing.append(_Differs(row, "inserted", detail, leaf_of(row), None))

    def close(self, window: Window, note: bytes) -> None:
        """A root is reached, of this checkpoint: whatever is wrong before it can now be blamed."""
        for position, (row, checked) in self._suspects.items():
            leaf, signed = window.differing.get(position, (checked.leaf, checked.leaf))
            if window.verdict == "rows" or (leaf == signed and window.verdict == "tiles"):
                self._blame_signed(row, checked.fault)
            else:
                self._blame_unsigned(row, checked, leaf, signed)
        self._suspects = {}
        self._vacant |= {s for leaf, s in window.differing.values() if leaf is None and s}
        if window.verdict == "neither":
            self._unresolved.append((window, note))

    def _blame_signed(self, row: MessageRow, fault: Fault | None) -> None:
        """The collector signed the row as it is."""
        if fault is not None:
            blame = self.inquiry.origin(self.collector) if fault.signed else STORE
            self._find(fault.kind, fault.detail, row, blame)

    def _blame_unsigned(
        self, row: MessageRow, checked: Checked, leaf: bytes | None, signed: bytes | None
    ) -> None:
        fault = checked.fault or Fault("altered", "it is not what was signed at this position")
        kind: Kind = "back-dated" if fault.kind == "back-dated" else "altered"
        self._named.add(row.position)
        self._differing.append(_Differs(row, kind, fault.detail, leaf, signed))

    def settle(self, last: Head | None) -> None:
        """After the last row: what only the whole can tell."""
        self._say_differing()
        for window, note in self._unresolved:
            self._say_unresolved(window, note, last)
        self._say_unchecked()
        if self._beyond > MOST:
            detail = f"and {self._beyond - MOST} rows more that no signed checkpoint covers"
            self.inquiry.find("inserted", detail, collector=self.collector)

    def _say_differing(self) -> None:
        """Rows that stand where others were signed: moved, new, or changed."""
        signed = self._vacant | {d.signed for d in self._differing if d.signed is not None}
        moved = [d.leaf in signed and d.leaf != d.signed for d in self._differing]
        # Rows that were pushed on end beyond the end; then what is nowhere signed is new.
        pushed = any(m and d.signed is None for m, d in zip(moved, self._differing, strict=True))
        for differs, is_moved in zip(self._differing, moved, strict=True):
            found = differs
            if is_moved:
                detail = "the row was signed at another position"
                found = replace(differs, kind="reordered", detail=detail)
            elif pushed and differs.kind == "altered":
                found = replace(differs, kind="inserted", detail="the row was signed nowhere")
            self._find(found.kind, found.detail, found.row, STORE)

    def _say_unresolved(self, window: Window, note: bytes, last: Head | None) -> None:
        """Neither rows nor tiles gave a batch's root; no row of it need be wrong in itself."""
        assert last is not None
        spans = list(self.trail.suspects(window, last.checkpoint))
        for first, stop in spans:
            if not window.certain:
                # Something before them in the same tile is false, and the true hash is gone.
                self._unchecked.append((first, stop))
            elif not self._any_named(window.start, window.stop - 1):
                detail = f"of the rows {first} to {stop}, one or more are not what was signed, and "
                detail += "neither are their stored hashes"
                where = first if first == stop else None
                self.inquiry.find(
                    "altered",
                    detail,
                    collector=self.collector,
                    position=where,
                    certainty="certain" if first == stop else "one-of",
                )
        if not spans and window.certain and not self._any_named(window.start, window.stop - 1):
            detail = (
                f"the root signed for positions {window.start} to {window.stop - 1} is another "
            )
            detail += "than the one under the collector's later checkpoints"
            blame = self.inquiry.origin(self.collector)
            self.inquiry.find(
                "batch-altered",
                detail,
                collector=self.collector,
                blame=blame,
                signed=(note, last.note),
            )

    def _say_unchecked(self) -> None:
        if self._unchecked:
            first, last = self._unchecked[0][0], self._unchecked[-1][1]
            count = sum(stop - start + 1 for start, stop in self._unchecked)
            self.inquiry.audit.notes.append(
                f"{count} rows of collector {shown(self.collector)} between {first} and {last} "
                "cannot be checked against a signed root: true hashes beside them are gone"
            )

    def _any_named(self, first: int, last: int) -> bool:
        return any(first <= position <= last for position in self._named)

    def _find(self, kind: Kind, detail: str, row: MessageRow, blame: str) -> None:
        if type(row.position) is int:
            self._named.add(row.position)
        self.claims.named.add((row.collector, row.position))
        self.inquiry.find_row(kind, detail, row, blame=blame)
