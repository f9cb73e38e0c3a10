"""`factoryledger init`: keys, policy and folders of a new ledger, and a broker's passwords."""

from pathlib import Path
from typing import Annotated

import typer

from factoryledger import options


def init(
    *,
    data: options.Data = None,
    origin: Annotated[
        str | None,
        typer.Option(
            "--origin",
            metavar="NAME",
            help="The anchor log's name, for ever. [default: factoryledger.local/<random>]",
            show_default=False,
        ),
    ] = None,
    witness: Annotated[
        list[str] | None,
        typer.Option(
            "--witness",
            metavar="NAME [VKEY] [URL]",
            help="A witness that has to cosign, in quotes (repeatable). Without a vkey, "
            "its key is made here.",
            show_default=False,
        ),
    ] = None,
    broker_passwords: Annotated[
        Path | None,
        typer.Option(
            "--broker-passwords",
            metavar="FILE",
            help="Also make passwords for the broker's users; FILE is Mosquitto's, the "
            "users' own go to the data folder.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make the keys and the policy of a new ledger.

    Every other command does this by itself on an empty data folder, with `quorum none`;
    `init` is for those who name witnesses or an origin. A complete folder stays as it is.
    """
    from factoryledger.broker_passwords import make_passwords  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.witness_choice import parse_witness  # noqa: PLC0415 - on demand

    folder = installation(data=data).data
    made = folder.create(origin, [parse_witness(text) for text in witness or ()])
    if broker_passwords is not None:
        make_passwords(folder.path / "broker", broker_passwords)
    what = "made" if made else "is complete already"
    typer.echo(f"{folder.path}: {what}, origin {folder.origin}")
