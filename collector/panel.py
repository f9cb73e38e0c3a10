"""The judges of a collector: processes that check signatures on all cores, ahead of the commit.

Edge of processes. What they say is what this process would say (`collector.verdict`), so their
number changes nothing but the speed. One that dies is replaced and what it had is judged
again; where that fails too, the collector judges by itself (docs/decisions/judges.md).
"""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, Self

import structlog

from collector.arrived import Arrived
from collector.judge_frames import HEAD, Words, frame, length, verdicts
from collector.verdict import Verdict
from telemetry.judgement import is_signed
from telemetry.keyring import KeyStatement

_log = structlog.get_logger(__name__)

JUDGE: Final = (sys.executable, "-P", "-m", "collector.judge_process")
_WORTH: Final = 32  # signed messages; fewer are judged sooner by ourselves
_CHUNK: Final = 128  # messages of one question
_LARGEST: Final = 65_536  # bytes of payload; a larger one costs more to send than to check
_AT_ONCE: Final = 2  # questions that a judge has, so that it never waits for the next
_TRIES: Final = 2  # judges that may die over the same messages
_FAILURES: Final = 3  # deaths in a row without an answer, after which none takes the seat
_PATIENCE: Final = 60.0  # seconds for an answer
_BUFFER: Final = 2**20


@dataclass(slots=True, eq=False)
class _Question:
    frame: bytes
    count: int
    answer: asyncio.Future[Sequence[Verdict | None]]
    tries: int = 0

    def settle(self, found: Sequence[Verdict | None]) -> None:
        if not self.answer.done():
            self.answer.set_result(found)

    def give_up(self) -> None:
        self.settle([None] * self.count)


@dataclass(slots=True, eq=False)
class _Judge:
    """One process: how many statements it was told, what it was asked and has not answered."""

    process: Process
    told: int = 0
    answered: int = 0
    asked: deque[tuple[int, _Question]] = field(default_factory=deque)
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    due: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))


class Panel:
    """Up to `processes` judges, started when there is first something worth asking them.

    `statements` are those that the collector has applied, in order; it grows while we look.
    Lives in one event loop, for as long as `async with` lasts.
    """

    def __init__(
        self, processes: int, statements: Sequence[KeyStatement], command: Sequence[str] = JUDGE
    ) -> None:
        self._command = command
        self._processes = processes
        self._statements = statements
        # By number: what a dead judge had goes first.
        self._waiting: asyncio.PriorityQueue[tuple[int, _Question]] = asyncio.PriorityQueue()
        self._numbers = 0
        self._seats: set[asyncio.Task[None]] = set()
        self._judges: list[_Judge] = []
        self._started = False
        self._closing = False

    @property
    def pids(self) -> list[int]:
        """The process ids of the judges that sit."""
        return [judge.process.pid for judge in self._judges]

    async def __aenter__(self) -> Self:
        """Start nothing yet."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let the judges go; what they had is not answered."""
        self._closing = True
        for seat in self._seats:
            seat.cancel()
        await asyncio.gather(*self._seats, return_exceptions=True)

    async def judge(self, arrivals: Sequence[Arrived]) -> Sequence[Verdict | None]:
        """Judge ahead; None for what is left to the caller: unsigned, large, or failed on.

        Empty where that is everything. A verdict counts only while it `holds`.
        """
        places = [
            place
            for place, one in enumerate(arrivals)
            if is_signed(one.payload, one.properties) and len(one.payload) <= _LARGEST
        ]
        if len(places) < _WORTH or not self._sits():
            return ()
        words = [
            (one.topic, one.payload, one.properties) for one in map(arrivals.__getitem__, places)
        ]
        try:
            questions = [self._ask(words[at : at + _CHUNK]) for at in range(0, len(words), _CHUNK)]
        except UnicodeEncodeError:  # no topic off the wire, but one of a recording
            return ()
        found: list[Verdict | None] = [None] * len(arrivals)
        answers = await asyncio.gather(*questions)
        for place, verdict in zip(places, chain.from_iterable(answers), strict=True):
            found[place] = verdict
        return found

    def _sits(self) -> bool:
        if not self._started:
            self._started = True
            for _ in range(self._processes):
                seat = asyncio.create_task(self._seat())
                self._seats.add(seat)
                seat.add_done_callback(self._left)
        return bool(self._seats)

    def _ask(self, words: Sequence[Words]) -> asyncio.Future[Sequence[Verdict | None]]:
        answer = asyncio.get_running_loop().create_future()
        self._numbers += 1
        self._waiting.put_nowait((self._numbers, _Question(frame(words), len(words), answer)))
        return answer

    async def _seat(self) -> None:
        """Keep one seat taken, until too many judges have died in it."""
        failures = 0
        while failures < _FAILURES:
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._command, stdin=PIPE, stdout=PIPE, limit=_BUFFER
                )
            except OSError as error:
                _log.warning("no judge can be started", error=str(error))
                return
            judge = _Judge(process)
            self._judges.append(judge)
            try:
                await self._serve(judge)
            finally:
                self._judges.remove(judge)
                await _part(process)
                self._take_back(judge)
            _log.warning("a judge has died", pid=process.pid, returncode=process.returncode)
            failures = 0 if judge.answered else failures + 1
        _log.error("judges die at once: none takes this seat any more")

    async def _serve(self, judge: _Judge) -> None:
        """Ask and hear until the process is gone, or answers what is no answer."""
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._ask_on(judge))
                both.create_task(_hear_on(judge))
        except* (OSError, EOFError, TimeoutError, ValueError):
            pass

    async def _ask_on(self, judge: _Judge) -> None:
        writer = judge.process.stdin
        assert writer is not None
        while True:
            await judge.room.acquire()
            judge.asked.append(await self._waiting.get())
            news = self._statements[judge.told :]
            judge.told += len(news)
            writer.write(frame(news) + judge.asked[-1][1].frame)
            judge.due.release()
            await writer.drain()

    def _take_back(self, judge: _Judge) -> None:
        """Let others judge what a dead one had, or nobody, where it may have died of that."""
        for number, question in judge.asked:
            question.tries += 1
            if question.tries < _TRIES and not self._closing:
                self._waiting.put_nowait((number, question))
            else:
                question.give_up()

    def _left(self, seat: asyncio.Task[None]) -> None:
        self._seats.discard(seat)
        while not (self._seats or self._waiting.empty()):
            self._waiting.get_nowait()[1].give_up()


async def _hear_on(judge: _Judge) -> None:
    reader = judge.process.stdout
    assert reader is not None
    while True:
        await judge.due.acquire()
        async with asyncio.timeout(_PATIENCE):
            size = length(await reader.readexactly(HEAD))
            found = verdicts(await reader.readexactly(size))
        question = judge.asked[0][1]
        if len(found) != question.count:
            raise ValueError(f"{len(found)} verdicts on {question.count} messages")
        judge.asked.popleft()
        judge.answered += 1
        question.settle(found)
        judge.room.release()


async def _part(process: Process) -> None:
    """End a judge, which holds nothing that is not here too."""
    with suppress(ProcessLookupError):
        process.kill()
    await process.communicate()
