"""How a long-running command runs: one line when it is ready, a clean stop on SIGTERM.

Edge: signals and the event loop. The first SIGTERM or Ctrl-C asks it to stop, the second
Ctrl-C ends it at once.
"""

import asyncio
import gc
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import typer

from factoryledger.errors import NotThere

Result = TypeVar("Result")

# Set for a part of the demo: it also stops when its standard input ends, so that it never
# outlives a demo that was killed.
STOP_WITH_INPUT = "FACTORYLEDGER_STOP_WITH_INPUT"

# New objects, less those gone again, before cyclic garbage is looked for.
_COLLECT_AFTER = 50_000


def run_until_stopped(
    main: Callable[[asyncio.Event], Coroutine[Any, Any, Result]], *, log_format: str = "text"
) -> Result:
    """Run `main`, whose event is set when it is to stop, and give back what it returns."""
    log_to_stderr(log_format=log_format)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(_with_signals(main))


async def _with_signals(
    main: Callable[[asyncio.Event], Coroutine[Any, Any, Result]],
) -> Result:
    """Turn signals into the event for as long as `main` runs."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(main(stop))

    def interrupted() -> None:
        if stop.is_set():
            task.cancel()
        stop.set()

    def input_ended() -> None:
        loop.remove_reader(sys.stdin.fileno())
        stop.set()

    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, interrupted)
    if os.environ.get(STOP_WITH_INPUT) == "1":
        loop.add_reader(sys.stdin.fileno(), input_ended)
    try:
        return await task
    except asyncio.CancelledError as error:
        raise KeyboardInterrupt from error


def helpers(asked: int | None) -> int:
    """How many processes help: as asked, else one for each core that this one may use.

    0 where there is one core and nothing is gained.
    """
    if asked is not None:
        return asked
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:  # macOS
        cores = os.cpu_count() or 1
    return cores if cores > 1 else 0


def few_collections() -> None:
    """Look for cyclic garbage seldom: messages come by the thousand and hold no cycles."""
    gc.freeze()  # what was imported is there to stay
    gc.set_threshold(_COLLECT_AFTER)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Uvloop's loop where it runs; it is several times faster on sockets."""
    if sys.platform == "win32" or sys.implementation.name != "cpython":
        return asyncio.new_event_loop
    import uvloop  # noqa: PLC0415 - commands that are quick do not pay for it

    return uvloop.new_event_loop


def allow_files(count: int, why: str) -> None:
    """Let this process, and those that it starts, have so many open files.

    NotThere where the system's hard limit is lower: `why` says what would need them.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or count <= soft:
        return
    if hard != resource.RLIM_INFINITY and count > hard:
        raise NotThere(
            f"{why} needs {count} open files, and this system allows {hard}: raise that limit "
            "(ulimit -Hn, LimitNOFILE) or take less"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def log_to_stderr(level: int = logging.INFO, *, log_format: str = "text") -> None:
    """Send the parts' logs from this level on to stderr, a line each; stdout holds results only.

    With `log_format` "json" every line is an object: the parts' events with their fields, what
    libraries log, and what is said to people.
    """
    import structlog  # noqa: PLC0415 - commands that are quick do not pay for it

    _STDERR.format = log_format
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer()
            if log_format == "json"
            else structlog.dev.ConsoleRenderer(colors=False),
        ],
        # Looked up at each line: who runs commands in one process may have replaced it.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
    root = logging.getLogger()
    if not any(isinstance(handler, _Structured) for handler in root.handlers):
        root.addHandler(_Structured(logging.WARNING))


class _Structured(logging.Handler):
    """Hands what is logged in the standard library's way to the parts' way."""

    def emit(self, record: logging.LogRecord) -> None:
        import structlog  # noqa: PLC0415 - as above

        log = structlog.get_logger()
        log.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)


@dataclass(slots=True)
class _Stderr:
    """How lines on stderr look."""

    format: str = "text"


_STDERR = _Stderr()


def say(line: str, *, level: str = "info") -> None:
    """Tell a person something; on stderr, so that stdout holds results only."""
    if _STDERR.format == "json":
        at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        line = json.dumps({"event": line, "level": level, "timestamp": at})
    typer.echo(line, err=True)


def ready(what: str) -> Callable[[], None]:
    """Give the callback that says, in one line, that a command is ready."""
    return lambda: say(f"{what}: ready")
