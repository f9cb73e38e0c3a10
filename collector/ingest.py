"""A recording straight into the store, no broker: same file, same records, same roots.

Edge. Each file has a collector of its own, named by its SHA-256, and goes on after the line
that was committed last, so that ingesting a file twice adds nothing.
"""

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import structlog

from collector.arrived import Arrived
from collector.counting import Door
from collector.ledger import Ledger
from collector.panel import Panel
from collector.patience import Patience
from collector.ports import Authority, IdentityFor, Requests
from collector.recorded_batches import COUNT, begins_anew
from collector.resume import Resume, Source
from collector.store import open_store
from collector.store_reader import LedgerReader
from collector.verdict import Verdict
from telemetry.errors import MalformedRecording
from telemetry.keyring import KeyStatement
from telemetry.recording import Line, Reading, read

_log = structlog.get_logger(__name__)

_ATTEMPTS = 9  # some 13 s in all, beside the database's own waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestResult:
    """A file's collector as it stands now, whatever was there before.

    `lines` are the file's messages, `stored`, `duplicates`, `batches` and `roots` (one a
    batch, in order) those of its collector; `added` what this ingest stored. `complete` is
    the recording's word: False where it was cut short (`cut` says on which line) or has broken
    lines, None where its format cannot say. Lines `skipped`, the first ones' `reasons`.
    """

    collector: str
    lines: int
    stored: int
    added: int
    duplicates: int
    batches: int
    roots: tuple[bytes, ...]
    complete: bool | None
    skipped: int
    reasons: tuple[str, ...]
    cut: str | None


def ingest(  # noqa: PLR0913 - settings of one ingest, all by name
    *,
    store_url: str,
    file: Path,
    identity_for: IdentityFor,
    authority: Authority,
    requests: Requests,
    processes: int = 0,
    keep_going: bool = False,
) -> IngestResult:
    """Ingest one recording; what it holds is committed batch by batch.

    Up to `processes` check signatures beside this one, which changes nothing but the time.
    StoreLocked beside a running collector. MalformedRecording for a broken line, after all
    that came before it is committed; with `keep_going` it is skipped. OSError where the file
    cannot be read.
    """
    with file.open("rb") as data, open_store(store_url, create=True) as store:
        source = Source(hashlib.file_digest(data, "sha256").digest())
        data.seek(0)
        # Somebody waits for the end: a store that is away is waited for, but not for ever.
        patience = Patience(attempts=_ATTEMPTS)
        opened = Resume(store, identity_for, authority, requests, patience=patience).file(source)
        ledger = opened.ledger
        reading = read(data, str(file), keep_going=keep_going)
        filing = _Filing(ledger, reading)
        asyncio.run(_file(filing, ledger.statements, processes))
        ledger.survey(everything=True)
        if filing.broken is not None:
            raise filing.broken
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
        skipped=reading.skipped,
        reasons=tuple(map(str, reading.reasons)),
        cut=None if reading.cut is None else str(reading.cut),
    )


@dataclass(frozen=True, slots=True)
class _Batch:
    """Lines of one batch, the number of its last one, and how many have been read by then."""

    arrived: Sequence[Arrived]
    last: int
    received: int


class _Filing:
    """Closes batches by the recording's own times, so that they fall alike every time.

    The rule (docs/formats.md, Recording) looks at lines only, and a batch that was not
    committed begins again at its first line: an ingest that was killed and goes on gives the
    roots of one that was not. A broken line that is skipped ends a batch, as one does that ends
    the ingest, so whether one went on at once or later is the same. `broken` is the line that
    ended the reading, if one did.
    """

    def __init__(self, ledger: Ledger, reading: Reading) -> None:
        self.lines = 0
        self.added = 0
        self.broken: MalformedRecording | None = None
        self._ledger = ledger
        self._reading = reading
        self._skipped = 0
        self._done = ledger.head.source_line
        self._received = 0
        self._batch: list[Arrived] = []
        self._last = 0

    def batches(self) -> Iterator[_Batch]:
        """Read on, batch by batch, past the lines that an earlier ingest has committed.

        A broken line is the end, and what came before it stands. After any other error the
        batch may be half taken: the next ingest begins again at its first line.
        """
        try:
            for number, line in self._reading:
                yield from self._take(number, line)
        except MalformedRecording as broken:
            self.broken = broken
        yield from self._closed()

    def commit(self, batch: _Batch, ahead: Sequence[Verdict | None]) -> None:
        """Commit a batch, the oldest that is not."""
        taken = self._ledger.take(
            batch.arrived, Door(batch.received), ahead=ahead, source_line=batch.last
        )
        self.added += taken.stored
        self._ledger.survey()

    def _take(self, number: int, line: Line) -> Iterator[_Batch]:
        """Take one line; give the batches that end with it, or before it."""
        self.lines += 1
        if number <= self._done:
            return
        after_broken, self._skipped = self._reading.skipped > self._skipped, self._reading.skipped
        if self._batch and (after_broken or begins_anew(self._batch[0].received, line.received)):
            yield from self._closed()
        properties = line.properties.to_text()
        self._batch.append(Arrived(line.topic, line.payload, properties, line.received))
        self._last = number
        if len(self._batch) >= COUNT:
            yield from self._closed()

    def _closed(self) -> Iterator[_Batch]:
        if self._batch:
            self._received += len(self._batch)
            yield _Batch(self._batch, self._last, self._received)
            self._batch = []


async def _file(filing: _Filing, statements: Sequence[KeyStatement], processes: int) -> None:
    """Read and commit in a thread, one at a time, while the judges check what was read last."""
    loop = asyncio.get_running_loop()
    batches = filing.batches()
    with ThreadPoolExecutor(1, "ledger") as worker:
        async with Panel(processes, statements) as panel:
            before: tuple[_Batch, asyncio.Task[Sequence[Verdict | None]]] | None = None
            while True:
                batch = await loop.run_in_executor(worker, next, batches, None)
                judging = None if batch is None else asyncio.create_task(panel.judge(batch.arrived))
                if before is not None:
                    ahead = await before[1]
                    await loop.run_in_executor(worker, filing.commit, before[0], ahead)
                if batch is None or judging is None:
                    break
                before = batch, judging


def _roots(store_url: str, collector: str) -> tuple[bytes, ...]:
    with LedgerReader(store_url) as reader:
        return tuple(batch.root for batch in reader.batches(collector))
