"""Watching a broker in the terminal: the connection, and the application while it lasts.

The edge: sockets, terminal, clock. It acknowledges nothing and keeps no session, as the plain
lines: who looks on leaves no trace at the broker.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from telemetry.link import NOBODY, Address, Backoff, Credentials, Link, Subscription
from watch.plain import now
from watch.terminal.app import WatchApp
from watch.terminal.model import Model
from watch.topics.trust import Prover, Signatures


@dataclass(frozen=True, slots=True)
class _Told(Backoff):
    """A backoff that says how long it waits."""

    waits: Callable[[float], None] = field(default=lambda _: None)

    def delays(self) -> Iterator[float]:
        """Give the delays, each told before it passes."""
        for delay in Backoff.delays(self):
            self.waits(delay)
            yield delay


@dataclass(frozen=True, slots=True)
class Watched:
    """What was seen."""

    messages: int
    topics: int


async def watch(  # noqa: PLR0913 - by keyword, most with a default
    *,
    address: Address,
    filters: Sequence[str],
    stop: asyncio.Event,
    credentials: Credentials = NOBODY,
    signatures: Signatures | None = None,
    prover: Prover | None = None,
    clock: Callable[[], int] = now,
) -> Watched:
    """Show live topics until `stop` or until the person quits.

    BrokerUnavailable, with the terminal untouched: no broker, or it refuses us. A broker that
    goes away later is tried again, and the application says so.
    """
    model = Model(str(address), filters, clock)
    app = WatchApp(model, signatures=signatures, prover=prover)
    link = Link(
        address,
        client_id=f"factoryledger-watch-{secrets.token_hex(8)}",
        username=credentials.username,
        password=credentials.password,
        tls=credentials.tls,
        subscriptions=[Subscription(pattern, qos=0) for pattern in filters],
        on_arrivals=model.hear,
        on_connected=model.connected,
        on_trouble=model.lost,
        backoff=_Told(waits=model.waits),
        clean_start=True,
    )
    try:
        async with link:
            await _shown(app, link, stop)
    finally:
        model.end_recording()
    if app.failure is not None:
        raise app.failure
    return Watched(model.tree.received, model.tree.topics)


async def _shown(app: WatchApp, link: Link, stop: asyncio.Event) -> None:
    """Run the application for as long as the link holds and nobody stops it."""
    ended = asyncio.Event()
    running = asyncio.create_task(app.run_async())
    running.add_done_callback(lambda _: ended.set())
    try:
        await link.run_until(stop, ended)
    finally:
        if not running.done():
            app.exit()
        await running
