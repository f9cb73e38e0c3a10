"""`factoryledger init`: keys, policy and folders of a new ledger, and what its broker needs."""

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
    broker_host: Annotated[
        list[str] | None,
        typer.Option(
            "--broker-host",
            metavar="NAME",
            help="Also make certificates, passwords and the ACL for a broker of this host name or "
            "address (repeatable) and its clients, in the data folder under broker/.",
            show_default=False,
        ),
    ] = None,
    collectors: Annotated[
        int | None,
        typer.Option(
            "--collectors",
            metavar="N",
            min=1,
            max=1000,
            help="How many collectors there may be at once, each a client of its own. [default: 8]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make the keys and the policy of a new ledger.

    Every other command does this by itself on an empty data folder, with `quorum none`;
    `init` is for those who name witnesses or an origin. A complete folder stays as it is.
    """
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.witness_choice import parse_witness  # noqa: PLC0415 - on demand

    place = installation(data=data)
    folder = place.data
    made = folder.create(origin, [parse_witness(text) for text in witness or ()])
    if broker_host:
        from factoryledger.broker_book import SERVICES  # noqa: PLC0415 - on demand

        counts = dict(SERVICES) | ({"collector": collectors} if collectors else {})
        place.broker_files.prepare(folder.origin, broker_host, counts)
    what = "made" if made else "is complete already"
    typer.echo(f"{folder.path}: {what}, origin {folder.origin}")
