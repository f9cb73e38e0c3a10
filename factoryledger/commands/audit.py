"""`factoryledger audit`: the whole store against the log and the witnesses."""

import json
from pathlib import Path
from typing import Annotated

import typer

from factoryledger import options


def audit(  # noqa: PLR0913 - a command's options
    *,
    data: options.Data = None,
    database: options.Databases = None,
    log: options.Log = None,
    policy: options.PolicyFile = None,
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes",
            metavar="N",
            help="How many processes check signatures and hashes of a large store; 0 checks "
            "them in this one. [default: one for each core, 0 where there is one]",
            show_default=False,
        ),
    ] = None,
    evidence: Annotated[
        Path | None,
        typer.Option(
            "--evidence",
            metavar="DIR",
            help="Write there a file of each contradiction that one key signed (a machine's, "
            "a collector's, the log's), for anybody to check with `verify`.",
            show_default=False,
        ),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            "--checkpoint",
            metavar="FILE",
            help="A checkpoint of the anchor log that somebody kept, or a proof that holds one "
            "(repeatable): the log must still continue it.",
            show_default=False,
        ),
    ] = None,
    receipts: Annotated[
        list[Path] | None,
        typer.Option(
            "--receipts",
            metavar="DIR|FILE",
            help="Receipts of outside ledgers that somebody kept: a copy of the log's folders "
            "receipts and checkpoints, or a proof file (repeatable). The log must still continue "
            "what they are of.",
            show_default=False,
        ),
    ] = None,
    ledgers: options.Ledgers = None,
    ask: Annotated[
        bool,
        typer.Option(
            "--ask",
            help="Ask the nodes and servers that --ledgers names for blocks that receipts lack, "
            "and the contract of an EVM chain for all that it holds of the log.",
        ),
    ] = False,
    clock_tolerance: Annotated[
        int | None,
        typer.Option(
            "--clock-tolerance",
            metavar="S",
            help="How far a machine's clock may lie outside of what is bounded. [default: 60]",
            show_default=False,
        ),
    ] = None,
    new: Annotated[
        bool,
        typer.Option(
            "--new",
            help="Read only messages that came since the last audit with --new or --state that "
            "found nothing; batches, keys, claims and the anchor log are checked in full. What "
            "was changed in older messages since is not found, and how many were left out is "
            "said.",
        ),
    ] = False,
    full: Annotated[
        bool,
        typer.Option("--full", help="Read every message. This is the default."),
    ] = False,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state",
            metavar="FILE",
            help="Where an audit without findings leaves what it saw, and the next one holds it "
            "against store and log. Keep it where whoever owns the store cannot write: in the "
            "data folder, they can make --new read less. [default: with --new audit.json in the "
            "data folder, else nowhere]",
            show_default=False,
        ),
    ] = None,
    json_: options.Json = False,
) -> None:
    """Check every row, batch, claim and key entry of the store, and the anchor log.

    Exit code 1 with findings, each naming rows and whose key is to blame. Where nothing is
    anchored yet it checks the store alone, says so, and still exits with 0.
    """
    from factoryledger.auditing import lines, run_audit, write_evidence  # noqa: PLC0415 - on demand
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.kept_audit import KeptAudit  # noqa: PLC0415 - on demand
    from factoryledger.known_heads import KnownHeads  # noqa: PLC0415 - on demand
    from factoryledger.running import few_collections  # noqa: PLC0415 - on demand

    few_collections()
    if new and full:
        raise WrongUsage("--new and --full ask for opposite things")
    with installation(
        data=data,
        database=database,
        log=log,
        policy=policy,
        processes=processes,
        ledgers=ledgers,
        clock_tolerance=clock_tolerance,
    ) as place:
        path = state or (place.data.path / "audit.json" if new else None)
        heads = KnownHeads.read(place, checkpoint or (), path, receipts or ())
        kept = None if path is None else KeptAudit(path, new)
        audited = run_audit(place, kept, heads, ask=ask)
        files = [] if evidence is None else write_evidence(audited, place, evidence, heads)
    if json_:
        written = {} if evidence is None else {"evidence": [str(file) for file in files]}
        typer.echo(json.dumps({**audited.to_json(), **written}))
    else:
        typer.echo("\n".join([*(f"evidence: {file}" for file in files), *lines(audited)]))
    if not audited.clean:
        raise typer.Exit(1)
