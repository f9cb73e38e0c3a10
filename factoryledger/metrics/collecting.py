"""A running collector's metrics (docs/operations.md explains each)."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import Metric

from collector.account import Account, Moment
from factoryledger.metrics.disk import free
from factoryledger.metrics.spelling import counter, counters, gauge, histogram, since_epoch
from telemetry.record import STATUSES


@dataclass(frozen=True, slots=True)
class CollectorProbe:
    """Reads an account in the event loop that writes it, so that one scrape is one moment."""

    account: Account
    folder: Path | None = None
    """Where the store is, if it is a file."""

    def impediment(self) -> str | None:
        """Why it could not take and keep a message now, or None."""
        return self.account.impediment(time.monotonic())

    def families(self) -> Iterator[Metric]:
        """All its metrics."""
        moment = self.account.look()
        yield from self._conserved()
        yield from self._queued(moment)
        yield from self._standing()
        yield from self._committed()
        yield from self._linked(moment)
        yield from free(self.folder)

    def _conserved(self) -> Iterator[Metric]:
        """The terms of received = stored + duplicates + refused + in flight."""
        sums = self.account.balance()
        yield counter(
            "collector_messages_received", "Messages that came, but for own.", sums.received
        )
        yield counter("collector_messages_stored", "Messages committed.", sums.stored)
        yield counter(
            "collector_messages_duplicate", "Messages that were stored already.", sums.duplicates
        )
        yield counter("collector_messages_refused", "Messages kept out of the log.", sums.refused)
        yield gauge(
            "collector_messages_in_flight", "Messages taken and not committed yet.", sums.in_flight
        )
        yield counter("collector_messages_own", "The ledger's own words, not stored.", sums.own)
        yield counters("collector_refusals", "The same, by cause.", "cause", self.account.causes)
        known = {status: self.account.statuses[status] for status in STATUSES}
        yield counters(
            "collector_messages_judged", "Messages stored, by their status.", "status", known
        )

    def _queued(self, moment: Moment) -> Iterator[Metric]:
        waiting = moment.door.in_flight
        yield gauge("collector_queue_messages", "Messages that wait for a batch.", waiting)
        yield gauge("collector_queue_bytes", "Their payloads.", moment.waiting_bytes)
        committing = self.account.committing
        yield gauge("collector_commit_messages", "Messages in the commit under way.", committing)
        yield gauge("collector_reading_paused", "1 while too much waits to read on.", moment.paused)

    def _standing(self) -> Iterator[Metric]:
        """What the survey has counted by itself: a scrape reads no store."""
        found = self.account.standing
        gaps, missing, forks = (
            (None, None, None) if found is None else (found.gaps, found.missing, found.forks)
        )
        yield gauge("collector_gaps", "Gaps in machines' numbers, in the store.", gaps)
        yield gauge("collector_gap_messages", "Messages missing in them.", missing)
        yield gauge("collector_forks", "Two messages that name one, in the store.", forks)

    def _committed(self) -> Iterator[Metric]:
        account = self.account
        yield histogram("collector_batch_messages", "Messages in a batch.", account.batch_sizes)
        yield histogram(
            "collector_batch_seconds", "From a batch's end to its commit.", account.batch_seconds
        )
        yield histogram(
            "collector_commit_seconds", "A batch's transaction alone.", account.commit_seconds
        )
        yield histogram(
            "collector_machine_to_commit_seconds",
            "From an accepted message's own time to its commit.",
            account.delays,
        )
        yield since_epoch(
            "collector_last_commit", "When a batch was committed.", account.last_commit
        )

    def _linked(self, moment: Moment) -> Iterator[Metric]:
        yield gauge("collector_connected", "1 while the broker is connected.", moment.connected)
        yield counter("collector_connections", "Connections made.", self.account.connections)
        yield counter(
            "collector_sessions_lost",
            "Reconnects to a broker that had forgotten the session.",
            self.account.sessions_lost,
        )
        yield counter("collector_receipts", "Receipts published.", self.account.receipts)
        yield gauge(
            "collector_receipts_unanswered",
            "Publications that the broker has not answered.",
            moment.unanswered,
        )
