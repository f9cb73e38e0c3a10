"""What machines saw of the anchor log, from the checkpoints that their messages cite.

Machines checked those against their own pinned keys before they signed: a log that has
fewer entries than they cite was cut short, one with another root was rewritten.
"""

from dataclasses import dataclass, field

from anchor.audit.findings import Certainty
from anchor.audit.inquiry import Inquiry
from anchor.errors import AnchorError
from anchor.reading.log_audit import LogKind, check_earlier
from anchor.reading.log_reader import LogReader, LogView
from telemetry.message import Cited
from telemetry.rows import MessageRow

_MOST = 1_000_000


@dataclass(slots=True)
class Citations:
    """Compares each cited checkpoint, once, with the log as it is; `log` None checks nothing."""

    inquiry: Inquiry
    log: LogReader | None
    view: LogView | None
    _seen: set[bytes] = field(default_factory=set)

    def check(self, row: MessageRow, cited: Cited) -> None:
        """Check what a row's message cites, unless another cited the same."""
        if self.log is None or cited.note in self._seen or len(self._seen) >= _MOST:
            return
        self._seen.add(cited.note)
        self.inquiry.audit.counts.citations += 1
        if cited.size > self._size():
            self._find(row, cited)
            return
        self._check_kept(row, cited, self.log)

    def _check_kept(self, row: MessageRow, cited: Cited, log: LogReader) -> None:
        note = log.source.published(cited.note)
        try:
            kept = None if note is None else log.open(note)
        except AnchorError:
            kept = None
        if kept is None or kept.size != cited.size:
            self.inquiry.audit.counts.citations_missing += 1
        elif self.view is not None:
            finding = check_earlier(self.view, kept, f"checkpoints/{cited.note.hex()}")
            if finding is not None:
                self._add(row, finding.kind, f"{finding.detail}; the message cites it")

    def _size(self) -> int:
        """The log's size; one that is being written to may have grown since it was read."""
        return 0 if self.view is None else self.view.size

    def _find(self, row: MessageRow, cited: Cited) -> None:
        assert self.log is not None
        try:
            newest = self.log.checkpoint()[1]
            if newest.size >= cited.size and self._continues(newest_view := self.log.at(newest)):
                self.view = newest_view
                return
        except AnchorError:
            pass
        detail = (
            f"the message cites the log at size {cited.size}, it has {self._size()} entries: it "
        )
        detail += f"was cut short or replaced by an older copy, unless machine key {row.key} lies"
        self._add(row, "log-truncated", detail, "likely")

    def _continues(self, newest: LogView) -> bool:
        return self.view is None or newest.root(self.view.size) == self.view.checkpoint.root

    def _add(
        self, row: MessageRow, kind: LogKind, detail: str, certainty: Certainty = "certain"
    ) -> None:
        blame = self.inquiry.log_name
        self.inquiry.find_row(kind, detail, row, blame=blame, certainty=certainty)
