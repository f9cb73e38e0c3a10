"""`factoryledger keys`: keys that are here or trusted, and the operator's word for erasures.

Rotation is in `keys_rotate`, revocation in `keys_revoke`.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factoryledger import options
from factoryledger.commands import keys_revoke, keys_rotate
from factoryledger.manual import Commands

if TYPE_CHECKING:
    from anchor.note import VerifierKey
    from factoryledger.key_files import KeyFiles
    from factoryledger.logged_keys import LoggedKey

# Keys that are the pinned ones need no entry: the policy says whose they are.
_WITH_ENTRIES = ("collector-", "device-")

app = Commands(
    help="Keys that are here, and keys that are trusted.",
    no_args_is_help=True,
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
    log: options.Log = None,
    policy: options.PolicyFile = None,
) -> None:
    """List the policy's keys and this folder's private keys, each by its public half.

    With where the anchor log says whose they are: a key counts from the entry that brings it
    on, and no more from the one that ends it. Last, the collectors' and the log's keys there.
    """
    from anchor.errors import AnchorError  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.logged_keys import LoggedKey, logged_keys  # noqa: PLC0415 - on demand
    from factoryledger.running import say  # noqa: PLC0415 - on demand

    place = installation(data=data, log=log, policy=policy)
    if policy is None:
        place.data.create()
    trusted = {"log": place.policy.log}
    if place.policy.operator is not None:
        trusted["operator"] = place.policy.operator
    for name, witness in place.policy.witnesses.items():
        trusted[f"witness {name}"] = witness.key
    private = dict(place.data.private_keys())
    protected = [stem for stem in private if place.data.keys.is_protected(stem)]
    logged: list[LoggedKey] | None = None
    try:
        logged = logged_keys(place)
    except AnchorError as error:
        say(f"the anchor log does not say whose keys are whose under this policy: {error}")
    if json_:
        known = logged or []
        said = {
            "trusted": {name: str(key) for name, key in trusted.items()},
            "private": {stem: str(key) for stem, key in private.items()},
            "protected": protected,
            "entries": None
            if logged is None
            else {stem: _entry(stem, key, known) for stem, key in private.items()},
            "logged": None
            if logged is None
            else [key.to_json() for key in known if key.kind != "device"],
        }
        typer.echo(json.dumps(said))
        return
    for name, key in trusted.items():
        typer.echo(f"trusted: {name}  {key}{_place(name, key, logged)}")
    for name, key in private.items():
        under = "  (under a passphrase)" if name in protected else ""
        typer.echo(f"private key here: {name}  {key}{_place(name, key, logged)}{under}")
    for one in logged or ():
        if one.kind != "device":
            key_id = one.to_json()["key"]
            typer.echo(f"in the log: {one.kind} {one.name}  key {key_id}{_entries(one)}")


def _logged(key: "VerifierKey", logged: "list[LoggedKey]") -> "LoggedKey | None":
    """Give the newest entry of the log that brings this key."""
    found = (one for one in reversed(logged) if one.public_key == key.public_key)
    return next(found, None)


def _entry(stem: str, key: "VerifierKey", logged: "list[LoggedKey]") -> dict[str, object] | None:
    """Say where the log brings and ends a key; None for one that needs no entry."""
    found = _logged(key, logged)
    if found is None and not stem.startswith(_WITH_ENTRIES):
        return None
    return {
        "index": found and found.index,
        "ended_by": found and found.ended_by,
        "ended_index": found and found.ended_index,
    }


def _place(name: str, key: "VerifierKey", logged: "list[LoggedKey] | None") -> str:
    if logged is None:
        return ""
    found = _logged(key, logged)
    if found is not None:
        return _entries(found)
    return "  (not logged yet)" if name.startswith(_WITH_ENTRIES) else ""


def _entries(key: "LoggedKey") -> str:
    end = "" if key.ended_by is None else f", {key.ended_by}d by log entry {key.ended_index}"
    return f"  (log entry {key.index}{end})"


@app.command("witness")
def witness(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The witness's, as policies say it.")],
    *,
    publish: Annotated[
        Path | None,
        typer.Option(
            "--publish",
            metavar="FILE",
            help="Write the public half there too, for who makes the policy.",
            show_default=False,
        ),
    ] = None,
    data: options.Data = None,
) -> None:
    """Make the key of a witness that no operator holds, and print its public half.

    Made once; `factoryledger witness --name NAME` cosigns with it.
    """
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand
    from factoryledger.files import write_whole  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.own_secrets import witness_key  # noqa: PLC0415 - on demand
    from telemetry.canonical import is_segment  # noqa: PLC0415 - on demand

    if not is_segment(name):
        raise WrongUsage(f"{name!r}: a witness's name is of a-z, 0-9, _ and -")
    key = witness_key(installation(data=data).data, name)
    if publish is not None:
        write_whole(publish, f"{key}\n".encode())
    typer.echo(str(key))


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
