"""`factoryledger device`: machines' keys, enrolled, rotated and revoked by the operator.

Each leaves a signed entry in the requests folder; a running collector takes it up and the
anchor makes it public.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factoryledger import options
from factoryledger.manual import Commands

if TYPE_CHECKING:
    from factoryledger.enrolment import EnrolledKey, Enrolments
    from factoryledger.installation import Installation

app = Commands(
    help="Machines' keys: enrol, rotate, revoke, list.",
    no_args_is_help=True,
)

Device = Annotated[str, typer.Argument(metavar="DEVICE", help="The machine's name.")]


@app.command("enrol")
def enrol(
    device: Device,
    *,
    csr: Annotated[
        Path | None,
        typer.Option(
            "--csr",
            metavar="FILE",
            help="What a real device wrote, which keeps its keys: its key entry with proof of "
            "possession, a PKCS#10 certificate request in PEM, or one after the other.",
            show_default=False,
        ),
    ] = None,
    gateway: Annotated[
        str | None,
        typer.Option(
            "--gateway",
            metavar="NAME",
            help="The key is held by this gateway, which signs on behalf of a machine that cannot; "
            "the entry says so.",
            show_default=False,
        ),
    ] = None,
    data: options.Data = None,
) -> None:
    """Make a key for a machine and enrol it; a machine with an enrolled key keeps it.

    One that was revoked gets a new one. Where `init --broker-host` has made an authority, it gets
    a certificate for the broker, too.
    """
    place = _at(data)
    _check_name(device)
    if gateway is not None:
        _check_name(gateway)
    if csr is not None:
        _take_request(place, device, csr)
        return
    enrolments = _enrolments(place)
    enrolments.enrol_device(device, gateway)
    if place.broker_files.ready:
        place.broker_files.machines([device], readmit=True)
    _say(enrolments.keys("device", device)[-1])


def _take_request(place: "Installation", device: str, file: Path) -> None:
    """Sign what the device asks for; the certificate first, so that nothing is half refused."""
    from factoryledger.certificates import BadRequest, requested_key  # noqa: PLC0415 - on demand
    from factoryledger.device_request import DeviceRequest  # noqa: PLC0415 - on demand
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand

    request, enrolments = DeviceRequest.from_bytes(file.read_bytes()), _enrolments(place)
    used = [key for key in enrolments.keys("device", device) if key.ended is None]
    if not request.entry and not used:
        raise WrongUsage(
            f"{file}: a certificate request without the device's key entry, and {device} has no "
            "enrolled key; what it signs would count for nothing"
        )
    try:
        if request.certificate:
            place.broker_files.check_ready()
            requested_key(request.certificate, device)
        key = enrolments.take_request(device, request.entry) if request.entry else used[-1]
        if request.certificate:
            granted = place.broker_files.grant(device, request.certificate)
            typer.echo(f"certificate {granted}, authority {granted.with_name('ca.crt')}", err=True)
    except BadRequest as error:
        raise WrongUsage(f"{file}: {error}") from error
    _say(key)


@app.command("rotate")
def rotate(device: Device, *, data: options.Data = None) -> None:
    """End a machine's key and enrol a new one; running machines take it up when restarted.

    Its certificate for the broker is renewed with it, and the former one counts no more. A real
    device writes a request with its new key instead (`enrol --csr`).
    """
    place = _at(data)
    _say(_enrolments(place).rotate_device(device))
    if place.broker_files.ready:
        place.broker_files.rotate(device)


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
    broker: options.Broker = None,
    data: options.Data = None,
) -> None:
    """End a machine's key; what it signs from then on is stored as `revoked`.

    With the last key its certificates end: the broker denies it everything once it has read its
    files again, and over mqtts:// its connection is ended here. Exit code 3 if that failed.
    DEVICE may be gateway.NAME or host.NAME, which have certificates and no key.
    """
    place = _at(data, broker)
    if device in place.broker_files.keyless():
        _shut_out(place, device)
        return
    enrolments = _enrolments(place)
    _say(enrolments.revoke("device", device, key))
    if place.broker_files.ready and all(k.ended for k in enrolments.keys("device", device)):
        _shut_out(place, device)


@app.command("gateway")
def gateway(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The gateway's name.")],
    places: Annotated[
        list[str],
        typer.Argument(
            metavar="PLACE...", help="Whose machines it speaks for: ENTERPRISE/SITE[/AREA[/LINE]]."
        ),
    ],
    *,
    data: options.Data = None,
) -> None:
    """Certify a gateway for the broker, as the client `gateway.NAME`.

    It publishes for the machines of these places and hears their receipts; each still signs with
    its own key.
    """
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand
    from telemetry.canonical import is_segment  # noqa: PLC0415 - on demand

    place = _at(data)
    _check_name(name)
    for text in places:
        levels = text.split("/")
        if not 2 <= len(levels) <= 4 or not all(map(is_segment, levels)):  # noqa: PLR2004 - site to line
            raise WrongUsage(f"{text!r} is no place: write ENTERPRISE/SITE[/AREA[/LINE]]")
    place.broker_files.gateway(f"gateway.{name}", places)
    typer.echo(f"gateway.{name}  speaks for {', '.join(places)}")


@app.command("host")
def host(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The host application's id.")],
    *,
    data: options.Data = None,
) -> None:
    """Certify a Sparkplug host application for the broker, as the client `host.NAME`.

    It hears all edge nodes, says in spBv1.0/STATE/NAME whether it is there, and may command.
    """
    place = _at(data)
    _check_name(name)
    place.broker_files.host(f"host.{name}", name)
    typer.echo(f"host.{name}  hears edge nodes and commands them")


def _shut_out(place: "Installation", device: str) -> None:
    """Take a device's certificates from it, and its connection where the broker is known."""
    import asyncio  # noqa: PLC0415 - on demand

    from factoryledger.displacing import displace  # noqa: PLC0415 - on demand

    place.broker_files.shut_out(device)
    typer.echo(f"{device}  has no certificate any more")
    if place.broker.tls:
        asyncio.run(displace(place.broker, place.broker_files, device))
        typer.echo(f"{device} is shut out of {place.broker}")


