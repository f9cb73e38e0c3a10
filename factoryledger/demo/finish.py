"""The demo's end: what was recorded is stored, nothing was changed, one reading is proved."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from anchor.proving.prove import prove
from anchor.proving.verify import verify
from anchor.verified import Verified
from factoryledger.auditing import run_audit, sentence
from factoryledger.files import write_whole
from factoryledger.installation import Installation
from factoryledger.known_heads import KnownHeads
from factoryledger.outside import vouchers
from factoryledger.proving import file_name, newest_anchored
from telemetry.rows import MessageRow
from telemetry.topic import MachineTopic


@dataclass(frozen=True, slots=True)
class Verdict:
    """What held and what did not: sentences; all is well when `faults` is empty."""

    counts: list[str]
    faults: list[str]
    proof: Path | None = None


def prove_row(place: Installation, row: MessageRow) -> tuple[Path, Verified]:
    """Write a row's proof into the data folder and verify the file; raises what they raise."""
    pinned = vouchers(place)
    proof = prove(
        ledger=place.ledger, log=place.log_reader, policy=place.policy, row=row, vouchers=pinned
    )
    path = place.data.proofs / file_name(row)
    write_whole(path, proof.to_bytes())
    return path, verify(path.read_bytes(), place.policy, pinned)


def first_reading(place: Installation, collector: str, start: int) -> MessageRow | None:
    """Find a collector's first accepted reading from a position on."""
    for row in place.ledger.messages(collector, start):
        topic = MachineTopic.parse(row.topic)
        if row.status == "accepted" and topic is not None and topic.kind == "telemetry":
            return row
    return None


def check(place: Installation, tally: dict[str, int], devices: set[str]) -> Verdict:
    """Check a demo that has ended; `devices` are the machines that the tally counts."""
    stats = place.ledger.stats()
    stored = sum(1 for claim in place.ledger.claims() if claim[0] in devices)
    audited = run_audit(place, heads=KnownHeads.read(place, (), None))
    faults = [sentence(finding) for finding in audited.findings]
    if tally["held"]:
        faults.append(f"{tally['held']} messages are still held by their machines")
    if stored != tally["recorded"] - tally.get("evicted", 0) - tally["held"]:
        faults.append(f"{tally['recorded']} messages recorded, but {stored} stored")
    if not stats.conserved:
        faults.append("received is not stored + duplicates + refused + in flight")
    path, verified = prove_row(place, newest_anchored(place))
    counts = [
        (
            f"recorded {tally['recorded']}, stored {stored}, held {tally['held']}, "
            f"duplicates absorbed {stats.duplicates}"
        ),
        f"audit: {len(audited.findings)} findings",
        f"proof: {shown(path)}",
        *(f"  {line}" for line in verified.lines()),
    ]
    return Verdict(counts, faults, path)


def by_hand(place: Installation, proof: Path) -> list[str]:
    """Give the commands that check the same again, as this one was called."""
    command, data = program(), shown(place.settings.data)
    return [
        f"{command} audit --data {data}",
        f"{command} prove --data {data}",
        f"{command} verify {shown(proof)} --data {data}",
        f"{command} verify --page check.html",
        f"{command} stats --data {data}",
    ]


def program() -> str:
    """Give how this program was called, so that a printed command can be pasted."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return "python -m factoryledger"
    if any(Path(place) == called.parent for place in os.get_exec_path()):
        return called.name
    return shown(called)


def shown(path: Path) -> str:
    """Give a path as short as it can be from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
