"""`factoryledger audit`: the whole store against the log and the witnesses."""

import json
from dataclasses import asdict
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
        typer.echo(json.dumps(as_json(place, audited)))
    else:
        typer.echo("\n".join(lines(place, audited)))
    if audited.findings:
        raise typer.Exit(1)


def run_audit(place: "Installation") -> "Audit":
    """Audit what the settings name."""
    from anchor.audit import audit as check  # noqa: PLC0415 - on demand

    return check(
        ledger=place.ledger,
        log=place.log_reader if place.has_log else None,
        policy=place.policy,
    )


def as_json(place: "Installation", audited: "Audit") -> dict[str, object]:
    """For programs: findings and counts."""
    return {**asdict(audited), "log": place.has_log}


def lines(place: "Installation", audited: "Audit") -> list[str]:
    """For people: a finding a line, what was not checked, the counts."""
    found = [sentence(finding) for finding in audited.findings]
    if not place.has_log:
        found.append("No anchor log: the store was checked by itself, against its own signatures")
    elif place.policy.quorum == "none":
        found.append("No witness: the policy asks for none (quorum none)")
    return [*found, str(audited)]


def sentence(finding: "Finding") -> str:
    """Give a finding as one line: kind, place, whose message, whose fault, what."""
    parts = [finding.kind]
    if finding.collector is not None:
        position = "" if finding.position is None else f" position {finding.position}"
        parts.append(f"collector {finding.collector}{position}")
    if finding.device is not None:
        parts.append(f"device {finding.device} session {finding.session} seq {finding.seq}")
    if finding.blame:
        parts.append(f"blame {finding.blame}")
    return f"{', '.join(parts)}: {finding.detail}"
