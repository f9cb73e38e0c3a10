"""`factoryledger export`: messages out of the store."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from factoryledger import options


def export(  # noqa: PLR0913 - a command's options
    *,
    recording: Annotated[
        Path,
        typer.Option(
            "--recording",
            metavar="FILE",
            help="Write them as a recording, for `replay`, `ingest` and tests; packed (extra "
            "zstd) if it ends .zst.",
        ),
    ],
    topic: Annotated[
        list[str] | None,
        typer.Option(
            "--topic",
            metavar="FILTER",
            help="Only what matches (repeatable). [default: all]",
            show_default=False,
        ),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            "--device",
            metavar="D",
            help="Only messages that a machine has signed (repeatable).",
            show_default=False,
        ),
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(
            "--status", metavar="S", help="Only of a status (repeatable).", show_default=False
        ),
    ] = None,
    collector: Annotated[
        list[str] | None,
        typer.Option(
            "--collector",
            metavar="C",
            help="Only what a collector received (repeatable).",
            show_default=False,
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Received from then on.", show_default=False),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="TIME", help="Received before then.", show_default=False),
    ] = None,
    data: options.Data = None,
    database: options.Databases = None,
    json_: options.Json = False,
) -> None:
    """Write messages of the store to a recording, so that an incident becomes a test.

    Receive times, topics, payloads and the kept MQTT properties are as they were; QoS and the
    retain flag are not in the store: QoS 1, not retained. Erased payloads are left out and
    counted.
    """
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand
    from factoryledger.exporting import Choice, export_recording  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.replaying import time_of  # noqa: PLC0415 - on demand
    from telemetry.record import STATUSES  # noqa: PLC0415 - on demand

    for one in status or ():
        if one not in STATUSES:
            raise WrongUsage(f"--status {one!r}: {', '.join(STATUSES)}")
    choice = Choice(
        topics=topic or (),
        devices=device or (),
        statuses=status or (),
        collectors=collector or (),
        start=0 if from_ is None else time_of("--from", from_),
        stop=2**63 if to is None else time_of("--to", to),
    )
    with installation(data=data, database=database) as place:
        exported = export_recording(place, choice, recording)
    if json_:
        typer.echo(json.dumps({"file": str(recording), **asdict(exported)}))
        return
    erased = f", {exported.erased} left out as erased" if exported.erased else ""
    typer.echo(f"{recording}: {exported.written} messages{erased}")
