"""`factoryledger correct`: the operator's signed word on a stored reading, which stays as it is."""

import json
from typing import Annotated

import typer

from factoryledger import options


def correct(  # noqa: PLR0913 - a command's options
    *,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; up to 2,000 bytes, in one line.")
    ],
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="The printed name of who signs.")],
    device: options.Device = None,
    session: options.Session = None,
    seq: options.Seq = None,
    message: options.Message = None,
    metric: Annotated[
        str | None,
        typer.Option("--metric", metavar="M", help="Which reading was wrong.", show_default=False),
    ] = None,
    value: Annotated[
        str | None,
        typer.Option(
            "--value",
            metavar="X",
            help="What it should have been, a number as JSON writes it; kept as typed.",
            show_default=False,
        ),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            "--unit",
            metavar="U",
            help="Its unit. [default: that of the machine's birth]",
            show_default=False,
        ),
    ] = None,
    scan: Annotated[
        str | None,
        typer.Option(
            "--scan",
            metavar="T",
            help="Of which time, where the message has several scans (2026-11-25T08:00:00Z).",
            show_default=False,
        ),
    ] = None,
    annotate: Annotated[
        bool, typer.Option("--annotate", help="Change no reading: the reason is all.")
    ] = False,
    withdraw: Annotated[
        str | None,
        typer.Option(
            "--withdraw",
            metavar="HASH",
            help="Take back an earlier correction of this message.",
            show_default=False,
        ),
    ] = None,
    supersedes: Annotated[
        str | None,
        typer.Option(
            "--supersedes",
            metavar="HASH",
            help="Put this in the place of an earlier correction of this message.",
            show_default=False,
        ),
    ] = None,
    meaning: Annotated[
        str,
        typer.Option(
            "--meaning",
            metavar="WORD",
            help="What the signature means: authorship, review, approval or responsibility.",
        ),
    ] = "authorship",
    data: options.Data = None,
    database: options.Databases = None,
    log: options.Log = None,
    policy: options.PolicyFile = None,
    json_: options.Json = False,
) -> None:
    """Sign what a stored reading should have been, and why; what was stored stays first.

    The word is signed by the operator's key and left in the requests folder; the anchor appends
    it to its log, where it cannot be changed or removed, only superseded. `prove`, `verify`,
    `audit` and the web page show it beside the original. Exit code 2 where there is no such
    reading or nothing to correct, 3 where the operator's key is not here.
    """
    from anchor.correction import MEANINGS  # noqa: PLC0415 - on demand
    from factoryledger import correcting  # noqa: PLC0415 - on demand
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.proving import named_row  # noqa: PLC0415 - on demand

    known = next((word for word in MEANINGS if word == meaning), None)
    if known is None:
        raise WrongUsage(f"--meaning {meaning[:80]!r}: there are {', '.join(MEANINGS)}")
    said = correcting.Said(
        by=by,
        reason=reason,
        meaning=known,
        metric=metric,
        value=value,
        unit=unit,
        scan=scan,
        annotate=annotate,
        withdraw=withdraw,
        supersedes=supersedes,
    )
    with installation(data=data, database=database, log=log, policy=policy) as place:
        row = named_row(place, device, session, seq, message)
        if row is None:
            raise WrongUsage("name a message by --device, --session and --seq, or by --message")
        signed = correcting.correct(place, row, said)
    if json_:
        typer.echo(json.dumps(correcting.as_json(signed)))
    else:
        typer.echo("\n".join(correcting.lines(signed)))
