"""Metrics of a running web server (docs/operations.md explains each)."""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import Metric

from factoryledger.metrics.spelling import counter, gauge
from watch.web.listening import Ear
from watch.web.live import Hub
from watch.web.lookout import Lookout


@dataclass(frozen=True, slots=True)
class WebProbe:
    """Asks the floor, its ear and the lookout, in their event loop."""

    hub: Hub
    ear: Ear
    lookout: Lookout

    def impediment(self) -> str | None:
        """Why it could not serve now, or None; it serves without broker and store too."""
        return "it is stopping" if self.hub.closed else None

    def families(self) -> Iterator[Metric]:
        """All its metrics."""
        floor, ear = self.hub.floor, self.ear
        yield counter("web_messages_heard", "Messages heard live.", floor.messages)
        yield counter(
            "web_messages_unchecked",
            "Signed messages beyond those that are checked each second.",
            floor.checking.unchecked,
        )
        yield gauge("web_machines", "Machines shown.", len(floor.machines))
        yield gauge("web_machines_not_shown", "Machines beyond those.", floor.not_shown)
        yield gauge("web_pages", "Pages that look on.", len(self.hub.streams))
        yield gauge("web_connected", "1 while the broker is connected.", ear.live)
        yield counter("web_connections", "Connections made.", ear.connections)
        yield counter("web_connections_failed", "Connections lost or tried in vain.", ear.losses)
        yield counter("web_looks", "Looks at store and log.", self.lookout.looks)
        yield counter(
            "web_looks_failed",
            "What of store and log a look could not read.",
            self.lookout.failures,
        )
