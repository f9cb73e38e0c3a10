"""`factoryledger watch`: live topics, a line a message."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from factoryledger import options

if TYPE_CHECKING:
    from factoryledger.installation import Installation


def watch(
    topics: options.Filters = None,
    *,
    broker: options.Broker = None,
    count: Annotated[
        int | None,
        typer.Option(
            "--count", metavar="N", min=1, help="End after so many messages.", show_default=False
        ),
    ] = None,
    json_: options.Json = False,
) -> None:
    """Show live topics, a line a message."""
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.running import run_until_stopped  # noqa: PLC0415 - on demand

    place = installation(broker=broker)
    run_until_stopped(
        lambda stop: _run(place, topics or ["#"], count, stop, as_json=json_),
        log_format=place.settings.log_format,
    )


async def _run(
    place: "Installation",
    filters: list[str],
    count: int | None,
    stop: asyncio.Event,
    *,
    as_json: bool,
) -> None:
    from factoryledger.running import ready  # noqa: PLC0415 - on demand
    from watch.plain import watch as run_watch  # noqa: PLC0415 - on demand

    await run_watch(
        address=place.broker,
        credentials=place.credentials,
        filters=filters,
        write=typer.echo,
        as_json=as_json,
        count=count,
        stop=stop,
        on_ready=ready(f"watch {' '.join(filters)} on {place.broker}"),
    )
