"""How a long-running command runs: one line when it is ready, a clean stop on SIGTERM.

Edge: signals and the event loop. The first SIGTERM or Ctrl-C asks it to stop, the second
Ctrl-C ends it at once.
"""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import typer

Result = TypeVar("Result")


def run_until_stopped(main: Callable[[asyncio.Event], Coroutine[Any, Any, Result]]) -> Result:
    """Run `main`, whose event is set when it is to stop, and give back what it returns."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
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

    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, interrupted)
    try:
        return await task
    except asyncio.CancelledError as error:
        raise KeyboardInterrupt from error


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop's loop where it runs; it is several times faster on sockets."""
    if sys.platform == "win32" or sys.implementation.name != "cpython":
        return asyncio.new_event_loop
    import uvloop  # noqa: PLC0415 - commands that are quick do not pay for it

    return uvloop.new_event_loop


def say(line: str) -> None:
    """Tell a person something; on stderr, so that stdout holds results only."""
    typer.echo(line, err=True)


def ready(what: str) -> Callable[[], None]:
    """Give the callback that says, in one line, that a command is ready."""
    return lambda: say(f"{what}: ready")
