"""Options that mean the same in every command, each spelled once."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder of store, log, keys and policy. [default: ./factoryledger-data]",
        show_default=False,
    ),
]
Broker = Annotated[
    str | None,
    typer.Option(
        "--broker",
        metavar="mqtt://HOST[:PORT]",
        help="The broker. [default: mqtt://127.0.0.1:1883]",
        show_default=False,
    ),
]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="The store: sqlite:///PATH or postgresql://[USER@]HOST[:PORT]/DATABASE, without a "
        "password. [default: ledger.db in the data folder]",
        show_default=False,
    ),
]
Databases = Annotated[
    list[str] | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="A store: sqlite:///PATH or postgresql://[USER@]HOST[:PORT]/DATABASE, without a "
        "password; repeatable, for collectors with stores of their own. "
        "[default: ledger.db and every ledger-NAME.db in the data folder]",
        show_default=False,
    ),
]
Log = Annotated[
    Path | None,
    typer.Option(
        "--log",
        metavar="DIR",
        help="Folder of the anchor log. [default: log in the data folder]",
        show_default=False,
    ),
]
PolicyFile = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        metavar="FILE",
        help="Whose keys to trust. [default: policy in the data folder]",
        show_default=False,
    ),
]
Ledgers = Annotated[
    Path | None,
    typer.Option(
        "--ledgers",
        metavar="FILE",
        help="What pins the outside ledgers. [default: ledgers.toml in the data folder]",
        show_default=False,
    ),
]
Prefix = Annotated[
    str | None,
    typer.Option(
        "--prefix",
        metavar="LEVELS",
        help="Topic levels in front of the factory's own; auto: one that nobody can guess, kept in "
        "the data folder, for a broker that is everybody's.",
        show_default=False,
    ),
]
Metrics = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        metavar="[HOST:]PORT",
        help="Serve /metrics, /healthz and /readyz there; a port alone is on 127.0.0.1. "
        "[default: nowhere]",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
KeepGoing = Annotated[
    bool,
    typer.Option(
        "--keep-going",
        help="Skip broken lines, count them and say why the first ones are; take a recording that "
        "was cut short as far as it goes.",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed", metavar="N", help="Seed of all chance. [default: 1]", show_default=False
    ),
]
Duration = Annotated[
    float | None,
    typer.Option(
        "--duration", metavar="S", min=0.0, help="End after so many seconds.", show_default=False
    ),
]
Drain = Annotated[
    float | None,
    typer.Option(
        "--drain",
        metavar="S",
        help="Wait for receipts at the end. [default: 30]",
        show_default=False,
    ),
]
Device = Annotated[
    str | None, typer.Option("--device", metavar="D", help="The machine.", show_default=False)
]
Session = Annotated[
    str | None, typer.Option("--session", metavar="S", help="Its session.", show_default=False)
]
Seq = Annotated[
    int | None,
    typer.Option("--seq", metavar="N", help="Its message's number.", show_default=False),
]
Message = Annotated[
    str | None,
    typer.Option(
        "--message",
        metavar="COLLECTOR:POSITION",
        help="Or any stored message, by its place.",
        show_default=False,
    ),
]
Filters = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TOPIC]…", help="Topic filters. [default: #]", show_default=False),
]
