"""A log mirrored once, or for as long as nobody stops it."""

import asyncio
from contextlib import suppress
from pathlib import Path

import structlog

from anchor.errors import AnchorError, Diverged, Refused
from anchor.keeping.log_folder import LogFolder
from anchor.keeping.mirror import Mirror, Mirrored
from anchor.reading.log_reader import LogReader
from factoryledger.progress import bar
from factoryledger.running import ready, run_until_stopped

_log = structlog.get_logger("mirror")


def mirrored(reader: LogReader, path: Path, every: float | None) -> Mirrored:
    """Take what is new; with `every` again so often (seconds), and wait for a server that is away.

    Locked where another process mirrors into the folder; else it raises as `Mirror.round` does.
    """
    folder = LogFolder(path)
    with folder.lock():
        mirror = Mirror(folder, reader)
        if every is None:
            with bar("entries") as show:
                return mirror.round(show)
        return run_until_stopped(lambda stop: _follow(mirror, reader, stop, every))


async def _follow(mirror: Mirror, reader: LogReader, stop: asyncio.Event, every: float) -> Mirrored:
    ready(f"mirror of {reader.key.name}")()
    first: int | None = None
    size = 0
    while not stop.is_set():
        try:
            done = await asyncio.to_thread(mirror.round)
        except (Refused, Diverged):
            raise  # no waiting makes that good
        except AnchorError as error:
            _log.warning("mirror-waits", reason=str(error))
        else:
            first, size = done.before if first is None else first, done.size
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), every)
    return Mirrored(first or 0, size)
