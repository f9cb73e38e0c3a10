"""`factoryledger init`: keys, policy and folders of a new ledger, and what its broker needs."""

from pathlib import Path
from typing import Annotated

import typer

from factoryledger import options


def init(  # noqa: PLR0913 - a command's options
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
            metavar="NAME [VKEY|@FILE] [URL]",
            help="A witness that has to cosign, in quotes (repeatable); @FILE holds its vkey. "
            "Without one, its key is made here.",
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
            help="How many collectors there may be at once, each a client of its own, and for how "
            "many more the collectors' folder has certified keys. [default: 8]",
            show_default=False,
        ),
    ] = None,
    part: Annotated[
        list[str] | None,
        typer.Option(
            "--part",
            metavar="NAME=DIR",
            help="Also complete a data folder for a part that runs apart, with the keys that it "
            "needs and no other: anchor, collector, simulator, web, or public for none "
            "(repeatable).",
            show_default=False,
        ),
    ] = None,
    machines: Annotated[
        int | None,
        typer.Option(
            "--machines",
            metavar="N",
            help="For how many machines the simulator's folder has keys. [default: 20]",
            show_default=False,
        ),
    ] = None,
    password: Annotated[
        list[Path] | None,
        typer.Option(
            "--password",
            metavar="FILE",
            help="Put a random password there unless there is one: a database's, the web page's "
            "(repeatable).",
            show_default=False,
        ),
    ] = None,
    seed: options.Seed = None,
) -> None:
    """Make the keys and the policy of a new ledger.

    Every other command does this by itself on an empty data folder, with `quorum none`;
    `init` is for those who name witnesses or an origin. A complete folder stays as it is.
    """
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.own_secrets import password as make_password  # noqa: PLC0415 - on demand
    from factoryledger.part_folders import SPARES, hand_out, parse_part  # noqa: PLC0415 - on demand
    from factoryledger.witness_choice import parse_witness, with_file  # noqa: PLC0415 - on demand
    from simulator.plant import build_plant  # noqa: PLC0415 - on demand

    place = installation(data=data, machines=machines, seed=seed)
    folder = place.data
    parts = [parse_part(text) for text in part or ()]
    made = folder.create(origin, [parse_witness(with_file(text)) for text in witness or ()])
    if broker_host:
        from factoryledger.broker_book import SERVICES  # noqa: PLC0415 - on demand

        counts = dict(SERVICES) | ({"collector": collectors} if collectors else {})
        place.broker_files.prepare(folder.origin, broker_host, counts)
    for file in password or ():
        make_password(file)
    if parts:
        plant = build_plant(place.settings.machines, place.settings.seed)
        spares = SPARES if collectors is None else collectors
        for name, where in parts:
            hand_out(place, name, where, plant=plant, collectors=spares)
    what = "made" if made else "is complete already"
    typer.echo(f"{folder.path}: {what}, origin {folder.origin}")
