"""The floor's ear: the broker's messages, for as long as there is one, and again when it is back.

Edge. As `watch.plain`: QoS 0, no session, nothing acknowledged; who looks on leaves no trace.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from telemetry.address import Address, Credentials
from telemetry.backoff import Backoff
from telemetry.errors import TelemetryError
from telemetry.header import NAME
from telemetry.link import Arrival, Link, Subscription
from watch.floor.floor import Floor

_LARGEST: Final = 1 << 20


@dataclass(slots=True)
class Ear:
    """Hears a broker's topics for a floor; `live` while it is connected, else `why` not."""

    floor: Floor
    address: Address
    filters: Sequence[str]
    credentials: Credentials
    clock: Callable[[], int]
    why: str = "not connected yet"
    connections: int = 0
    losses: int = 0
    backoff: Backoff = field(default_factory=Backoff)
    _link: Link | None = None

    @property
    def live(self) -> bool:
        """Whether messages come now."""
        return self._link is not None and self._link.connected

    async def listen(self, stop: asyncio.Event) -> None:
        """Hear until `stop`; a broker that is away is tried again, ever more seldom."""
        delays = self.backoff.delays()
        while not stop.is_set():
            try:
                await self._connected(stop)
            except TelemetryError as error:
                self._trouble(error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), next(delays))

    async def _connected(self, stop: asyncio.Event) -> None:
        link = Link(
            self.address,
            client_id=f"factoryledger-web-{secrets.token_hex(8)}",
            username=self.credentials.username,
            password=self.credentials.password,
            tls=self.credentials.tls,
            subscriptions=[
                # What is retained tells what was; what comes live is not to look like it.
                Subscription(one, qos=0, retain_as_published=False)
                for one in self.filters
            ],
            on_arrivals=self._arrived,
            on_connected=self._opened,
            on_trouble=self._trouble,
            clean_start=True,
            maximum_packet_size=_LARGEST,
        )
        async with link:
            self._link = link
            try:
                await link.run_until(stop)
            finally:
                self._link = None

    def _opened(self, _session_present: bool) -> None:
        self.connections += 1
        self.why = ""
        self.floor.unheard()

    def _trouble(self, error: Exception) -> None:
        self.losses += 1
        self.why = str(error)

    def _arrived(self, arrivals: list[Arrival]) -> None:
        now = self.clock()
        hear = self.floor.hear
        for one in arrivals:
            if not one.properties.user_properties:
                hear(one.topic, one.payload, now, retained=one.retain)
                continue
            hear(
                one.topic,
                one.payload,
                now,
                retained=one.retain,
                header=_header(one),
                properties=one.properties.to_text(),
            )


def _header(arrival: Arrival) -> bytes:
    """What tells who sent a payload that is not JSON."""
    found = (value for name, value in arrival.properties.user_properties if name == NAME)
    return next(found, "").encode("utf-8", "replace")
