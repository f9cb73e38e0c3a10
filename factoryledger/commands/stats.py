"""`factoryledger stats`: what came in and what became of it."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from factoryledger import options

if TYPE_CHECKING:
    from collector.stats import Stats
    from factoryledger.installation import Installation


def stats(
    *,
    data: options.Data = None,
    database: options.Database = None,
    json_: options.Json = False,
) -> None:
    """Count: received = stored + duplicates + refused + in flight; statuses; gaps.

    Exit code 1 if the sum does not hold.
    """
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand

    counted = with_anchored(installation(data=data, database=database))
    if json_:
        typer.echo(json.dumps(counted.to_dict()))
    else:
        typer.echo("\n".join(_lines(counted)))
    if not counted.conserved:
        raise typer.Exit(1)


def with_anchored(place: "Installation") -> "Stats":
    """Count a store, with how many of its records a published checkpoint covers."""
    return replace(place.ledger.stats(), anchored=anchored(place))


def anchored(place: "Installation") -> int | None:
    """How many records a published checkpoint covers; None where no anchor has run."""
    from anchor.anchor_db import read_state  # noqa: PLC0415 - on demand
    from anchor.errors import Missing  # noqa: PLC0415 - on demand

    try:
        batches = read_state(place.data.anchor_db).anchored
    except Missing:
        return None
    ends = (_end(place, collector, number) for collector, number in batches.items())
    return sum(ends)


def _end(place: "Installation", collector: str, batches: int) -> int:
    """How many records a collector's first so many batches have."""
    last = next(iter(place.ledger.batches(collector, batches - 1)), None) if batches else None
    return last.start + last.size if last else 0


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
        f"anchored    {'no anchor has run' if counted.anchored is None else counted.anchored}",
    ]
    lines += [f"{status:<16}{count}" for status, count in counted.statuses.items() if count]
    lines += [
        f"gap in {gap.device} session {gap.session}: {gap.first} to {gap.last} missing"
        for gap in counted.gaps
    ]
    return lines
