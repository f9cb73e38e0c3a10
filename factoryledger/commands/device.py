"""`factoryledger device`: machines' keys, enrolled, rotated and revoked by the operator.

Each leaves a signed entry in the requests folder; a running collector takes it up and the
anchor makes it public.
"""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from factoryledger import options

if TYPE_CHECKING:
    from factoryledger.enrolment import EnrolledKey, Enrolments

app = typer.Typer(
    help="Machines' keys: enrol, rotate, revoke, list.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Device = Annotated[str, typer.Argument(metavar="DEVICE", help="The machine's name.")]


@app.command("enrol")
def enrol(device: Device, *, data: options.Data = None) -> None:
    """Make a key for a machine and enrol it; a machine with an enrolled key keeps it."""
    enrolments = _enrolments(data)
    _check_name(device)
    enrolments.ensure_device(device)
    _say(enrolments.keys("device", device)[-1])


@app.command("rotate")
def rotate(device: Device, *, data: options.Data = None) -> None:
    """End a machine's key and enrol a new one; running machines take it up when restarted."""
    _say(_enrolments(data).rotate_device(device))


@app.command("revoke")
def revoke(
    device: Device,
    *,
    key: Annotated[
        str | None,
        typer.Option(
            "--key", metavar="ID", help="Which key, if it has several.", show_default=False
        ),
    ] = None,
    data: options.Data = None,
) -> None:
    """End a machine's key; what it signs from then on is stored as `revoked`."""
    _say(_enrolments(data).revoke("device", device, key))


@app.command("list")
def list_(
    *, json_: options.Json = False, data: options.Data = None, log: options.Log = None
) -> None:
    """List every key that was ever enrolled for a machine, and where the anchor log says so.

    A key counts from the log entry that enrols it on, and no more from the one that ends it.
    """
    keys = _enrolments(data).keys("device")
    places = _logged(data, log)
    if json_:
        rows = [_as_json(key) | _places(key, places) for key in keys]
        typer.echo(json.dumps({"keys": rows}))
        return
    for key in keys:
        _say(key, places)


def _enrolments(data: object) -> "Enrolments":
    from factoryledger.enrolment import Enrolments  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand

    folder = installation(data=data).data
    folder.create()
    return Enrolments(folder)


def _logged(data: object, log: object) -> dict[bytes, int]:
    """Give the index of each key entry that the anchor log holds, by its hash."""
    from anchor.reading.log_index import LogIndex  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand

    place = installation(data=data, log=log)
    return LogIndex.scan(place.log_reader.view).keys if place.has_log else {}


def _places(key: "EnrolledKey", places: dict[bytes, int]) -> dict[str, object]:
    """Say where the log enrols a key and where it ends it; None where it does not say so yet."""
    return {
        "enrolled_index": places.get(key.statement.hash),
        "ended_index": places.get(key.ended.hash) if key.ended else None,
    }


def _check_name(device: str) -> None:
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand
    from telemetry.canonical import is_segment  # noqa: PLC0415 - on demand

    if not is_segment(device):
        raise WrongUsage(f"{device!r} is no machine's name: 1 to 64 of a-z, 0-9, _ and -")


def _as_json(key: "EnrolledKey") -> dict[str, object]:
    from telemetry.canonical import b64, time_text  # noqa: PLC0415 - on demand

    return {
        "device": key.statement.name,
        "key": key.key_id,
        "public_key": b64(key.public_key),
        "enrolled": time_text(key.statement.time),
        "ended": time_text(key.ended.time) if key.ended else None,
        "ended_by": key.ended.action if key.ended else None,
        "entry": key.statement.hash.hex(),
    }


def _say(key: "EnrolledKey", places: dict[bytes, int] | None = None) -> None:
    row = _as_json(key)
    end = f"{row['ended_by']}d {row['ended']}" if key.ended else "in use"
    enrolled = f"enrolled {row['enrolled']}"
    if places is not None:
        enrolled += f" ({_place(places.get(key.statement.hash))})"
        if key.ended:
            end += f" ({_place(places.get(key.ended.hash))})"
    typer.echo(f"{row['device']}  key {row['key']}  {enrolled}  {end}")


def _place(index: int | None) -> str:
    return "not logged yet" if index is None else f"log entry {index}"
