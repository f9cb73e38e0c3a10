"""Metrics of a running anchor and of a running witness (docs/operations.md explains each)."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from prometheus_client import Metric

from anchor.account import AnchorAccount, LedgerAccount, WitnessAccount
from anchor.errors import Missing
from anchor.keeping.anchor_db import read_state
from collector.errors import StoreUnavailable
from factoryledger.installation import Installation
from factoryledger.metrics.disk import free
from factoryledger.metrics.spelling import counter, counters, gauge, gauges, histogram, since_epoch

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class AnchorProbe:
    """Reads an anchor's account in the event loop that writes it."""

    account: AnchorAccount = field(default_factory=AnchorAccount)
    folder: Path | None = None
    """Where the log is."""

    def impediment(self) -> str | None:
        """Why what is committed now would not be anchored, or None."""
        return self.account.impediment()

    def families(self) -> Iterator[Metric]:
        """All its metrics."""
        account = self.account
        yield gauge("anchor_entries", "Entries of the log.", account.size)
        yield gauge(
            "anchor_published_entries", "Entries under the published checkpoint.", account.published
        )
        yield counter("anchor_appended", "Entries appended.", account.appended)
        yield counter("anchor_checkpoints", "Checkpoints published.", account.checkpoints)
        yield counter("anchor_failures", "Tries to publish that failed.", account.failures)
        yield counter("anchor_interruptions", "Looks that an error ended.", account.interruptions)
        yield counter("anchor_refused", "Entries that may not come in.", account.refused)
        yield counters(
            "anchor_witness_failures",
            "Witnesses that did not answer or cosign.",
            "witness",
            account.witness_failures,
        )
        yield histogram(
            "anchor_commit_to_anchored_seconds",
            "From a batch's last arrival to the published checkpoint over it.",
            account.delays,
        )
        published = account.last_published
        yield since_epoch("anchor_last_published", "When a checkpoint was published.", published)
        yield from self._of_ledgers(account.ledgers)
        yield from free(self.folder)

    def _of_ledgers(self, ledgers: Mapping[str, LedgerAccount]) -> Iterator[Metric]:
        for name, about in (
            ("submitted", "Checkpoints that an outside ledger is to take."),
            ("stamped", "Receipts that hold and are stored."),
            ("failures", "Tries of an outside ledger that failed."),
            ("refused", "Checkpoints that an outside ledger will not take."),
        ):
            values = {ledger: getattr(one, name) for ledger, one in ledgers.items()}
            yield counters(f"anchor_ledger_{name}", about, "ledger", values)
        pending = {ledger: one.pending for ledger, one in ledgers.items()}
        yield gauges("anchor_ledger_pending", "Checkpoints on their way.", "ledger", pending)
        newest = {n: one.newest for n, one in ledgers.items() if one.newest is not None}
        yield gauges(
            "anchor_ledger_newest_stamp_timestamp_seconds",
            "The latest time that a receipt states.",
            "ledger",
            newest,
        )


@dataclass(slots=True)
class WitnessProbe:
    """Reads a witness's account in the event loop that writes it."""

    account: WitnessAccount = field(default_factory=WitnessAccount)

    def impediment(self) -> str | None:
        """Why it could not cosign now, or None."""
        return self.account.impediment()

    def families(self) -> Iterator[Metric]:
        """All its metrics."""
        answers = {str(status): count for status, count in self.account.answers.items()}
        yield counters(
            "witness_answers", "Answers, by HTTP status: 200 is a cosignature.", "status", answers
        )


class Delays:
    """How long each batch waited until a published checkpoint covered it; call it after each.

    What was published before the process started is not observed.
    """

    def __init__(self, place: Installation, account: AnchorAccount) -> None:
        self._place = place
        self._account = account
        self._seen = self._anchored()

    def __call__(self) -> None:
        """Observe the batches that the newest checkpoint covers and the one before did not."""
        now = time.time_ns() // 1000
        try:
            for collector, batches in self._anchored().items():
                seen = self._seen.get(collector, 0)
                waited = [max(0, now - at) / 1e6 for at in self._arrivals(collector, seen, batches)]
                self._account.delays.observe_all(waited)
                self._seen[collector] = batches
        except StoreUnavailable as error:
            _log.warning("delays not observed", error=str(error))

    def _anchored(self) -> dict[str, int]:
        try:
            return read_state(self._place.data.anchor_db).anchored
        except Missing:
            return {}

    def _arrivals(self, collector: str, first: int, stop: int) -> Iterator[int]:
        """When the last message of each of these batches came."""
        for batch in self._place.ledger.batches(collector, first):
            if batch.number >= stop:
                break
            last = batch.start + batch.size - 1
            for row in self._place.ledger.messages(collector, last, last + 1):
                yield row.received_at
