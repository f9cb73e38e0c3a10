"""`factoryledger witness`: cosigns the anchor log's checkpoints, over HTTP."""

import asyncio
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factoryledger import options

if TYPE_CHECKING:
    from anchor.account import WitnessAccount
    from factoryledger.metrics.anchoring import WitnessProbe


def witness(  # noqa: PLR0913 - a command's options
    *,
    data: options.Data = None,
    policy: options.PolicyFile = None,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Whose key, of those that `init` made.")
    ] = "witness",
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Where to listen.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="PORT", min=1, max=65535, help="Where to listen.")
    ] = 8090,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state",
            metavar="FILE",
            help="What it cosigned last. [default: witness.db in the data folder]",
            show_default=False,
        ),
    ] = None,
    limit_log: Annotated[
        float,
        typer.Option(
            "--limit-log", metavar="N", min=0, help="Checkpoints a second of each log; 0: any."
        ),
    ] = 10.0,
    limit_address: Annotated[
        float,
        typer.Option(
            "--limit-address",
            metavar="N",
            min=0,
            help="Requests a second of each client address; 0: any (behind a proxy that limits).",
        ),
    ] = 50.0,
    metrics: options.Metrics = None,
) -> None:
    """Run a witness: it cosigns a checkpoint only if it continues the one before.

    It belongs on a machine that the ledger's operator does not control.
    """
    from anchor.account import WitnessAccount  # noqa: PLC0415 - on demand
    from anchor.keeping.service import MOST_CLIENTS, run_witness  # noqa: PLC0415 - on demand
    from anchor.keeping.witness import Limits  # noqa: PLC0415 - on demand
    from anchor.rate import Rate  # noqa: PLC0415 - on demand
    from factoryledger.errors import NotThere  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.metrics import watched  # noqa: PLC0415 - on demand
    from factoryledger.running import (  # noqa: PLC0415 - on demand
        allow_files,
        ready,
        run_until_stopped,
    )

    with suppress(NotThere):  # where the system allows fewer, fewer clients find room
        allow_files(2 * MOST_CLIENTS + 100, "a witness")
    limits = Limits(
        Rate(limit_log, max(1.0, 4 * limit_log), time.monotonic),
        Rate(limit_address, max(1.0, 4 * limit_address), time.monotonic),
    )
    place = installation(data=data, policy=policy, metrics=metrics)
    account = WitnessAccount()

    async def serve(stop: asyncio.Event) -> None:
        async with watched("witness", place, partial(_probe, account)):
            await run_witness(
                db=state or place.data.witness_db,
                key=place.data.witness(name),
                logs=place.policy.logs,
                host=host,
                port=port,
                stop=stop,
                more_keys=[key for key in [place.data.next_witness(name)] if key is not None],
                mark=place.data.witness_mark(name),
                on_ready=ready(f"witness {name} on http://{host}:{port}"),
                account=account,
                limits=limits,
            )

    run_until_stopped(serve, log_format=place.settings.log_format)


def _probe(account: "WitnessAccount") -> "WitnessProbe":
    from factoryledger.metrics.anchoring import WitnessProbe  # noqa: PLC0415 - on demand

    return WitnessProbe(account)
