"""From MQTT to a recording: a message is acknowledged when its line is with the system.

A kill leaves a readable recording without an end mark. What a kill or a lost connection
leaves unacknowledged comes again: recorded at least once, never less (at QoS 1).
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from telemetry.link import NOBODY, Address, Arrival, Credentials, Link, Subscription
from telemetry.packing import Sink
from telemetry.recording import Header, Line, Writer
from telemetry.topic import matches

# The broker keeps for us what comes while the connection is away, this many seconds.
_AWAY: Final = 3600


@dataclass(frozen=True, slots=True)
class Recorded:
    """How many messages a recording holds."""

    count: int


def now() -> int:
    """Read the system's clock, in microseconds since 1970."""
    return time.time_ns() // 1000


async def record(  # noqa: PLR0913 - by keyword, most with a default
    *,
    address: Address,
    filters: Sequence[str],
    exclude: Sequence[str] = (),
    out: Sink,
    stop: asyncio.Event,
    credentials: Credentials = NOBODY,
    duration: float | None = None,
    count: int | None = None,
    on_ready: Callable[[], None] | None = None,
    on_recorded: Callable[[int], None] | None = None,
    clock: Callable[[], int] = now,
) -> Recorded:
    """Record until `stop`, `count` messages or `duration` seconds, then write the end mark.

    What `exclude` matches is let go. Nothing waits in a queue here: while a line is being
    written nothing is read, so whoever publishes faster is held up, and at QoS 1 only what is
    written is acknowledged. `on_recorded` hears how many there are after each read. Does not close
    `out`. BrokerUnavailable: no broker, or it refuses us; OSError: `out` cannot be written, and
    the recording has no end mark.
    """
    header = Header(str(address), tuple(filters), "system", clock())
    tape = _Tape(out, header, count, clock=clock, exclude=exclude, on_recorded=on_recorded)
    link = Link(
        address,
        client_id=f"factoryledger-record-{secrets.token_hex(8)}",
        username=credentials.username,
        password=credentials.password,
        tls=credentials.tls,
        subscriptions=[Subscription(pattern) for pattern in filters],
        on_arrivals=lambda arrivals: link.acknowledge(tape.take(arrivals)),
        on_connected=lambda _: tape.begin(),
        clean_start=True,
        session_expiry=_AWAY,
        end_session=True,
    )
    async with link:
        if on_ready is not None:
            on_ready()
        await link.run_until(stop, tape.full, seconds=duration)
        tape.full.set()
    return Recorded(tape.end())


class _Tape:
    """The file being written; takes no more once `full` is set."""

    def __init__(  # noqa: PLR0913 - settings of one recording
        self,
        out: Sink,
        header: Header,
        most: int | None,
        *,
        clock: Callable[[], int],
        exclude: Sequence[str],
        on_recorded: Callable[[int], None] | None,
    ) -> None:
        self.full = asyncio.Event()
        self._out = out
        self._header = header
        self._most = most
        self._clock = clock
        self._exclude = exclude
        self._on_recorded = on_recorded
        self._writer: Writer | None = None
        self._newest = 0

    def begin(self) -> None:
        """Write the header, once there is a broker: without one nothing is recorded."""
        if self._writer is None:
            self._writer = Writer(self._out, self._header)
            self._out.flush()
            self._fill()

    def take(self, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
        """Write what there is room for; give what may be acknowledged, flushed by now."""
        assert self._writer is not None, "messages come after `begin`"
        if self.full.is_set():
            return ()
        room = None if self._most is None else self._most - self._writer.count
        taken = self._wanted(arrivals, room)
        # Where the clock was put back, time stands still: a recording's lines are in order.
        self._newest = received = max(self._newest, self._clock())
        for one in taken:
            if one is not None:
                self._writer.write(
                    Line(received, one.topic, one.payload, one.qos, one.retain, one.properties)
                )
        self._out.flush()
        self._fill()
        if self._on_recorded is not None:
            self._on_recorded(self._writer.count)
        return arrivals[: len(taken)]

    def _wanted(self, arrivals: Sequence[Arrival], room: int | None) -> Sequence[Arrival | None]:
        """Give those that there is room for, in order, None for what is excluded."""
        if not self._exclude:
            return arrivals[:room]
        taken: list[Arrival | None] = []
        for one in arrivals:
            if room == 0:
                break
            out = any(matches(pattern, one.topic) for pattern in self._exclude)
            room = room if out or room is None else room - 1
            taken.append(None if out else one)
        return taken

    def end(self) -> int:
        """Write the end mark; give the count."""
        assert self._writer is not None, "the end comes after `begin`"
        self._writer.close()
        self._out.flush()
        return self._writer.count

    def _fill(self) -> None:
        assert self._writer is not None
        if self._most is not None and self._writer.count >= self._most:
            self.full.set()
