"""`factoryledger watch`: live topics, in the terminal or as lines."""

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from factoryledger import options

if TYPE_CHECKING:
    from factoryledger.installation import Installation


def watch(  # noqa: PLR0913 - a command's options
    topics: options.Filters = None,
    *,
    broker: options.Broker = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="A line a message, on a terminal too.")
    ] = False,
    count: Annotated[
        int | None,
        typer.Option(
            "--count",
            metavar="N",
            min=1,
            help="End after so many messages; as lines.",
            show_default=False,
        ),
    ] = None,
    data: options.Data = None,
    database: options.Databases = None,
    log: options.Log = None,
    policy: options.PolicyFile = None,
    json_: options.Json = False,
) -> None:
    """Show live topics of any broker: a tree on a terminal, a line a message when piped.

    On a terminal: rates, last values, history, plots, Sparkplug; `?` shows the keys. Where the
    data folder or --policy names the keys, signatures are verified and `p` proves a message.
    """
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.running import run_until_stopped, say  # noqa: PLC0415 - on demand

    place = installation(broker=broker, data=data, database=database, log=log, policy=policy)
    filters = topics or ["#"]
    lines = plain or json_ or count is not None or not _on_terminal()

    async def run(stop: asyncio.Event) -> str | None:
        if lines:
            await _lines(place, filters, count, stop, as_json=json_)
            return None
        return await _terminal(place, filters, stop)

    said = run_until_stopped(run, log_format=place.settings.log_format)
    if said is not None:
        say(said)


def _on_terminal() -> bool:
    """Whether a person is there who sees and types."""
    return sys.stdout.isatty() and sys.stdin.isatty() and os.environ.get("TERM") != "dumb"


async def _lines(
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


async def _terminal(place: "Installation", filters: list[str], stop: asyncio.Event) -> str:
    from factoryledger.watching import keys_at_hand, prover_at_hand  # noqa: PLC0415 - on demand
    from watch.terminal.watching import watch as run_watch  # noqa: PLC0415 - on demand

    seen = await run_watch(
        address=place.broker,
        credentials=place.credentials,
        filters=filters,
        stop=stop,
        signatures=keys_at_hand(place),
        prover=prover_at_hand(place),
    )
    return f"watch: {seen.messages} messages of {seen.topics} topics"
