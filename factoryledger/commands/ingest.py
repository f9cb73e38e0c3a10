"""`factoryledger ingest`: recordings straight into the store, no broker."""

import json
import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factoryledger import options

if TYPE_CHECKING:
    from collector.ingest import IngestResult


def ingest(  # noqa: PLR0913 - a command's options
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Recordings.")],
    *,
    data: options.Data = None,
    database: options.Database = None,
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes",
            metavar="N",
            help="How many processes check signatures, once there is much to check; 0 checks "
            "them in this one. [default: one for each core, 0 where there is one]",
            show_default=False,
        ),
    ] = None,
    keep_going: options.KeepGoing = False,
    json_: options.Json = False,
) -> None:
    """Store recordings: one stored message a line, receive times as recorded.

    The same file gives the same roots; ingesting it again adds nothing. A broken line, and a
    recording that was cut short, is exit code 2; what came before it is kept.
    """
    from anchor.key_entry import OperatorAuthority  # noqa: PLC0415 - on demand
    from collector.ingest import ingest as store  # noqa: PLC0415 - on demand
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand
    from factoryledger.identity import identity_of  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.running import helpers, log_to_stderr, say  # noqa: PLC0415 - on demand

    log_to_stderr(logging.WARNING)
    place = installation(data=data, database=database, processes=processes)
    place.data.create()
    for file in files:
        result = store(
            store_url=place.database_url,
            file=file,
            identity_for=partial(identity_of, place.data),
            authority=OperatorAuthority(place.data.operator_public),
            requests=place.data.requests,
            processes=helpers(place.settings.processes),
            keep_going=keep_going,
        )
        for reason in result.reasons:
            say(f"kept going: {reason}", level="warning")
        typer.echo(json.dumps(_as_json(file, result)) if json_ else _line(file, result))
        if result.cut is not None and not keep_going:
            raise WrongUsage(
                f"{result.cut}; {result.lines} messages are stored (--keep-going takes it as it is)"
            )


def _as_json(file: Path, result: "IngestResult") -> dict[str, object]:
    return {
        "file": str(file),
        "collector": result.collector,
        "lines": result.lines,
        "stored": result.stored,
        "added": result.added,
        "duplicates": result.duplicates,
        "batches": result.batches,
        "roots": [root.hex() for root in result.roots],
        "complete": result.complete,
        "skipped": result.skipped,
    }


def _line(file: Path, result: "IngestResult") -> str:
    cut = f", {result.skipped} lines skipped" if result.skipped else ""
    cut += ", the recording was cut short" if result.cut is not None else ""
    root = result.roots[-1].hex() if result.roots else "none"
    return (
        f"{file}: {result.lines} messages, {result.added} added, {result.stored} stored as "
        f"{result.collector} in {result.batches} batches, last root {root}{cut}"
    )
