"""`factoryledger tlog`: any C2SP proof and any C2SP tiled log, ours or a stranger's."""

import json
from pathlib import Path
from typing import Annotated

import typer

from factoryledger import options

app = typer.Typer(
    help="Any C2SP transparency log: verify a proof, audit a log.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


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
    from anchor.verify import verify_tlog  # noqa: PLC0415 - on demand
    from factoryledger.errors import FoundFalse, WrongUsage  # noqa: PLC0415 - on demand

    try:
        pinned = Policy.from_bytes(policy.read_bytes())
    except Malformed as error:
        raise WrongUsage(f"{policy}: {error}") from error
    opened, content = proof.read_bytes(), entry.read_bytes()
    try:
        cosigned = verify_tlog(opened, content, pinned)
    except Malformed as error:
        raise FoundFalse(f"{proof}: {error}") from error
    checkpoint, witnesses = cosigned.checkpoint, list(cosigned.times)
    if json_:
        about = {"origin": checkpoint.origin, "size": checkpoint.size, "witnesses": witnesses}
        typer.echo(json.dumps({"verified": True, **about}))
    else:
        by = ", ".join(witnesses) or "no witness"
        typer.echo(
            f"{proof}: valid, in {checkpoint.origin} of size {checkpoint.size}, cosigned by {by}"
        )


@app.command("audit")
def audit(
    log: Annotated[str, typer.Argument(metavar="DIR|URL", help="Where the log is.")],
    *,
    vkey: Annotated[
        str, typer.Option("--vkey", metavar="KEY", help="The log's key, as a note's vkey.")
    ],
    origin: Annotated[
        str | None,
        typer.Option(
            "--origin",
            metavar="NAME",
            help="The log's origin, if it is not the key's name.",
            show_default=False,
        ),
    ] = None,
    json_: options.Json = False,
) -> None:
    """Check every tile, entry and checkpoint of a tiled log against its key."""
    from anchor.errors import Malformed  # noqa: PLC0415 - on demand
    from anchor.log_audit import audit_log  # noqa: PLC0415 - on demand
    from anchor.log_reader import LogReader, open_source  # noqa: PLC0415 - on demand
    from anchor.note import VerifierKey  # noqa: PLC0415 - on demand
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand

    try:
        key = VerifierKey.from_text(vkey)
    except Malformed as error:
        raise WrongUsage(f"--vkey: {error}") from error
    audited = audit_log(LogReader(open_source(log), key, origin=origin))
    if json_:
        found = [
            {"kind": finding.kind, "file": finding.file, "detail": finding.detail}
            for finding in audited.findings
        ]
        root = audited.root.hex() if audited.root else None
        typer.echo(json.dumps({"size": audited.size, "root": root, "findings": found}))
    else:
        for finding in audited.findings:
            typer.echo(f"{finding.kind}: {finding.file}: {finding.detail}")
        result = f"{len(audited.findings)} findings" if audited.findings else "no findings"
        typer.echo(f"{log}: {audited.size} entries, {result}")
    if audited.findings:
        raise typer.Exit(1)
