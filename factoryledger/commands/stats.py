"""`factoryledger stats`: what came in and what became of it."""

import json
from typing import TYPE_CHECKING

import typer

from factoryledger import options

if TYPE_CHECKING:
    from collector.stats import Stats


def stats(
    *,
    data: options.Data = None,
    database: options.Database = None,
    json_: options.Json = False,
) -> None:
    """Count: received = stored + duplicates + refused + in flight; statuses; gaps.

    Exit code 1 if the sum does not hold.
    """
    from factoryledger.counting import with_anchored  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand

    with installation(data=data, database=database) as place:
        counted = with_anchored(place)
    if json_:
        typer.echo(json.dumps(counted.to_dict()))
    else:
        typer.echo("\n".join(_lines(counted)))
    if not counted.conserved:
        raise typer.Exit(1)


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
