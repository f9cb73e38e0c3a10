"""`factoryledger keys`: keys that are here or trusted, and the operator's word for erasures.

Rotation is in `keys_rotate`, revocation in `keys_revoke`.
"""

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated

import typer

from factoryledger import options
from factoryledger.commands import keys_revoke, keys_rotate

if TYPE_CHECKING:
    from factoryledger.key_files import KeyFiles

app = typer.Typer(
    help="Keys that are here, and keys that are trusted.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(keys_rotate.app, name="rotate")
app.add_typer(keys_revoke.app, name="revoke")

Stems = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY]…",
        help="As `keys list` names them. [default: all but the machines']",
        show_default=False,
    ),
]


@app.callback()
def keys() -> None:
    """Keys that are here, and keys that are trusted."""


@app.command("erase-messages")
def erase_messages(
    messages: Annotated[
        str,
        typer.Argument(metavar="COLLECTOR:FIRST-LAST", help="Positions, as audit names them."),
    ],
    *,
    status: Annotated[
        list[str] | None,
        typer.Option(
            "--status",
            metavar="STATUS",
            help="Only messages with this status (repeatable).",
            show_default=False,
        ),
    ] = None,
    data: options.Data = None,
) -> None:
    """Sign that these messages' payloads are to be erased; their records and proofs stand.

    A running collector erases them once the anchor log has published this word. It cannot be
    taken back.
    """
    from factoryledger.erasing import sign_erasure, wanted_of  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand

    place = installation(data=data)
    place.data.create()
    wanted = wanted_of(messages, status or ())
    entry = sign_erasure(place.data, wanted)
    whose = ", ".join(wanted.statuses) or "every status"
    typer.echo(
        f"erasure of {wanted.collector}:{wanted.first}-{wanted.last} ({whose}) signed, "
        f"entry {sha256(entry).hexdigest()}"
    )


@app.command("list")
def list_(
    *,
    json_: options.Json = False,
    data: options.Data = None,
    policy: options.PolicyFile = None,
) -> None:
    """List the policy's keys and this folder's private keys, each by its public half."""
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand

    place = installation(data=data, policy=policy)
    if policy is None:
        place.data.create()
    trusted = {"log": str(place.policy.log)}
    if place.policy.operator is not None:
        trusted["operator"] = str(place.policy.operator)
    for name, witness in place.policy.witnesses.items():
        trusted[f"witness {name}"] = str(witness.key)
    private = {stem: str(key) for stem, key in place.data.private_keys()}
    protected = [stem for stem in private if place.data.keys.is_protected(stem)]
    if json_:
        said = {"trusted": trusted, "private": private, "protected": protected}
        typer.echo(json.dumps(said))
        return
    for name, vkey in trusted.items():
        typer.echo(f"trusted: {name}  {vkey}")
    for name, vkey in private.items():
        under = "  (under a passphrase)" if name in protected else ""
        typer.echo(f"private key here: {name}  {vkey}{under}")


@app.command("protect")
def protect(keys: Stems = None, *, data: options.Data = None) -> None:
    """Put private keys under a passphrase, asked on the terminal.

    Where there is none, FACTORYLEDGER_KEY_PASSPHRASE_FILE names a file with it. Commands that
    sign with such a key ask for it too. One passphrase for all of them.
    """
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand

    files = installation(data=data).data.keys
    stems = [stem for stem in _stems(files, keys) if not files.is_protected(stem)]
    if stems:
        files.passphrase(again=True)
    for stem in stems:
        files.protect(stem)
        typer.echo(f"{files.path(stem)}: under a passphrase now")


@app.command("unprotect")
def unprotect(keys: Stems = None, *, data: options.Data = None) -> None:
    """Take private keys out from under their passphrase."""
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand

    files = installation(data=data).data.keys
    for stem in _stems(files, keys):
        if files.is_protected(stem):
            files.unprotect(stem)
            typer.echo(f"{files.path(stem)}: no passphrase needed now")


def _stems(files: "KeyFiles", named: list[str] | None) -> list[str]:
    """Give the keys that were named, or all that are not a machine's."""
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand

    known = files.stems()
    for stem in named or ():
        if stem not in known:
            raise WrongUsage(f"no private key {stem!r} here; see factoryledger keys list")
    return named or [stem for stem in known if not stem.startswith("device-")]
