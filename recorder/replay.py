"""From a recording back to MQTT, at the times of its lines or as fast as the broker takes it.

Each line has its moment from the start on, so delays do not add up. A line counts as
delivered when the broker has answered for it; one that lost its answer is sent again.
"""

import asyncio
import contextlib
import secrets
from array import array
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from recorder.pace import Controls, Pace
from recorder.playlist import Playlist
from recorder.report import Replayed, percentile
from recorder.score import Score
from telemetry.errors import (
    LinkLost,
    MalformedRecording,
    NotOffered,
    PacketTooLarge,
    TelemetryError,
)
from telemetry.link import NOBODY, Address, Credentials, Link
from telemetry.recorded_time import stamped
from telemetry.recording import Line

__all__ = ["Replayed", "replay"]

_UNANSWERED: Final = 1024  # lines in memory at once
_DRAIN: Final = 5.0  # seconds for answers after a stop
_NO_SUBSCRIBER: Final = 0x10
_REFUSED: Final = 0x80
_SHORTEST: Final = 0.0005  # seconds that a timer can tell


async def replay(  # noqa: PLR0913 - by keyword, most with a default
    *,
    address: Address,
    file: Path,
    stop: asyncio.Event,
    credentials: Credentials = NOBODY,
    speed: float | None = 1.0,
    qos: int | None = 1,
    score: Score | None = None,
    rounds: int | None = 1,
    times: bool = False,
    keep_going: bool = False,
    controls: Controls | None = None,
    on_ready: Callable[[], None] | None = None,
    on_sent: Callable[[int], None] | None = None,
) -> Replayed:
    """Publish a recording: `speed` times as fast, None for full speed; `qos` None keeps each's.

    `score` says what of it and how it is changed; `rounds` how often, None for ever; with
    `times` each receive time goes along (docs/formats.md, Recording); `on_sent` hears how many
    were sent. Ends when every line has its answer. MalformedRecording, PacketTooLarge,
    NotOffered: what stood before that line was replayed. BrokerUnavailable, or OSError for the
    file.
    """
    if speed is not None and not speed > 0:
        raise ValueError(f"speed {speed:g}: over 0, or none for full speed")
    link = Link(
        address,
        client_id=f"factoryledger-replay-{secrets.token_hex(8)}",
        username=credentials.username,
        password=credentials.password,
        clean_start=True,
    )
    score = replace(score or Score(), qos=qos)
    controls = controls or Controls()
    with Playlist(file, score, rounds, controls, keep_going=keep_going) as playlist:
        player = _Player(link, playlist, Pace(speed), stop, controls, times=times)
        player.on_sent = on_sent
        async with link:
            if on_ready is not None:
                on_ready()
            await _until(stop, player.play())
    return player.result()


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


class _Player:
    """Sends lines and keeps those without an answer."""

    def __init__(  # noqa: PLR0913 - its parts
        self,
        link: Link,
        playlist: Playlist,
        pace: Pace,
        stop: asyncio.Event,
        controls: Controls,
        *,
        times: bool,
    ) -> None:
        self.on_sent: Callable[[int], None] | None = None
        self._link = link
        self._playlist = playlist
        self._pace = pace
        self._stop = stop
        self._controls = controls
        self._times = times
        self._pending: deque[tuple[Line, asyncio.Future[int]]] = deque()
        self._epoch = link.epoch
        self._late = array("d")
        self._finished = False
        self._codes = {"acknowledged": 0, "unheard": 0, "refused": 0}

    async def play(self) -> None:
        """Send every line at its moment, then wait for the answers."""
        start = asyncio.get_running_loop().time()
        broken: TelemetryError | None = None
        try:
            for number, line, first, last in _with_ends(self._playlist):
                if first:
                    self._pace.begin()
                    start = asyncio.get_running_loop().time() - self._controls.held
                late = await self._wait_for(start, self._pace.due(line.received))
                if self._stop.is_set():
                    break
                if self._controls.sought:
                    continue
                await self._send(self._stamped(line, last=last), number)
                self._late.append(late)
                if self.on_sent is not None:
                    self.on_sent(len(self._late))
            else:
                self._finished = True
        except (MalformedRecording, PacketTooLarge, NotOffered) as error:
            broken = error  # what stood before it is replayed all the same
        while self._pending:
            await self._settle()
        if broken is not None:
            raise broken

    def result(self) -> Replayed:
        """Count up."""
        late = sorted(self._late)
        read = self._playlist.reading
        complete, skipped = (None, 0) if read is None else (read.complete, read.skipped)
        answered = not self._pending and not self._codes["refused"]
        return Replayed(
            sent=len(late),
            **self._codes,
            late_p50=percentile(late, 50),
            late_p99=percentile(late, 99),
            late_max=percentile(late, 100),
            late_last=self._late[-1] if self._late else 0.0,
            skipped=skipped,
            disordered=0 if read is None else read.disordered,
            whole=self._finished and answered and complete is not False and not skipped,
            complete=complete,
            reasons=() if read is None else tuple(map(str, read.reasons)),
            cut=None if read is None or read.cut is None else str(read.cut),
        )

    def _stamped(self, line: Line, *, last: bool) -> Line:
        if not self._times:
            return line
        return replace(line, properties=stamped(line.properties, line.received, last=last))

    async def _wait_for(self, start: float, due: float | None) -> float:
        """Wait for a line's moment; give by how many seconds it is over."""
        loop = asyncio.get_running_loop()
        while not (self._stop.is_set() or self._controls.sought):
            if self._controls.paused:
                await _first_of(self._stop.wait(), self._controls.wait())
                continue
            if due is None:
                break
            wait = start + self._controls.held + due - loop.time()
            if wait <= _SHORTEST:
                break
            with contextlib.suppress(TimeoutError):
                called = _first_of(self._stop.wait(), self._controls.wait_sought())
                await asyncio.wait_for(called, wait)
        if due is None:
            return 0.0
        return max(0.0, loop.time() - start - self._controls.held - due)

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
                raise type(error)(f"{self._playlist.name}, line {number}: {error}") from error
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
        if line.qos == 0:
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
            qos=line.qos,
            retain=line.retain,
            properties=line.properties,
        )


def _with_ends(lines: Playlist) -> Iterator[tuple[int, Line, bool, bool]]:
    """Give each line with whether a round begins with it, and whether it is the last of all.

    The line before a broken one is the last, also where the broken one is skipped: `ingest`
    ends a batch there.
    """
    held: tuple[int, Line, bool] | None = None
    skipped = 0
    try:
        for one in lines:
            before, skipped = skipped, lines.reading.skipped if lines.reading else 0
            # What was held goes if the playlist went on elsewhere meanwhile.
            if held is not None and not one[2]:
                yield (*held, skipped > before)
            held = one
    except MalformedRecording:
        if held is not None:
            yield (*held, True)
        raise
    if held is not None:
        yield (*held, True)


async def _first_of(*waits: Coroutine[None, None, object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
