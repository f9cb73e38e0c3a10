"""Metrics of a running gateway (docs/operations.md explains each)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import Metric

from factoryledger.metrics.disk import free
from factoryledger.metrics.spelling import counter, gauge
from gateway.service import GatewayAccount, Tally

_NONE: Final = Tally(*[0] * len(Tally.__slots__))


@dataclass(frozen=True, slots=True)
class GatewayProbe:
    """Asks a gateway, in its event loop."""

    account: GatewayAccount
    folder: Path | None = None
    """Where the outboxes are."""

    def impediment(self) -> str | None:
        """Why it could not sign and publish now, or None."""
        return "not started yet" if self.account.tally is None else None

    def families(self) -> Iterator[Metric]:
        """All its metrics; heard = signed + unmatched + repeated + own + unsignable."""
        counts = _NONE if self.account.tally is None else self.account.tally()
        yield counter("gateway_messages_heard", "Messages of sources.", counts.heard)
        yield counter(
            "gateway_messages_signed", "Those signed on a machine's behalf.", counts.signed
        )
        yield counter("gateway_messages_unmatched", "Those no rule matched.", counts.unmatched)
        yield counter("gateway_messages_repeated", "Those signed before.", counts.repeated)
        yield counter("gateway_messages_own", "Those the ledger says itself.", counts.own)
        yield counter("gateway_messages_unsignable", "Those not signed.", counts.unsignable)
        yield gauge("gateway_devices", "Devices that it speaks for.", counts.devices)
        yield counter("gateway_messages_recorded", "Messages in outboxes, ever.", counts.recorded)
        yield counter("gateway_messages_receipted", "Those let go.", counts.receipted)
        yield gauge("gateway_messages_held", "Those still kept.", counts.held)
        yield counter("gateway_messages_evicted", "Those given up.", counts.evicted)
        yield counter("gateway_messages_resent", "Publications beyond a first.", counts.resent)
        yield counter("gateway_messages_undelivered", "Bad PUBACKs.", counts.refused)
        yield counter("gateway_distrusted", "What came and did not hold.", counts.distrusted)
        yield counter("gateway_disconnects", "Connections that were lost.", counts.disconnects)
        yield counter("gateway_source_losses", "Sources that were lost.", counts.source_losses)
        yield from free(self.folder)
