"""Metrics of a running simulator (docs/operations.md explains each)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import Metric

from factoryledger.metrics.disk import free
from factoryledger.metrics.spelling import counter, gauge
from simulator.crew import Tally
from simulator.fleet import FleetAccount


@dataclass(frozen=True, slots=True)
class SimulatorProbe:
    """Asks a fleet, in its event loop."""

    account: FleetAccount
    folder: Path | None = None
    """Where the outboxes are, if they are files."""

    def impediment(self) -> str | None:
        """Why it could not publish now, or None."""
        return "not started yet" if self.account.tally is None else None

    def families(self) -> Iterator[Metric]:
        """All its metrics; recorded = receipted + held + evicted."""
        counts = Tally(0, 0, 0, 0) if self.account.tally is None else self.account.tally()
        yield counter("simulator_messages_recorded", "Messages made.", counts.recorded)
        yield counter("simulator_messages_receipted", "Those let go.", counts.receipted)
        yield gauge("simulator_messages_held", "Those still kept.", counts.held)
        yield counter("simulator_messages_evicted", "Those given up.", counts.evicted)
        yield counter(
            "simulator_messages_delivered", "Those with a good PUBACK or receipt.", counts.delivered
        )
        yield counter("simulator_messages_resent", "Publications beyond a first.", counts.resent)
        yield counter("simulator_messages_undelivered", "Bad PUBACKs.", counts.refused)
        yield counter("simulator_distrusted", "What came and did not hold.", counts.distrusted)
        yield counter("simulator_disconnects", "Connections that were lost.", counts.disconnects)
        yield counter(
            "simulator_connects_failed", "Tries to connect in vain.", counts.failed_connects
        )
        yield counter("simulator_scans_skipped", "Scans missed, not made.", counts.skipped)
        yield from free(self.folder)
