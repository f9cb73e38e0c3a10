"""`factoryledger anchor monitor`: whether everybody is shown the same log."""

import asyncio
import json
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factoryledger import options

if TYPE_CHECKING:
    from factoryledger.monitoring import Monitor


def monitor(  # noqa: PLR0913 - a command's options
    urls: Annotated[
        list[str],
        typer.Argument(
            metavar="URL…", help="Addresses (or folders) of one log: its own, mirrors'."
        ),
    ],
    *,
    data: options.Data = None,
    policy: options.PolicyFile = None,
    vkey: Annotated[
        str | None,
        typer.Option(
            "--vkey",
            metavar="KEY",
            help="The log's key, as a note's vkey, in place of a policy.",
            show_default=False,
        ),
    ] = None,
    witness: Annotated[
        list[str] | None,
        typer.Option(
            "--witness",
            metavar="URL",
            help="A witness to ask as well; repeatable. The policy's are asked anyway.",
            show_default=False,
        ),
    ] = None,
    state: Annotated[
        Path,
        typer.Option("--state", metavar="FILE", help="Keep the heads there, by pinned key."),
    ] = Path("monitor.json"),
    evidence: Annotated[
        Path,
        typer.Option("--evidence", metavar="DIR", help="Where evidence of a split view goes."),
    ] = Path("evidence"),
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until it is stopped; alarms go to the log.")
    ] = False,
    every: Annotated[
        float, typer.Option("--every", metavar="S", min=0.01, help="With --follow: ask so often.")
    ] = 30.0,
    json_: options.Json = False,
) -> None:
    """Ask a log, its mirrors and its witnesses what they show, and hold all to one history.

    Exit 1 after a split view (its evidence convicts the log's key: `verify` it), a place that
    went back, or a head that was not signed; 3 where somebody could not be asked or compared.
    """
    from factoryledger.errors import NotThere  # noqa: PLC0415 - on demand
    from factoryledger.monitoring import summary  # noqa: PLC0415 - on demand
    from factoryledger.running import run_until_stopped  # noqa: PLC0415 - on demand

    with closing(_monitor(urls, data, policy, vkey, witness or [], state, evidence)) as watching:
        if follow:
            run_until_stopped(lambda stop: _follow(watching, stop, every))
        else:
            run_until_stopped(lambda _: asyncio.to_thread(watching.round))
            summary(watching)
    alarms = watching.history if follow else watching.alarms
    if json_:
        said = [{"kind": a.kind, "place": a.place, "detail": a.detail} for a in alarms]
        files = [str(file) for file in watching.files]
        about = {"size": watching.size, "alarms": said, "unseen": watching.unseen}
        typer.echo(json.dumps({**about, "evidence": files}))
    elif not alarms:
        typer.echo(f"{watching.key.name}: {watching.size} entries, one history")
    if alarms:
        raise typer.Exit(1)
    if watching.unseen and not follow:
        raise NotThere(f"not asked or not compared: {', '.join(watching.unseen)}")


def _monitor(  # noqa: PLR0913, PLR0917 - a command's options
    urls: list[str],
    data: Path | None,
    policy: Path | None,
    vkey: str | None,
    witnesses: list[str],
    state: Path,
    evidence: Path,
) -> "Monitor":
    from anchor.errors import Malformed  # noqa: PLC0415 - on demand
    from anchor.note import VerifierKey  # noqa: PLC0415 - on demand
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.monitoring import Monitor, places_of  # noqa: PLC0415 - on demand

    if vkey is not None and policy is not None:
        raise WrongUsage("give --vkey or --policy, not both")
    pinned = None if vkey is not None else installation(data=data, policy=policy).policy
    try:
        key = VerifierKey.from_text(vkey) if vkey is not None else pinned.log  # type: ignore[union-attr]
    except Malformed as error:
        raise WrongUsage(f"--vkey: {error}" if vkey is not None else str(error)) from error
    places, readers = places_of(key, urls, witnesses, pinned)
    former = () if pinned is None else pinned.former
    return Monitor(key, places, readers, state, evidence, former)


async def _follow(watching: "Monitor", stop: asyncio.Event, every: float) -> None:
    from factoryledger.running import ready  # noqa: PLC0415 - on demand

    ready(f"monitor {watching.key.name}")()
    while not stop.is_set():
        await asyncio.to_thread(watching.round)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), every)
