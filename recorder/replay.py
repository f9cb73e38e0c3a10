"""From a recording back to MQTT, at the times of its lines or as fast as the broker takes it.

Each line has its moment from the start on, so delays do not add up. A line counts as
delivered when the broker has answered for it; one that lost its answer is sent again.
"""

import asyncio
import contextlib
import secrets
from array import array
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from telemetry.errors import (
    LinkLost,
    MalformedRecording,
    NotOffered,
    PacketTooLarge,
    TelemetryError,
)
from telemetry.link import NOBODY, Address, Credentials, Link
from telemetry.recording import Line, Reading, read

_UNANSWERED: Final = 1024  # lines in memory at once
_DRAIN: Final = 5.0  # seconds for answers after a stop
_NO_SUBSCRIBER: Final = 0x10
_REFUSED: Final = 0x80
_SHORTEST: Final = 0.0005  # seconds that a timer can tell


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a recording.

    `sent` lines, of them `acknowledged` by the broker (at QoS 0 there is nothing to), of
    those `unheard` because nobody subscribes; `refused` by it. `late_…`: seconds behind the
    line's moment, percentiles over all lines; 0 at full speed. `complete` as in `Reading`.
    """

    sent: int
    acknowledged: int
    unheard: int
    refused: int
    late_p50: float
    late_p99: float
    late_max: float
    complete: bool | None


async def replay(  # noqa: PLR0913 - by keyword, most with a default
    *,
    address: Address,
    file: Path,
    stop: asyncio.Event,
    credentials: Credentials = NOBODY,
    speed: float | None = 1.0,
    qos: int | None = 1,
    on_ready: Callable[[], None] | None = None,
) -> Replayed:
    """Publish a recording: `speed` times as fast, None for full speed; `qos` None keeps each's.

    Ends when every line has its answer. MalformedRecording, PacketTooLarge, NotOffered: what
    stood before that line was replayed. BrokerUnavailable, or OSError for the file.
    """
    if speed is not None and not speed > 0:
        raise ValueError(f"speed {speed:g}: over 0, or none for full speed")
    with file.open("rb") as opened:
        reading = read(opened, str(file))
        link = Link(
            address,
            client_id=f"factoryledger-replay-{secrets.token_hex(8)}",
            username=credentials.username,
            password=credentials.password,
            clean_start=True,
        )
        player = _Player(link, str(file), _Pace(speed), qos, stop)
        async with link:
            if on_ready is not None:
                on_ready()
            await _until(stop, player.play(reading))
    return player.result(reading.complete)


async def _until(stop: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    task = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await asyncio.wait([task], timeout=_DRAIN)
    finally:
        stopped.cancel()
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


class _Pace:
    """When each line is due, in seconds after the first; a clock that went back waits for none."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._first: int | None = None
        self._latest = 0

    def due(self, received: int) -> float | None:
        """Give the moment; None for at once."""
        if self._speed is None:
            return None
        if self._first is None:
            self._first = self._latest = received
        self._latest = max(self._latest, received)
        return (self._latest - self._first) / 1e6 / self._speed


class _Player:
    """Sends lines and keeps those without an answer."""

    def __init__(
        self, link: Link, name: str, pace: _Pace, qos: int | None, stop: asyncio.Event
    ) -> None:
        self._link = link
        self._name = name
        self._pace = pace
        self._qos = qos
        self._stop = stop
        self._pending: deque[tuple[Line, asyncio.Future[int]]] = deque()
        self._epoch = link.epoch
        self._late = array("d")
        self._codes = {"acknowledged": 0, "unheard": 0, "refused": 0}

    async def play(self, reading: Reading) -> None:
        """Send every line at its moment, then wait for the answers."""
        start = asyncio.get_running_loop().time()
        broken: TelemetryError | None = None
        try:
            for number, line in reading:
                late = await self._wait_for(start, self._pace.due(line.received))
                if self._stop.is_set():
                    break
                await self._send(line, number)
                self._late.append(late)
        except (MalformedRecording, PacketTooLarge, NotOffered) as error:
            broken = error  # what stood before it is replayed all the same
        while self._pending:
            await self._settle()
        if broken is not None:
            raise broken

    def result(self, complete: bool | None) -> Replayed:
        """Count up."""
        late = sorted(self._late)
        return Replayed(
            sent=len(late),
            **self._codes,
            late_p50=_percentile(late, 50),
            late_p99=_percentile(late, 99),
            late_max=_percentile(late, 100),
            complete=complete,
        )

    async def _wait_for(self, start: float, due: float | None) -> float:
        """Wait for a line's moment; give by how many seconds it is over."""
        if due is None:
            return 0.0
        loop = asyncio.get_running_loop()
        wait = start + due - loop.time()
        if wait > _SHORTEST:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), wait)
        return max(0.0, loop.time() - start - due)

    async def _send(self, line: Line, number: int) -> None:
        while True:
            await self._link.wait_connected()
            try:
                self._send_again()
                self._pending.append((line, self._post(line)))
                break
            except LinkLost:
                continue
            except (PacketTooLarge, NotOffered) as error:
                raise type(error)(f"{self._name}, line {number}: {error}") from error
        while len(self._pending) >= _UNANSWERED or (self._pending and self._pending[0][1].done()):
            await self._settle()

    async def _settle(self) -> None:
        """Wait for the oldest line's answer; what was lost with a connection goes again."""
        line, posted = self._pending[0]
        try:
            code = await posted
        except LinkLost:
            await self._link.wait_connected()
            with contextlib.suppress(LinkLost):
                self._send_again()
            return
        self._pending.popleft()
        if self._level(line) == 0:
            return
        self._codes["refused" if code >= _REFUSED else "acknowledged"] += 1
        self._codes["unheard"] += code == _NO_SUBSCRIBER

    def _send_again(self) -> None:
        """Send what an earlier connection lost, in order, before anything else."""
        if self._epoch == self._link.epoch:
            return
        for place, (line, posted) in enumerate(self._pending):
            if posted.done() and posted.exception() is not None:
                self._pending[place] = (line, self._post(line))
        self._epoch = self._link.epoch

    def _post(self, line: Line) -> asyncio.Future[int]:
        return self._link.post(
            line.topic,
            line.payload,
            qos=self._level(line),
            retain=line.retain,
            properties=line.properties,
        )

    def _level(self, line: Line) -> int:
        return line.qos if self._qos is None else self._qos


def _percentile(ordered: list[float], percent: int) -> float:
    """Give the value that `percent` of all are not above (nearest rank); 0 of none."""
    if not ordered:
        return 0.0
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
