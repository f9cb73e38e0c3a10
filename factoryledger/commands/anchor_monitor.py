"""`factoryledger anchor monitor`: whether everybody is shown the same log."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import ExitStack, suppress
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
            metavar="URL…",
            help="Addresses (or folders) of a log: its own, mirrors'. Of several logs each as "
            "ORIGIN=URL.",
        ),
    ],
    *,
    data: options.Data = None,
    policy: options.PolicyFile = None,
    vkey: Annotated[
        list[str] | None,
        typer.Option(
            "--vkey",
            metavar="KEY",
            help="The log's key, as a note's vkey, in place of a policy; repeatable.",
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

    Several logs in one call, where the policy names several or --vkey is given so often. Exit 1
    after a split view (its evidence convicts the log's key: `verify` it), a place that went back,
    or a head that was not signed; 3 where somebody could not be asked or compared.
    """
    from factoryledger.errors import NotThere  # noqa: PLC0415 - on demand
    from factoryledger.monitoring import summary  # noqa: PLC0415 - on demand
    from factoryledger.running import run_until_stopped  # noqa: PLC0415 - on demand

    with ExitStack() as stack:
        watching = _monitors(urls, data, policy, vkey or [], witness or [], state, evidence)
        for each in watching:
            stack.callback(each.close)
        if follow:
            run_until_stopped(lambda stop: _follow(watching, stop, every))
        else:
            run_until_stopped(lambda _: asyncio.to_thread(_round, watching))
            for each in watching:
                summary(each)
    alarms = [alarm for each in watching for alarm in (each.history if follow else each.alarms)]
    unseen = [place for each in watching for place in each.unseen]
    if json_:
        typer.echo(json.dumps(_as_json(watching, follow=follow)))
    else:
        for each in watching:
            if not (each.history if follow else each.alarms):
                typer.echo(f"{each.key.name}: {each.size} entries, one history")
    if alarms:
        raise typer.Exit(1)
    if unseen and not follow:
        raise NotThere(f"not asked or not compared: {', '.join(unseen)}")


def _as_json(watching: "Sequence[Monitor]", *, follow: bool) -> dict[str, object]:
    """Say of all logs together what was found; of one alone also its size."""
    said = [
        {"kind": a.kind, "log": each.key.name, "place": a.place, "detail": a.detail}
        for each in watching
        for a in (each.history if follow else each.alarms)
    ]
    files = dict.fromkeys(str(file) for each in watching for file in each.files)
    return {
        **({"size": watching[0].size} if len(watching) == 1 else {}),
        "logs": {each.key.name: each.size for each in watching},
        "alarms": said,
        "unseen": [place for each in watching for place in each.unseen],
        "evidence": list(files),
    }


def _monitors(  # noqa: PLR0913, PLR0917 - a command's options
    urls: list[str],
    data: Path | None,
    policy: Path | None,
    vkeys: list[str],
    witnesses: list[str],
    state: Path,
    evidence: Path,
) -> "list[Monitor]":
    from anchor.errors import Malformed  # noqa: PLC0415 - on demand
    from anchor.note import VerifierKey  # noqa: PLC0415 - on demand
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.monitoring import monitors_of  # noqa: PLC0415 - on demand

    if vkeys and policy is not None:
        raise WrongUsage("give --vkey or --policy, not both")
    pinned = None if vkeys else installation(data=data, policy=policy).policy
    try:
        keys = [VerifierKey.from_text(vkey) for vkey in vkeys] if pinned is None else pinned.logs
    except Malformed as error:
        raise WrongUsage(f"--vkey: {error}") from error
    if not keys:
        raise WrongUsage("the policy names no log")
    return monitors_of(
        keys,
        urls,
        witnesses=witnesses,
        policy=pinned,
        state_file=state,
        evidence=evidence,
    )


def _round(watching: "Sequence[Monitor]") -> None:
    for each in watching:
        each.round()


async def _follow(watching: "Sequence[Monitor]", stop: asyncio.Event, every: float) -> None:
    from factoryledger.running import ready  # noqa: PLC0415 - on demand

    ready(f"monitor {', '.join(each.key.name for each in watching)}")()
    while not stop.is_set():
        await asyncio.to_thread(_round, watching)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), every)
