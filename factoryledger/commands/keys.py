"""`factoryledger keys`: keys that are here or trusted, and the operator's word for erasures."""

import json
from hashlib import sha256
from typing import Annotated

import typer

from factoryledger import options

app = typer.Typer(
    help="Keys that are here, and keys that are trusted.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


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
    if json_:
        typer.echo(json.dumps({"trusted": trusted, "private": private}))
        return
    for title, found in (("trusted", trusted), ("private key here", private)):
        for name, vkey in found.items():
            typer.echo(f"{title}: {name}  {vkey}")
