"""`factoryledger tlog`: any C2SP proof and any C2SP tiled log, ours or a stranger's."""

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from factoryledger import options
from factoryledger.manual import Commands

app = Commands(
    help="Any C2SP transparency log: verify a proof, audit a log.",
    no_args_is_help=True,
)

Vkey = Annotated[
    str | None,
    typer.Option(
        "--vkey", metavar="KEY", help="The log's key, as a note's vkey.", show_default=False
    ),
]
Pinned = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        metavar="FILE",
        help="In place of --vkey, a policy: it knows former keys of a log that was rotated.",
        show_default=False,
    ),
]
Tries = Annotated[
    int,
    typer.Option(
        "--tries", metavar="N", min=1, max=100, help="Ask a server so often for one file."
    ),
]
LogPlace = Annotated[str, typer.Argument(metavar="DIR|URL", help="Where the log is.")]


@app.command("verify")
def verify(
    proof: Annotated[Path, typer.Argument(metavar="PROOF", help="A C2SP tlog-proof.")],
    *,
    policy: Annotated[Path, typer.Option("--policy", metavar="FILE", help="A C2SP tlog-policy.")],
    entry: Annotated[Path, typer.Option("--entry", metavar="FILE", help="The entry's bytes.")],
    json_: options.Json = False,
) -> None:
    """Verify that an entry is in a log under a policy's keys."""
    from anchor.errors import Malformed  # noqa: PLC0415 - on demand
    from anchor.policy import Policy  # noqa: PLC0415 - on demand
    from anchor.proving.verify import verify_tlog  # noqa: PLC0415 - on demand
    from anchor.tlog_proof import TlogProof  # noqa: PLC0415 - on demand
    from factoryledger.errors import FoundFalse, WrongUsage  # noqa: PLC0415 - on demand
    from factoryledger.files import POLICY_MOST, PROOF_MOST, read_whole  # noqa: PLC0415 - on demand
    from telemetry.canonical import b64  # noqa: PLC0415 - on demand

    try:
        pinned = Policy.from_bytes(read_whole(policy, POLICY_MOST))
    except Malformed as error:
        raise WrongUsage(f"{policy}: {error}") from error
    opened, content = read_whole(proof, PROOF_MOST), read_whole(entry, PROOF_MOST)
    try:
        cosigned = verify_tlog(opened, content, pinned)
        extra = TlogProof.from_bytes(opened).extra
    except Malformed as error:
        raise FoundFalse(f"{proof}: {error}") from error
    checkpoint, witnesses = cosigned.checkpoint, list(cosigned.times)
    if json_:
        about = {"origin": checkpoint.origin, "size": checkpoint.size, "witnesses": witnesses}
        unproven = {} if extra is None else {"unauthenticated": {"extra": b64(extra)}}
        typer.echo(json.dumps({"verified": True, **about, **unproven}))
    else:
        by = ", ".join(witnesses) or "no witness"
        typer.echo(
            f"{proof}: valid, in {checkpoint.origin} of size {checkpoint.size}, cosigned by {by}"
        )
        if extra is not None:
            typer.echo(
                f"Not proven: its {len(extra)} bytes of extra data; nothing vouches for them"
            )


@app.command("audit")
def audit(  # noqa: PLR0913 - a command's options
    log: LogPlace,
    *,
    vkey: Vkey = None,
    policy: Pinned = None,
    origin: Annotated[
        str | None,
        typer.Option(
            "--origin",
            metavar="NAME",
            help="The log's origin, if it is not the key's name.",
            show_default=False,
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state",
            metavar="FILE",
            help="Remember there the checkpoint seen last, and how far an audit came that was "
            "cut off. [default: a file of this log's in ~/.local/state/factoryledger]",
            show_default=False,
        ),
    ] = None,
    tries: Tries = 6,
    json_: options.Json = False,
) -> None:
    """Check every tile, entry and checkpoint of a tiled log against its key.

    Cut off (Ctrl-C, a server that stays away), it goes on from there when it is run again. A
    log that does not continue the checkpoint seen last is a finding.
    """
    from anchor.reading.http_source import Patience, open_source  # noqa: PLC0415 - on demand
    from anchor.reading.log_reader import LogReader  # noqa: PLC0415 - on demand
    from factoryledger import log_auditing  # noqa: PLC0415 - on demand
    from factoryledger.pinned_log import pinned_log  # noqa: PLC0415 - on demand

    key, former = pinned_log(vkey, policy)
    name = origin or key.name
    at = [
        (state or log_auditing.default_state(log, each, name), each)
        for each in (key, *(one.key for one in reversed(former)))
    ]
    kept = log_auditing.KeptMemory(*at[0], name, named=state is not None, former=at[1:])
    with closing(open_source(log, Patience(tries=tries))) as source:
        reader = LogReader(source, key, origin=origin, former=former)
        audited = log_auditing.audit(reader, kept)
    if json_:
        found = [
            {"kind": finding.kind, "file": finding.file, "detail": finding.detail}
            for finding in audited.findings
        ]
        root = audited.root.hex() if audited.root else None
        seen = {"size": audited.size, "root": root, "resumed": audited.resumed}
        typer.echo(json.dumps({**seen, "findings": found}))
    else:
        for finding in audited.findings:
            typer.echo(f"{finding.kind}: {finding.file}: {finding.detail}")
        result = f"{len(audited.findings)} findings" if audited.findings else "no findings"
        before = f" ({audited.resumed} of them checked before)" if audited.resumed else ""
        typer.echo(f"{log}: {audited.size} entries{before}, {result}")
    if audited.findings:
        raise typer.Exit(1)


@app.command("mirror")
def mirror(  # noqa: PLR0913 - a command's options
    log: LogPlace,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the copy is kept.")],
    *,
    vkey: Vkey = None,
    policy: Pinned = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until stopped, taking what is new.")
    ] = False,
    every: Annotated[
        float, typer.Option("--every", metavar="S", min=0.01, help="With --follow: ask so often.")
    ] = 30.0,
    tries: Tries = 6,
    json_: options.Json = False,
) -> None:
    """Keep a copy of a tiled log that only grows, every entry checked before it is taken.

    It is a log of its own to any reader, and what a lost log folder is restored from. Exit code 1
    where the log went back, shows another history or what its key did not sign: then the copy
    stays as it was.
    """
    from anchor.reading.http_source import Patience, open_source  # noqa: PLC0415 - on demand
    from anchor.reading.log_reader import LogReader  # noqa: PLC0415 - on demand
    from factoryledger.log_mirroring import mirrored  # noqa: PLC0415 - on demand
    from factoryledger.pinned_log import pinned_log  # noqa: PLC0415 - on demand

    key, former = pinned_log(vkey, policy)
    with closing(open_source(log, Patience(tries=tries))) as source:
        reader = LogReader(source, key, former=former)
        done = mirrored(reader, folder, every if follow else None)
    if json_:
        typer.echo(json.dumps({"size": done.size, "new": done.size - done.before}))
    else:
        typer.echo(f"{folder}: {done.size} entries, {done.size - done.before} of them new")
