"""`factoryledger export`: messages out of the store."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from factoryledger import options


def export(  # noqa: PLR0913 - a command's options
    *,
    recording: Annotated[
        Path | None,
        typer.Option(
            "--recording",
            metavar="FILE",
            help="Write them as a recording, for `replay`, `ingest` and tests; packed (extra "
            "zstd) if it ends .zst.",
            show_default=False,
        ),
    ] = None,
    evidence: Annotated[
        Path | None,
        typer.Option(
            "--evidence",
            metavar="DIR|FILE.zip",
            help="Write an auditor's package instead: readings, proofs, keys, checkpoints and a "
            "report to print, which `verify` checks as a whole. It needs --from and --to.",
            show_default=False,
        ),
    ] = None,
    topic: Annotated[
        list[str] | None,
        typer.Option(
            "--topic",
            metavar="FILTER",
            help="Only what matches (repeatable). [default: all]",
            show_default=False,
        ),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            "--device",
            metavar="D",
            help="Only messages that a machine has signed (repeatable).",
            show_default=False,
        ),
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(
            "--status", metavar="S", help="Only of a status (repeatable).", show_default=False
        ),
    ] = None,
    collector: Annotated[
        list[str] | None,
        typer.Option(
            "--collector",
            metavar="C",
            help="Only what a collector received (repeatable).",
            show_default=False,
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="Received from then on; with --evidence made, by the machines' clocks.",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="TIME", help="Received, or made, before then.", show_default=False
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="TEXT",
            help="With --evidence: who makes it, for its report. [default: the operator's key]",
            show_default=False,
        ),
    ] = None,
    title: Annotated[
        str | None,
        typer.Option(
            "--title", metavar="TEXT", help="With --evidence: its title.", show_default=False
        ),
    ] = None,
    no_pdf: Annotated[
        bool,
        typer.Option(
            "--no-pdf",
            help="With --evidence: leave out report.pdf, which takes far longer than all the rest.",
        ),
    ] = False,
    data: options.Data = None,
    database: options.Databases = None,
    log: options.Log = None,
    policy: options.PolicyFile = None,
    ledgers: options.Ledgers = None,
    json_: options.Json = False,
) -> None:
    """Write messages of the store to a recording, or proofs of them to an auditor's package.

    A recording makes a test of an incident. Receive times, topics, payloads and the kept MQTT
    properties are as they were; QoS and the retain flag are not in the store: QoS 1, not
    retained. Erased payloads are left out and counted.

    A package (--evidence) is of a time and of machines (--device; all without it): what they
    signed, and what shows that it is unchanged and whole, for somebody without this program.
    All of it must be anchored. With the extra pdf its report is a PDF, too.
    """
    if evidence is not None:
        _export_evidence(
            recording, (topic, status, collector), (evidence, from_, to, device, by, title, no_pdf),
            {"data": data, "database": database, "log": log, "policy": policy, "ledgers": ledgers},
            json_=json_,
        )  # fmt: skip
        return
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand

    if recording is None:
        raise WrongUsage("say what to write: --recording FILE, or --evidence DIR|FILE.zip")
    if by is not None or title is not None or no_pdf:
        raise WrongUsage("--by, --title and --no-pdf go with --evidence")
    from factoryledger.exporting import Choice, export_recording  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.replaying import time_of  # noqa: PLC0415 - on demand
    from telemetry.record import STATUSES  # noqa: PLC0415 - on demand

    for one in status or ():
        if one not in STATUSES:
            raise WrongUsage(f"--status {one!r}: {', '.join(STATUSES)}")
    choice = Choice(
        topics=topic or (),
        devices=device or (),
        statuses=status or (),
        collectors=collector or (),
        start=0 if from_ is None else time_of("--from", from_),
        stop=2**63 if to is None else time_of("--to", to),
    )
    with installation(data=data, database=database) as place:
        exported = export_recording(place, choice, recording)
    if json_:
        typer.echo(json.dumps({"file": str(recording), **asdict(exported)}))
        return
    erased = f", {exported.erased} left out as erased" if exported.erased else ""
    typer.echo(f"{recording}: {exported.written} messages{erased}")


def _export_evidence(
    recording: Path | None,
    choosing: tuple[list[str] | None, ...],
    asked: "tuple[Path, str | None, str | None, list[str] | None, str | None, str | None, bool]",
    settings: dict[str, Any],
    *,
    json_: bool,
) -> None:
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand
    from factoryledger.evidence_package import Asked, export_package  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.replaying import time_of  # noqa: PLC0415 - on demand
    from factoryledger.running import say  # noqa: PLC0415 - on demand

    out, start, stop, devices, by, title, no_pdf = asked
    if recording is not None:
        raise WrongUsage("--evidence and --recording: write one or the other")
    if any(choosing):
        raise WrongUsage("--evidence takes all that a machine signed: no --topic, --status, "
                         "--collector")  # fmt: skip
    if start is None or stop is None:
        raise WrongUsage("--evidence is of a time: give --from and --to")
    wanted = Asked(
        start=time_of("--from", start),
        stop=time_of("--to", stop),
        machines=devices or (),
        by=by,
        title=title,
        paper=not no_pdf,
        made=time.time_ns() // 1000,
    )
    with installation(**settings) as place:
        done = export_package(place, wanted, out)
    if done.without_paper is not None:
        say(done.without_paper)
    totals = done.totals
    if json_:
        number = {"package": str(out), "number": done.manifest.number}
        typer.echo(json.dumps({**number, **totals, "pdf": done.has_paper}))
        return
    typer.echo(
        f"{out}: {totals['messages']} messages of {totals['machines']} machines, "
        f"{totals['readings']} readings, {totals['missing']} missing"
    )
    typer.echo(f"package {done.manifest.number}")
