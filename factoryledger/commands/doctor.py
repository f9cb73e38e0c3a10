"""`factoryledger doctor`: what is wrong with this installation, and what to do."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from factoryledger import options

if TYPE_CHECKING:
    from factoryledger.doctor.line import Line


def doctor(  # noqa: PLR0913 - a command's options
    *,
    data: options.Data = None,
    broker: options.Broker = None,
    database: options.Databases = None,
    log: options.Log = None,
    policy: options.PolicyFile = None,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe",
            help="Also let the broker keep 3,000 small messages for a client that is away, and "
            "log in as the user of the settings.",
        ),
    ] = False,
    json_: options.Json = False,
) -> None:
    """Look at versions, clock, folder, keys, store, broker, log and witnesses: a line each.

    Good, warning or bad, with what to do. It changes nothing. Exit code 0 if nothing is bad, 1
    if something was found false (as a log that is older than its witnesses know it), else 3.
    """
    from factoryledger.doctor.examination import examine  # noqa: PLC0415 - on demand
    from factoryledger.doctor.line import exit_code  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand

    lines = list["Line"]()
    with installation(data=data, broker=broker, database=database, log=log, policy=policy) as place:
        for line in examine(place, probe=probe):
            lines.append(line)
            if not json_:
                typer.echo(_spelled(line))
    if json_:
        typer.echo(json.dumps([line.to_dict() for line in lines]))
    raise typer.Exit(exit_code(lines))


def _spelled(line: "Line") -> str:
    from telemetry.canonical import plain  # noqa: PLC0415 - on demand

    told = f"{line.level.name.lower():<8} {line.about}: {plain(line.says)}"
    return f"{told}\n         {plain(line.todo)}" if line.todo else told
