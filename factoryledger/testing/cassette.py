"""The recording of `@pytest.mark.recorded`: used as it is, or made from a live broker first.

A test always sees the file: what was recorded now is played like what was recorded last year.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from factoryledger.errors import WrongUsage
from recorder.convert import packed
from recorder.record import record
from telemetry.errors import MalformedRecording
from telemetry.link import Address
from telemetry.recording import Header, Line, Writer, read

MODES = ("none", "once", "new_episodes", "all")
_SECONDS = 5.0
_BETWEEN = 1_000_000  # µs from what was there to what is added


@dataclass(frozen=True, slots=True)
class Cassette:
    """A recording `file`, and how it is made: `topics` of `broker`, `count` or `duration` s.

    `mode` is none (it must be there), once (made where it is not), new_episodes (topics that
    it lacks are added) or all (made anew).
    """

    file: Path
    mode: str
    broker: str
    topics: Sequence[str]
    count: int | None
    duration: float

    async def ready(self) -> Path:
        """Make the file if the mode says so; WrongUsage says what is missing for that."""
        there = self.file.is_file()
        if not there and self.mode == "none":
            raise WrongUsage(
                f"no recording {self.file}: make it with --recorded-mode once and "
                "--recorded-broker mqtt://HOST"
            )
        if self.mode == "new_episodes" and there:
            await self._add()
        elif self.mode == "all" or not there:
            await self._make()
        return self.file

    async def _make(self) -> None:
        part = self._part()
        try:
            if not await self._record(part, ()):
                raise WrongUsage(
                    f"nothing came from {self.broker} on {' '.join(self.topics)} within "
                    f"{self.duration:g} s, so there is nothing to record"
                )
            part.replace(self.file)
        finally:
            part.unlink(missing_ok=True)

    async def _add(self) -> None:
        """Add what comes on topics that the recording lacks, as if it had come after it."""
        header, old = _all(self.file)
        part = self._part()
        try:
            known = sorted({line.topic for line in old})
            if not await self._record(part, known):
                return
            _, new = _all(part)
            shift = old[-1].received + _BETWEEN - new[0].received if old else 0
            moved = (replace(line, received=line.received + shift) for line in new)
            with (
                part.open("wb") as file,
                packed(file, self.file) as sink,
                Writer(sink, header) as writer,
            ):
                for line in chain(old, moved):
                    writer.write(line)
            part.replace(self.file)
        finally:
            part.unlink(missing_ok=True)

    async def _record(self, path: Path, known: Sequence[str]) -> int:
        if not self.broker:
            raise WrongUsage(
                f"{self.file} is to be recorded, and from where? Name it: --recorded-broker "
                "mqtt://HOST, or recorded_broker in pytest's settings"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            return await self._into(file, known)

    async def _into(self, file: BinaryIO, known: Sequence[str]) -> int:
        with packed(file, self.file) as sink:
            recorded = await record(
                address=Address.parse(self.broker),
                filters=self.topics,
                exclude=known,
                out=sink,
                count=self.count,
                duration=self.duration,
                stop=asyncio.Event(),
            )
        return recorded.count

    def _part(self) -> Path:
        return self.file.with_name(f"{self.file.name}.part")


def cassette_of(request: pytest.FixtureRequest) -> Cassette | None:
    """Read the marker of a test, if it has one; WrongUsage for one that cannot be."""
    marker = request.node.get_closest_marker("recorded")
    if marker is None:
        return None
    config = request.config
    said: dict[str, Any] = {"duration": _SECONDS, "topics": ("#",), "count": None, **marker.kwargs}
    name = marker.args[0] if marker.args else f"{request.node.originalname}.jsonl"
    mode = config.getoption("--recorded-mode") or said.get("mode") or config.getini("recorded_mode")
    if mode not in MODES:
        raise WrongUsage(f"recorded mode {mode!r}: {', '.join(MODES)}")
    broker = config.getoption("--recorded-broker") or said.get("broker")
    return Cassette(
        file=request.path.parent / "recordings" / name,
        mode=mode,
        broker=broker or config.getini("recorded_broker"),
        topics=said["topics"],
        count=said["count"],
        duration=said["duration"],
    )


def _all(path: Path) -> tuple[Header, list[Line]]:
    with path.open("rb") as file:
        reading = read(file, str(path))
        lines = [line for _, line in reading]
    if reading.header is None or reading.complete is not True:
        raise MalformedRecording(str(path), len(lines) + 1, "not a whole recording of ours")
    return reading.header, lines
