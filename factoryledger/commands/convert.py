"""`factoryledger convert`: a recording in another format."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from factoryledger import options

_READ = "recording, session, mosquitto, mqttx, mqtt-recorder or mqtt-recorder-base64"
_WRITTEN = "recording, session, mosquitto, mqtt-recorder or mqtt-recorder-base64"


def convert(  # noqa: PLR0913 - a command's options
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The recording.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where to; packed if it ends .zst.")],
    *,
    form: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FORMAT",
            help=f"What FILE is: {_READ}. [default: what its first line looks like]",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        str, typer.Option("--to", metavar="FORMAT", help=f"What OUT is to be: {_WRITTEN}.")
    ] = "recording",
    lossy: Annotated[
        bool,
        typer.Option("--lossy", help="Leave out the MQTT 5 properties that FORMAT cannot hold."),
    ] = False,
    keep_going: options.KeepGoing = False,
    json_: options.Json = False,
) -> None:
    """Write a recording in another format: FILE as it is, OUT whole or not at all.

    A line that is broken, or that the format cannot hold, is exit code 2, and so is a recording
    that was cut short.
    """
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand
    from factoryledger.running import say  # noqa: PLC0415 - on demand
    from recorder.convert import OWN, READ, WRITTEN  # noqa: PLC0415 - on demand
    from recorder.convert import convert as run_convert  # noqa: PLC0415 - on demand

    if form not in (None, OWN, *READ):
        raise WrongUsage(f"--from {form!r}: {_READ}")
    if to not in WRITTEN:
        raise WrongUsage(f"--to {to!r}: {_WRITTEN}")
    converted = run_convert(
        file=file,
        out=out,
        form=None if form == OWN else form,
        to=to,
        keep_going=keep_going,
        lossy=lossy,
    )
    for reason in converted.reasons:
        say(f"kept going: {reason}", level="warning")
    if json_:
        typer.echo(json.dumps(asdict(converted)))
        return
    cut = ", not a whole recording" if converted.complete is False else ""
    typer.echo(
        f"{out}: {converted.written} messages, {converted.skipped} skipped, "
        f"{converted.reduced} without their properties{cut}"
    )
