"""`factoryledger audit`: the whole store against the log and the witnesses."""

import json
from typing import TYPE_CHECKING

import typer

from factoryledger import options

if TYPE_CHECKING:
    from anchor.audit import Audit, Finding
    from factoryledger.installation import Installation


def audit(
    *,
    data: options.Data = None,
    database: options.Database = None,
    log: options.Log = None,
    policy: options.PolicyFile = None,
    json_: options.Json = False,
) -> None:
    """Check every row, batch, claim and key entry of the store, and the anchor log.

    Exit code 1 with findings, each naming rows and whose key is to blame. Without an anchor
    log it checks the store alone, says so, and still exits with 0.
    """
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand

    place = installation(data=data, database=database, log=log, policy=policy)
    audited = run_audit(place)
    if json_:
        typer.echo(json.dumps(audited.to_json()))
    else:
        typer.echo("\n".join(lines(audited)))
    if not audited.clean:
        raise typer.Exit(1)


def run_audit(place: "Installation") -> "Audit":
    """Audit what the settings name."""
    from anchor.audit import audit as check  # noqa: PLC0415 - on demand

    return check(
        ledger=place.ledger,
        log=place.log_reader if place.has_log else None,
        policy=place.policy,
    )


def lines(audited: "Audit") -> list[str]:
    """For people: a finding a line, what was not checked, what was."""
    found = [sentence(finding) for finding in audited.findings]
    if audited.omitted:
        found.append(f"and {audited.omitted} findings more")
    found += [f"note: {note}" for note in audited.notes]
    return [*found, *_counted(audited)]


def _counted(audited: "Audit") -> list[str]:
    """What was checked, and the outcome."""
    counts = audited.counts
    statuses = ", ".join(f"{count} {status}" for status, count in counts.statuses.items())
    total = len(audited.findings) + audited.omitted
    return [
        (
            f"{counts.messages} messages ({statuses}) in {counts.batches} batches of "
            f"{counts.collectors} collectors; {counts.anchored_messages} messages anchored"
        ),
        (
            f"{counts.sessions} sessions, {counts.gaps} numbers missing inside them, "
            f"{counts.breaks} breaks between them"
        ),
        f"anchor log of {counts.log_size} entries, {counts.key_entries} of them key entries",
        "no findings" if audited.clean else f"{total} finding{'s' if total > 1 else ''}",
    ]


def sentence(finding: "Finding") -> str:
    """Give a finding as one line: kind, place, whose message, whose fault, what."""
    parts: list[str] = [finding.kind]
    if finding.collector is not None:
        position = "" if finding.position is None else f" position {finding.position}"
        parts.append(f"collector {finding.collector}{position}")
    if finding.device is not None:
        parts.append(f"device {finding.device} session {finding.session} seq {finding.seq}")
    return f"{', '.join(parts)} (blame: {finding.blame}): {finding.detail}"
