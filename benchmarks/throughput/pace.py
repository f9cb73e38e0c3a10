"""Messages published at a steady rate, each with the time when it was made."""

import asyncio
import time
from collections.abc import Iterator

from telemetry.link import Address, Link
from throughput.messages import MACHINES, Message, signing, topic

_LOOK = 0.005  # s


async def publish_at(address: Address, messages: Iterator[Message], rate: float, many: int) -> None:
    """Publish so many at this rate, each made when it is due, until the broker has them all."""
    async with Link(address, client_id="bench-pace") as link:
        begun, sent, last = time.perf_counter(), 0, None
        while sent < many:
            due = min(many, int((time.perf_counter() - begun) * rate) + 1)
            for _ in range(sent, due):
                last = link.post(*next(messages))
            sent = due
            await asyncio.sleep(_LOOK)
        if last is not None:
            await last  # the broker answers in order


def foreign_now(prefix: str) -> Iterator[Message]:
    """Make foreign messages of 200 bytes that begin with their time."""
    padding = b',"note":"' + b"x" * 150 + b'"}'
    while True:
        yield f"{prefix}/paced", b'{"ns":%d%b' % (time.time_ns(), padding)


def signed_now(prefix: str, readings: int) -> Iterator[Message]:
    """Make signed messages of machines whose clock is this one's."""
    topics = [str(topic(machine, prefix)) for machine in range(MACHINES)]
    for machine, payload in signing(readings, lambda _: time.time_ns() // 1000):
        yield topics[machine], payload
