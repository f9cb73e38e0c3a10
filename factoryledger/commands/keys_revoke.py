"""`factoryledger keys revoke`: the end of a collector's key, for one that was stolen.

A machine's key is revoked by `device revoke`.
"""

from typing import Annotated

import typer

from factoryledger import options
from factoryledger.manual import Commands

app = Commands(
    help="End a key with none in its place.",
    no_args_is_help=True,
)


@app.callback()
def revoke() -> None:
    """End a key with none in its place."""


@app.command("collector")
def collector(
    identity: Annotated[str, typer.Argument(metavar="ID", help="Which collector.")],
    *,
    data: options.Data = None,
) -> None:
    """End a collector's log: no key of it signs again once the anchor log holds this word.

    What is in the anchor log by then stands. Stop the collector and start one of another id.
    It cannot be taken back.
    """
    from factoryledger.enrolment import Enrolments  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand

    folder = installation(data=data).data
    folder.create()
    key = Enrolments(folder).revoke("collector", identity, None)
    typer.echo(
        f"collector {identity}: key {key.key_id} revoked; what it signed stands as far as the "
        "anchor log holds it before this word; start a collector of another id"
    )
