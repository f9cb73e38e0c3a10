"""`factoryledger keys`: the private keys that are here, and the public ones that are trusted."""

import json

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
