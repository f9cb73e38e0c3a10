"""`factoryledger keys rotate`: a new key in the place of a collector's.

A machine's key is rotated by `device rotate`.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from factoryledger import options

if TYPE_CHECKING:
    from factoryledger.data_dir import DataDir

app = typer.Typer(
    help="Put a new key in the place of an old one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def rotate() -> None:
    """Put a new key in the place of an old one."""


@app.command("collector")
def collector(
    identity: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]",
            help="Which collector. [default: the only live one]",
            show_default=False,
        ),
    ] = None,
    *,
    data: options.Data = None,
) -> None:
    """Certify a new key for a collector's log, which it signs with from its next start on.

    The old key counts until the collector's first checkpoint under the new one, so restart it
    soon. What it signed before stands.
    """
    from factoryledger.enrolment import Enrolments  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand

    folder = installation(data=data).data
    folder.create()
    found = identity or _only_one(folder)
    key = Enrolments(folder).rotate_collector(found)
    typer.echo(
        f"collector {found}: key {key.key_id} certified, entry {key.statement.hash.hex()}; "
        "restart the collector, which signs with it from then on"
    )


def _only_one(folder: "DataDir") -> str:
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand

    stems = folder.keys.stems()
    names = [stem.removeprefix("collector-") for stem in stems if stem.startswith("collector-")]
    live = [name for name in names if not name.startswith("file-") and not name.endswith(".next")]
    if len(live) != 1:
        raise WrongUsage(f"name the collector: {', '.join(live) or 'none has a key here'}")
    return live[0]