@app.command("list")
def list_(
    *, json_: options.Json = False, data: options.Data = None, log: options.Log = None
) -> None:
    """List every key that was ever enrolled for a machine, and where the anchor log says so.

    A key counts from the log entry that enrols it on, and no more from the one that ends it.
    """
    keys = _enrolments(_at(data)).keys("device")
    places = _logged(data, log)
    if json_:
        rows = [_as_json(key) | _places(key, places) for key in keys]
        typer.echo(json.dumps({"keys": rows}))
        return
    for key in keys:
        _say(key, places)


def _at(data: object, broker: object = None) -> "Installation":
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand

    return installation(data=data, broker=broker)


def _enrolments(place: "Installation") -> "Enrolments":
    from factoryledger.enrolment import Enrolments  # noqa: PLC0415 - on demand

    place.data.create()
    return Enrolments(place.data)


def _logged(data: object, log: object) -> dict[bytes, int]:
    """Give the index of each key entry that the anchor log holds, by its hash."""
    from anchor.reading.log_index import LogIndex  # noqa: PLC0415 - on demand
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand

    place = installation(data=data, log=log)
    if place.settings.log is not None and not place.has_log:
        raise WrongUsage(f"{place.log}: no log there; name its folder by --log")
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
        "signed_by_gateway": key.gateway,
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
    held = "" if key.gateway is None else f"  signed by gateway {key.gateway} on its behalf"
    typer.echo(f"{row['device']}  key {row['key']}  {enrolled}  {end}{held}")


def _place(index: int | None) -> str:
    return "not logged yet" if index is None else f"log entry {index}"
