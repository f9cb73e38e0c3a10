"""`factoryledger prove`: one stored message to one self-contained proof file."""

import json
from pathlib import Path
from typing import Annotated

import typer

from factoryledger import options


def prove(  # noqa: PLR0913 - a command's options
    *,
    device: options.Device = None,
    session: options.Session = None,
    seq: options.Seq = None,
    message: options.Message = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="T",
            help="With --device: all that it made from this time on, by its clock "
            "(2026-11-25T08:00:00Z).",
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--to", metavar="T", help="And before this one.", show_default=False),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric", metavar="M", help="Which readings of that time.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE",
            help="Where to write it. [default: in proofs in the data folder]",
            show_default=False,
        ),
    ] = None,
    tlog_proofs: Annotated[
        Path | None,
        typer.Option(
            "--tlog-proofs",
            metavar="DIR",
            help="Also write both hops as C2SP tlog-proofs, for strangers' tools.",
            show_default=False,
        ),
    ] = None,
    data: options.Data = None,
    database: options.Databases = None,
    log: options.Log = None,
    policy: options.PolicyFile = None,
    ledgers: options.Ledgers = None,
    json_: options.Json = False,
) -> None:
    """Write the proof of a message; without options, of the newest anchored one.

    With --device, --from and --to one proof of all that a machine made in that time: the
    messages share what proves them, and the ones before and after show that none is missing.

    The proof is verified before it is written, so what was tampered with is exit code 1.
    """
    from factoryledger import proving  # noqa: PLC0415 - on demand
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand

    with installation(
        data=data, database=database, log=log, policy=policy, ledgers=ledgers
    ) as place:
        if since is not None or until is not None or metric is not None:
            if (session, seq, message, tlog_proofs) != (None, None, None, None):
                raise WrongUsage("--from and --to go with --device, --metric and -o alone")
            asked = proving.parse_range(device, since, until, metric)
            proving.report_range(*proving.write_range(place, asked, out), json_=json_)
            return
        row = proving.named_row(place, device, session, seq, message)
        if row is None:
            row = proving.newest_anchored(place)
        proof = proving.proof_of(place, row)
    path = proving.write_proof(place, proof, row, out)
    if tlog_proofs is not None:
        pinned = place.settings.policy or place.data.policy_file
        proving.write_tlog_proofs(proof, pinned.read_bytes(), tlog_proofs)
    if json_:
        named = {name: getattr(row, name) for name in ("device", "session", "seq")}
        where = {"collector": row.collector, "position": row.position}
        held = {"signed_by_gateway": proving.gateway_of(proof)}
        typer.echo(json.dumps({"proof": str(path), **where, **named, **held}))
    else:
        held_by = proving.gateway_of(proof)
        said = "" if held_by is None else f", signed by gateway {held_by} on the machine's behalf"
        typer.echo(f"{path}: message {row.collector}:{row.position}{said}")
