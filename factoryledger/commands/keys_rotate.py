"""`factoryledger keys rotate`: a new key in the place of an old one, whoever holds it.

A machine's key is rotated by `device rotate`.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from factoryledger import options
from factoryledger.manual import Commands

if TYPE_CHECKING:
    from factoryledger.data_dir import DataDir

app = Commands(
    help="Put a new key in the place of an old one.",
    no_args_is_help=True,
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


@app.command("log")
def log(*, data: options.Data = None, log: options.Log = None) -> None:
    """Put a new key in the place of the anchor log's, while no anchor runs.

    The log then holds the operator's word, with the old key's consent; what the old key signed
    counts up to there, by a line in the policy. Whoever verifies needs the new policy, and
    witnesses need it to cosign.
    """
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand

    place = installation(data=data, log=log)
    place.data.create()
    key, index = place.data.rotate_log(place.log)
    typer.echo(
        f"log {key.name}: entry {index} brings key {key.id.hex()}, which signs every checkpoint "
        f"that holds it; give the new policy ({place.data.policy_file}) to witnesses and auditors"
    )


@app.command("witness")
def witness(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The witness, as the policy has it.")],
    *,
    vkey: Annotated[
        str | None,
        typer.Option(
            "--vkey",
            metavar="KEY",
            help="Its new key, where the witness is elsewhere. [default: made here]",
            show_default=False,
        ),
    ] = None,
    finish: Annotated[
        bool, typer.Option("--finish", help="End it: from now on the new key counts alone.")
    ] = False,
    data: options.Data = None,
) -> None:
    """Let a new key of a witness count beside the old one; with --finish, alone.

    The witness, restarted, cosigns with both meanwhile. Proofs under the old key hold as long as
    the policy of whoever verifies has it: --finish is for when that key is no longer trusted.
    """
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.witness_choice import parse_witness  # noqa: PLC0415 - on demand

    folder = installation(data=data).data
    folder.create()
    if finish:
        if vkey is not None:
            raise WrongUsage("--finish takes the key that is there; leave out --vkey")
        folder.settle_witness(name)
        typer.echo(f"witness {name}: key {folder.policy().witnesses[name].key} counts alone now")
        return
    given = None if vkey is None else parse_witness(f"{name} {vkey}").vkey
    key = folder.rotate_witness(name, given)
    typer.echo(
        f"witness {name}: key {key} counts beside the one before; restart witness and anchor, "
        "and give the new policy to auditors"
    )


def _only_one(folder: "DataDir") -> str:
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand

    stems = folder.keys.stems()
    names = [stem.removeprefix("collector-") for stem in stems if stem.startswith("collector-")]
    live = [name for name in names if not name.startswith("file-") and not name.endswith(".next")]
    if len(live) != 1:
        raise WrongUsage(f"name the collector: {', '.join(live) or 'none has a key here'}")
    return live[0]
