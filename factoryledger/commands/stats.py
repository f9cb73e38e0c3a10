"""`factoryledger stats`: what came in and what became of it."""

import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from factoryledger import options
from telemetry.canonical import time_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anchor.keeping.submissions import LedgerState
    from collector.stats import Break, Refusal, Stats


def stats(
    *,
    data: options.Data = None,
    database: options.Databases = None,
    gaps: Annotated[
        bool, typer.Option("--gaps", help="Show every gap and break of the machines' messages.")
    ] = False,
    refused: Annotated[
        bool, typer.Option("--refused", help="Show what was refused, as far as it is kept.")
    ] = False,
    json_: options.Json = False,
) -> None:
    """Count: received = stored + duplicates + refused + in flight; statuses; gaps.

    Exit code 1 if the sum does not hold.
    """
    from factoryledger.counting import outside, with_anchored  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand

    with installation(data=data, database=database) as place:
        if refused:
            _show_refusals(place.ledger.refusals(), json_=json_)
            return
        counted, ledgers = with_anchored(place), outside(place)
    if json_:
        shown = [_ledger_json(one) for one in ledgers]
        typer.echo(json.dumps({**counted.to_dict(), "ledgers": shown}))
    elif gaps:
        typer.echo("\n".join(_gap_lines(counted)))
    else:
        typer.echo("\n".join([*_lines(counted), *map(_ledger_line, ledgers)]))
    if not counted.conserved:
        raise typer.Exit(1)


def _show_refusals(refusals: "Iterable[Refusal]", *, json_: bool) -> None:
    shown = list(refusals)
    if json_:
        typer.echo(json.dumps([one.to_dict() for one in shown]))
        return
    for one in shown:
        # A stranger chose the topic: it must not write to a terminal as it likes.
        typer.echo(f"{time_text(one.received)} {one.topic!r} {one.reason}")
    if not shown:
        typer.echo("nothing was refused")


def _lines(counted: "Stats") -> list[str]:
    """For people: one count a line."""
    holds = "holds" if counted.conserved else "DOES NOT HOLD"
    lines = [
        f"received    {counted.received}",
        f"stored      {counted.stored}",
        f"duplicates  {counted.duplicates}",
        f"refused     {counted.refused}",
        f"in flight   {counted.in_flight}",
        f"  received = stored + duplicates + refused + in flight {holds}",
        f"own         {counted.own} (the ledger's own topics, not stored)",
        f"batches     {counted.batches}",
        f"anchored    {'no anchor has run here' if counted.anchored is None else counted.anchored}",
    ]
    lines += [f"  refused: {cause:<10} {count}" for cause, count in counted.causes.items()]
    lines += [f"{status:<16}{count}" for status, count in counted.statuses.items() if count]
    if counted.copies:
        lines.append(f"copies      {counted.copies} (in two stores, and counting once)")
    if counted.gaps:
        sessions = len({(gap.device, gap.session) for gap in counted.gaps})
        lines.append(f"missing     {counted.missing} messages of {sessions} sessions: see --gaps")
    kinds = Counter(one.kind for one in counted.breaks)
    lines += [f"{_CALLED[kind]:<12}{count}: see --gaps" for kind, count in sorted(kinds.items())]
    return lines


def _ledger_json(one: "LedgerState") -> dict[str, object]:
    """An outside ledger for programs: times as text, ages in seconds."""
    return {
        "name": one.name,
        "submitted": one.submitted,
        "stamped": one.stamped,
        "pending": one.pending,
        "refused": one.refused,
        "failures": one.tries,
        "last_failure": one.failure,
        "last_failed": None if one.failed is None else time_text(one.failed),
        "newest_stamp": None if one.newest is None else time_text(one.newest * 1_000_000),
        "newest_stamp_age": _age(one),
        "stamped_size": one.size,
    }


def _ledger_line(one: "LedgerState") -> str:
    """An outside ledger for people."""
    age = _age(one)
    newest = "nothing stamped yet" if age is None else f"newest stamp {_span(age)} ago"
    refused = f", {one.refused} REFUSED" if one.refused else ""
    failure = f"; failed last: {one.failure}" if one.failure else ""
    counts = f"{one.submitted} submitted, {one.stamped} stamped, {one.pending} pending{refused}"
    return f"ledger      {one.name}: {counts}; {newest}{failure}"


def _age(one: "LedgerState") -> int | None:
    return None if one.newest is None else max(0, int(time.time()) - one.newest)


def _span(seconds: int) -> str:
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


_CALLED = {"fork": "FORKS", "link": "misfits", "lost": "lost outbox", "start": "loose starts"}


def _gap_lines(counted: "Stats") -> list[str]:
    """For people: a table of what is missing, and a sentence for each break."""
    rows = [("device", "session", "missing", "since")]
    for gap in counted.gaps:
        numbers = str(gap.first) if gap.first == gap.last else f"{gap.first} to {gap.last}"
        rows.append((gap.device, gap.session, numbers, time_text(gap.since)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    lines = [line.rstrip() for line in lines] if counted.gaps else ["no gaps"]
    return lines + [f"{_sentence(one)}, since {time_text(one.since)}" for one in counted.breaks]


def _sentence(one: "Break") -> str:
    message = f"message {one.seq} of {one.device}, session {one.session}"
    if one.kind == "fork":
        other = f"message {one.other_seq} of session {one.other_session}"
        return f"FORK: {message}, and {other} name one predecessor: was the machine cloned?"
    why = {
        "link": "does not name the message before it",
        "start": "goes on from a message that is not here",
        "lost": "names no message before it: its outbox was lost",
    }[one.kind]
    return f"{message} {why}"
