"""From a recording back to MQTT, at the times of its lines or as fast as the broker takes it.

Each line has its moment from the start on, so delays do not add up; lines of one moment leave
in one piece. A line counts as delivered when the broker has answered for it.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from recorder.pace import Controls, Pace
from recorder.playlist import Playlist
from recorder.report import Lateness, Replayed
from recorder.score import Score
from recorder.unanswered import Unanswered
from telemetry.errors import MalformedRecording, NotOffered, PacketTooLarge, TelemetryError
from telemetry.link import NOBODY, Address, Credentials, Link
from telemetry.recorded_time import stamped
from telemetry.recording import Line

__all__ = ["Replayed", "replay"]

_DRAIN: Final = 5.0  # seconds for answers after a stop
# Seconds before a line's moment from which on this thread sleeps: the event loop's timers, and
# uvloop's clock, have steps of a millisecond.
_SOON: Final = 0.002


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
        tls=credentials.tls,
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
    """Sends each line at its moment."""

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
        self._playlist = playlist
        self._pace = pace
        self._stop = stop
        self._controls = controls
        self._times = times
        self._unanswered = Unanswered(link, playlist.name)
        self._late = Lateness()
        self._finished = False

    async def play(self) -> None:
        """Send every line at its moment, then wait for the answers."""
        start = time.monotonic()
        broken: TelemetryError | None = None
        try:
            for number, line, first, last in _with_ends(self._playlist):
                if first:
                    self._pace.begin()
                    start = time.monotonic() - self._controls.held
                late = await self._wait_for(start, self._pace.due(line.received))
                if self._stop.is_set():
                    break
                if self._controls.sought:
                    continue
                await self._unanswered.send(self._stamped(line, last=last), number)
                self._late.add(late)
                if self.on_sent is not None:
                    self.on_sent(self._late.count)
            else:
                self._finished = True
        except (MalformedRecording, PacketTooLarge, NotOffered) as error:
            broken = error  # what stood before it is replayed all the same
        await self._unanswered.settle()
        if broken is not None:
            raise broken

    def result(self) -> Replayed:
        """Count up."""
        late = self._late
        read = self._playlist.reading
        complete, skipped = (None, 0) if read is None else (read.complete, read.skipped)
        codes = self._unanswered.codes
        answered = not self._unanswered and not codes["refused"]
        return Replayed(
            sent=late.count,
            **codes,
            late_p50=late.percentile(50),
            late_p99=late.percentile(99),
            late_max=late.most,
            late_last=late.last,
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
        while not (self._stop.is_set() or self._controls.sought):
            if self._controls.paused:
                await _first_of(self._stop.wait(), self._controls.wait())
                continue
            if due is None:
                break
            moment = start + self._controls.held + due
            wait = moment - time.monotonic()
            if wait > _SOON:
                with contextlib.suppress(TimeoutError):
                    called = _first_of(self._stop.wait(), self._controls.wait_sought())
                    await asyncio.wait_for(called, wait - _SOON / 2)
                continue
            if wait > 0:
                await _sleep_until(moment)
            break
        if due is None:
            return 0.0
        return max(0.0, time.monotonic() - start - self._controls.held - due)


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


async def _sleep_until(moment: float) -> None:
    """Sleep the last bit, to less than a timer's step, once what was sent before is written."""
    for _ in range(2):  # the link writes in its turn of the loop, uvloop at the turn's end
        await asyncio.sleep(0)
    time.sleep(max(0.0, moment - time.monotonic()))  # noqa: ASYNC251 - 2 ms at most


async def _first_of(*waits: Coroutine[None, None, object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
