"""`factoryledger gateway`: signs on behalf of machines that cannot, by a mapping file."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factoryledger import options

if TYPE_CHECKING:
    from gateway.mapping import Mapping


def gateway(  # noqa: PLR0913 - a command's options
    mapping: Annotated[
        Path, typer.Argument(metavar="MAPPING", help="Whose message is what: a TOML file.")
    ],
    *,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="mqtt://HOST[:PORT]",
            help="The broker that the machines speak to. [default: what the mapping names, else "
            "--broker]",
            show_default=False,
        ),
    ] = None,
    broker: options.Broker = None,
    prefix: options.Prefix = None,
    data: options.Data = None,
    policy: options.PolicyFile = None,
    outbox: Annotated[
        Path | None,
        typer.Option(
            "--outbox",
            metavar="DIR",
            help="Keep the outboxes in this folder. [default: gateway/NAME in the data folder]",
            show_default=False,
        ),
    ] = None,
    duration: options.Duration = None,
    drain: options.Drain = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only check the mapping and say what it describes.")
    ] = False,
    request: Annotated[
        Path | None,
        typer.Option(
            "--request",
            metavar="DIR",
            help="Only make a key for each device that the mapping names, and write there what the "
            "operator is to sign: `device enrol DEVICE --csr FILE`.",
            show_default=False,
        ),
    ] = None,
    metrics: options.Metrics = None,
    json_: options.Json = False,
) -> None:
    """Hear machines that cannot sign, and sign what they say on their behalf.

    Each message that a rule matches gives one signed message that names its source and the
    SHA-256 of its exact payload; a broker gets its acknowledgement once that is on the disk. The
    keys' entries say that this gateway signs: what happened between it and the machines is not
    proved. Where the operator's key is in the data folder, devices are enrolled as they come;
    elsewhere by --request.

    Exit code 3 if messages are still held when the drain is over; the next run sends them.
    """
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from gateway.mapping_file import load_mapping  # noqa: PLC0415 - on demand

    mapped = load_mapping(mapping)
    if check:
        _check(mapping, mapped, json_=json_)
        return
    place = installation(
        broker=broker, prefix=prefix, data=data, policy=policy, drain=drain, metrics=metrics
    )
    from factoryledger.gatewaying import requests, run  # noqa: PLC0415 - on demand

    if request is not None:
        written = requests(place, mapped, request)
        typer.echo(json.dumps({"requests": written}) if json_ else "\n".join(written))
        return
    tally = run(place, mapped, source, outbox, duration)
    counts = asdict(tally)
    if json_:
        typer.echo(json.dumps(counts))
    else:
        typer.echo(", ".join(f"{name} {count}" for name, count in counts.items()))
    if tally.held or tally.shut_out:
        raise typer.Exit(3)


def _check(file: Path, mapped: "Mapping", *, json_: bool) -> None:
    """Say what is in a mapping that is good."""
    from gateway.mapping import open_ended  # noqa: PLC0415 - on demand

    counts = {
        "rules": len(mapped.rule),
        "nodes": len(mapped.node),
        "devices": len(mapped.devices),
        "readings": sum(len(one.readings) for one in mapped.speakers),
    }
    if json_:
        typer.echo(json.dumps({"mapping": str(file), "gateway": mapped.gateway, **counts}))
        return
    said = ", ".join(f"{count} {what}" for what, count in counts.items())
    more = " and those that messages name" if any(map(open_ended, mapped.speakers)) else ""
    typer.echo(f"{file} is good: gateway {mapped.gateway}, {said}{more}")
