"""Live topics as lines: for pipes, logs and terminals without colours.

The edge: it listens and hands each line to `write`. It acknowledges nothing and keeps no
session: who looks on leaves no trace at the broker.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence

from telemetry.link import NOBODY, Address, Arrival, Credentials, Link, Subscription
from watch.line import json_line, plain_line


def now() -> int:
    """Read the system's clock, in microseconds since 1970."""
    return time.time_ns() // 1000


async def watch(  # noqa: PLR0913 - by keyword, most with a default
    *,
    address: Address,
    filters: Sequence[str],
    write: Callable[[str], None],
    stop: asyncio.Event,
    credentials: Credentials = NOBODY,
    as_json: bool = False,
    count: int | None = None,
    on_ready: Callable[[], None] | None = None,
    clock: Callable[[], int] = now,
) -> int:
    """Write a line (without newline) a message until `stop` or `count`; give how many.

    Retained messages come first. BrokerUnavailable: no broker, or it refuses us; what
    `write` raises ends the watching and is raised here.
    """
    line = json_line if as_json else plain_line
    full = asyncio.Event()
    written = 0

    def show(arrivals: list[Arrival]) -> None:
        nonlocal written
        for one in arrivals:
            if full.is_set():
                return
            write(line(one, clock()))
            written += 1
            if written == count:
                full.set()

    link = Link(
        address,
        client_id=f"factoryledger-watch-{secrets.token_hex(8)}",
        username=credentials.username,
        password=credentials.password,
        tls=credentials.tls,
        subscriptions=[Subscription(pattern, qos=0) for pattern in filters],
        on_arrivals=show,
        clean_start=True,
    )
    async with link:
        if on_ready is not None:
            on_ready()
        await link.run_until(stop, full)
        full.set()
    return written
