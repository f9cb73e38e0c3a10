"""A recording straight into the store, no broker: same file, same records, same roots.

Edge. Each file has a collector of its own, named by its SHA-256, and goes on after the line
that was committed last, so that ingesting a file twice adds nothing.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import structlog

from collector.arrived import Arrived
from collector.counting import Door
from collector.ledger import Ledger
from collector.patience import Patience
from collector.ports import Authority, IdentityFor, Requests
from collector.resume import Resume, Source
from collector.store import open_store
from collector.store_reader import LedgerReader
from telemetry.errors import MalformedRecording
from telemetry.recording import Line, read

_log = structlog.get_logger(__name__)

_COUNT = 2000
_SECOND = 1_000_000
_ATTEMPTS = 9  # some 13 s in all, beside the database's own waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestResult:
    """A file's collector as it stands now, whatever was there before.

    `lines` are the file's messages, `stored`, `duplicates`, `batches` and `roots` (one a
    batch, in order) those of its collector; `added` what this ingest stored. `complete` is
    the recording's word: False where it was cut short, None where its format cannot say.
    """

    collector: str
    lines: int
    stored: int
    added: int
    duplicates: int
    batches: int
    roots: tuple[bytes, ...]
    complete: bool | None


def ingest(
    *,
    store_url: str,
    file: Path,
    identity_for: IdentityFor,
    authority: Authority,
    requests: Requests,
) -> IngestResult:
    """Ingest one recording; what it holds is committed batch by batch.

    StoreLocked beside a running collector. MalformedRecording for a broken line, after all
    that came before it is committed; OSError where the file cannot be read.
    """
    with file.open("rb") as data, open_store(store_url, create=True) as store:
        source = Source(hashlib.file_digest(data, "sha256").digest())
        data.seek(0)
        # Somebody waits for the end: a store that is away is waited for, but not for ever.
        patience = Patience(attempts=_ATTEMPTS)
        opened = Resume(store, identity_for, authority, requests, patience=patience).file(source)
        ledger = opened.ledger
        reading = read(data, str(file))
        filing = _Filing(ledger)
        try:
            for number, line in reading:
                filing.take(number, line)
        except MalformedRecording:
            # What came before a broken line stands. After any other error the batch may be
            # half taken: the next ingest begins again at its first line.
            filing.flush()
            raise
        filing.flush()
        ledger.survey(everything=True)
    _log.info("ingested", file=str(file), collector=source.collector, added=filing.added)
    roots = _roots(store_url, source.collector)
    return IngestResult(
        collector=source.collector,
        lines=filing.lines,
        stored=ledger.head.log.size,
        added=filing.added,
        duplicates=ledger.counters["duplicates"],
        batches=len(roots),
        roots=roots,
        complete=reading.complete,
    )


class _Filing:
    """Closes batches by the recording's own times, so that they fall alike every time.

    The rule (docs/formats.md, Recording) looks at lines only, and a batch that was not
    committed begins again at its first line: an ingest that was killed and goes on gives the
    roots of one that was not.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.lines = 0
        self.added = 0
        self._ledger = ledger
        self._done = ledger.head.source_line
        self._received = 0
        self._batch: list[Arrived] = []
        self._last = 0

    def take(self, number: int, line: Line) -> None:
        """Take one line, unless an earlier ingest has committed it."""
        self.lines += 1
        if number <= self._done:
            return
        if self._batch and line.received - self._batch[0].received >= _SECOND:
            self.flush()
        properties = line.properties.to_text()
        self._batch.append(Arrived(line.topic, line.payload, properties, line.received))
        self._last = number
        if len(self._batch) >= _COUNT:
            self.flush()

    def flush(self) -> None:
        """Commit what is gathered."""
        if not self._batch:
            return
        self._received += len(self._batch)
        taken = self._ledger.take(self._batch, Door(self._received), source_line=self._last)
        self.added += taken.stored
        self._ledger.survey()
        self._batch = []


def _roots(store_url: str, collector: str) -> tuple[bytes, ...]:
    with LedgerReader(store_url) as reader:
        return tuple(batch.root for batch in reader.batches(collector))
