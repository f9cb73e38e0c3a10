"""`factoryledger backup` and `restore`: a copy to go on from, and going on from it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from factoryledger import options


def backup(  # noqa: PLR0913 - a command's options
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that is not there.")],
    *,
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys",
            metavar="FOLDER",
            help="Where the private keys go, apart from the rest. [default: they are left out]",
            show_default=False,
        ),
    ] = None,
    data: options.Data = None,
    database: options.Databases = None,
    log: options.Log = None,
    json_: options.Json = False,
) -> None:
    """Copy stores, log, policy and requests, each file by its hash, while everything runs.

    Keys only where --keys says. Never outboxes, nor what a witness has cosigned: an older copy of
    either could contradict what was said since.
    """
    from factoryledger.backup.taking import take  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.running import say  # noqa: PLC0415 - on demand

    with installation(data=data, database=database, log=log) as place:
        made = take(place, target, keys)
    if json_:
        typer.echo(json.dumps({"size": made.size, "stores": dict(made.stores), "made": made.made}))
    else:
        stores = f"{len(made.stores)} stores" if len(made.stores) != 1 else "1 store"
        typer.echo(f"{target}: {stores}, a log of {made.size} entries, {len(made.files)} files")
    if keys is None:
        say("keys are left out: without them nothing goes on from here; --keys copies them, apart")


def restore(  # noqa: PLR0913 - a command's options
    source: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `backup` made.")],
    *,
    keys: Annotated[
        Path | None,
        typer.Option("--keys", metavar="FOLDER", help="The keys of that time.", show_default=False),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            "--mirror",
            metavar="DIR|URL",
            help="Take from there what the log has gained since: a mirror, or the log as a web "
            "server still shows it.",
            show_default=False,
        ),
    ] = None,
    data: options.Data = None,
    database: options.Databases = None,
    json_: options.Json = False,
) -> None:
    """Put a backup into a new data folder, so that nothing forks when it goes on from there.

    Every file is checked first. Collectors end, and the next start begins new ones; the anchor
    asks its witnesses before it signs. Exit code 1 where a file of the backup was changed. What
    came after the backup and is in no mirror stays missing, and `audit` says so.
    """
    from factoryledger.backup.restoring import restore as put_back  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.running import say  # noqa: PLC0415 - on demand

    with installation(data=data, database=database) as place:
        named = [] if place.settings.database is None else place.database_urls()
        folder = place.data.path
    done = put_back(source, folder, keys=keys, databases=named, mirror=mirror)
    if json_:
        typer.echo(json.dumps({"size": done.size, "backed_up": done.manifest.size}))
    else:
        typer.echo(f"{folder}: as of {done.manifest.made}, a log of {done.size} entries")
    if not done.guarded and mirror is None:
        say(
            "the policy asks for no witness: if anybody has seen more of this log than the backup "
            "holds, it forks as soon as the anchor signs; take what there is by --mirror first"
        )
