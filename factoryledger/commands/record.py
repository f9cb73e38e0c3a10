"""`factoryledger record`: MQTT to a recording."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, NamedTuple

import typer

from factoryledger import options

if TYPE_CHECKING:
    from factoryledger.installation import Installation


class Ends(NamedTuple):
    """When a recording ends by itself."""

    duration: float | None
    messages: int | None


class Wanted(NamedTuple):
    """What is recorded."""

    filters: list[str]
    exclude: list[str]


def record(  # noqa: PLR0913 - a command's options
    topics: options.Filters = None,
    *,
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE",
            help="The recording; packed (extra zstd) if it ends .zst.",
        ),
    ],
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            metavar="FILTER",
            help="Not what matches (repeatable).",
            show_default=False,
        ),
    ] = None,
    broker: options.Broker = None,
    duration: options.Duration = None,
    count: Annotated[
        int | None,
        typer.Option(
            "--count", metavar="N", min=1, help="End after so many messages.", show_default=False
        ),
    ] = None,
) -> None:
    """Record live topics, every payload to the byte; ends with an end mark when stopped.

    A message is acknowledged once it is written, so none is dropped, however fast they come;
    killed, it leaves a file that is readable up to there.
    """
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.running import run_until_stopped, say  # noqa: PLC0415 - on demand

    place, filters = installation(broker=broker), topics or ["#"]

    async def run(stop: asyncio.Event) -> int:
        return await _record(
            place, Wanted(filters, exclude or []), out, Ends(duration, count), stop
        )

    recorded = run_until_stopped(run, log_format=place.settings.log_format)
    say(f"record: {recorded} messages in {out}")


async def _record(
    place: "Installation", wanted: Wanted, out: Path, ends: Ends, stop: asyncio.Event
) -> int:
    from factoryledger.progress import bar  # noqa: PLC0415 - on demand
    from factoryledger.running import ready  # noqa: PLC0415 - on demand
    from recorder.convert import packed  # noqa: PLC0415 - on demand
    from recorder.record import record as run_recorder  # noqa: PLC0415 - on demand

    say_ready = ready(f"record {' '.join(wanted.filters)} from {place.broker}")
    file, kept = _opened(out)
    with file, packed(file, out) as sink, bar("messages") as show:

        def begun() -> None:
            if kept and out.is_file():
                file.truncate()
            say_ready()

        try:
            recorded = await run_recorder(
                address=place.broker,
                credentials=place.credentials,
                filters=wanted.filters,
                exclude=wanted.exclude,
                out=sink,
                duration=ends.duration,
                count=ends.messages,
                stop=stop,
                on_ready=begun,
                on_recorded=lambda recorded: show(recorded, ends.messages),
            )
        except BaseException:
            if not kept and file.tell() == 0:
                # It never began: there is no recording to keep.
                await asyncio.to_thread(out.unlink)
            raise
    return recorded.count


def _opened(out: Path) -> "tuple[BinaryIO, bool]":
    """Open the file to write, and say whether it was there before.

    A recording that is there already goes once the broker answers, and no earlier.
    """
    kept = out.exists()
    return out.open("r+b" if out.is_file() else "wb"), kept
