"""An audit of what the settings name, and its outcome in sentences."""

from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path

from anchor.audit.evidence import evidence_of
from anchor.audit.since import day
from anchor.audit.whole import ANCHOR_LOG, Audit, Crew, Finding, Outside, Since, audit
from anchor.errors import Missing
from anchor.keeping.anchor_db import read_state
from factoryledger.errors import WrongUsage
from factoryledger.files import write_whole
from factoryledger.installation import Installation
from factoryledger.kept_audit import KeptAudit
from factoryledger.known_heads import KnownHeads
from factoryledger.outside import heads_held, vouchers
from factoryledger.progress import Advance, bar
from factoryledger.running import helpers
from factoryledger.stores import Stores, open_examined
from telemetry.canonical import plain

_HOW_SURE = {"likely": "likely, by somebody's word", "one-of": "one or more of these rows"}


def run_audit(
    place: Installation,
    kept: KeptAudit | None = None,
    heads: KnownHeads | None = None,
    *,
    ask: bool = False,
) -> Audit:
    """Audit what the settings name; WrongUsage where they name a log that is not there.

    The log is asked even where it has no checkpoint: taken away, it must be missed. What an
    earlier audit left in `kept` counts, and without findings this one leaves its own there.
    The log is held against `heads`, read before, with `ask` also against what ledgers
    themselves hold.
    """
    since, notes = (None, ()) if kept is None else kept.load()
    known, pinned = heads or KnownHeads(), vouchers(place, ask=ask)
    seen = tuple(heads_held(place)) if ask else ()
    outside = Outside(pinned, known.receipts, seen, place.settings.clock_tolerance)
    audited = _audit(place, since, known, outside)
    audited.notes += notes
    if kept is not None and audited.memory is not None:
        audited.notes += kept.save(audited.memory)
    return audited


def _audit(place: Installation, since: Since | None, heads: KnownHeads, outside: Outside) -> Audit:
    if place.settings.log is not None and not place.log.is_dir():
        raise WrongUsage(f"{place.log}: no log there; name its folder by --log")
    urls = list(place.database_urls())
    # Read before the log: a running anchor publishes first and notes it then.
    published = _published(place)
    with bar("messages") as show:
        return audit(
            ledger=place.examined,
            log=place.log_reader,
            policy=place.policy,
            remembered=heads.published,
            witnessed=heads.witnessed,
            published=published,
            progress=_Steps(place.examined, show),
            crew=Crew(helpers(place.settings.processes), partial(open_examined, urls)),
            since=since,
            outside=outside,
        )


@dataclass(slots=True)
class _Steps:
    """How far all collectors are, of how far each one is."""

    ledger: Stores
    show: Advance
    _done: dict[str, int] = field(default_factory=dict)
    _total: int | None = None

    def __call__(self, what: str, done: int) -> None:
        if what == ANCHOR_LOG:
            return
        if self._total is None:
            rows = self.ledger.collectors()
            self._total = sum(self.ledger.holding(row.id).count(row.id) for row in rows)
        self._done[what] = done
        self.show(sum(self._done.values()), self._total)


def write_evidence(
    audited: Audit, place: Installation, folder: Path, heads: KnownHeads
) -> list[Path]:
    """Write a file of each finding that two signatures of one key prove; gives which."""
    written = []
    found = evidence_of(
        audited, place.examined, place.policy, log=place.log_reader, known=heads.all
    )
    for finding, data in found:
        # By what is in it: a store's own words make no names of files.
        file = folder / f"{finding.kind}-{sha256(data).hexdigest()[:16]}.evidence"
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(file, data, 0o644)
        written.append(file)
    return written


def _published(place: Installation) -> int:
    """What the anchor of this data folder published; nothing for another log's folder."""
    if place.settings.log is not None:
        return 0
    try:
        return read_state(place.data.anchor_db).published
    except Missing:
        return 0


def lines(audited: Audit) -> list[str]:
    """For people: a finding a line, what was not checked, what was."""
    found = [sentence(finding) for finding in audited.findings]
    if audited.omitted:
        found.append(f"and {audited.omitted} findings more")
    found += [f"note: {note}" for note in audited.notes]
    found += [clock.line() for clock in audited.clocks]
    reached = [reach.line(audited.counts.log_size) for reach in audited.ledgers]
    said = [*found, *_skipped(audited), *reached, *_counted(audited)]
    # What is in a row was written by who knows whom: it starts no line of its own.
    return [plain(line) for line in said]


def _skipped(audited: Audit) -> list[str]:
    """What was left out, said before what was checked."""
    if audited.since is None:
        return []
    date = day(audited.since)
    return [f"{audited.skipped} messages audited on {date} not read again; --full reads all"]


def _counted(audited: Audit) -> list[str]:
    """What was checked, and the outcome."""
    counts = audited.counts
    statuses = ", ".join(f"{count} {status}" for status, count in counts.statuses.items())
    total = len(audited.findings) + audited.omitted
    said = f" and {counts.corrections} corrections" if counts.corrections else ""
    copies = f"{counts.copies} of them accepted by two collectors, and counting once"
    return [
        (
            f"{counts.messages} messages ({statuses}) in {counts.batches} batches of "
            f"{counts.collectors} collectors; {counts.anchored_messages} messages anchored"
        ),
        *([copies] if counts.copies else []),
        (
            f"{counts.sessions} sessions, {counts.gaps} numbers missing inside them, "
            f"{counts.breaks} breaks between them"
        ),
        f"anchor log of {counts.log_size} entries, {counts.key_entries} of them key entries{said}",
        "no findings" if audited.clean else f"{total} finding{'s' if total > 1 else ''}",
    ]


def sentence(finding: Finding) -> str:
    """Give a finding as one line: kind, place, whose message, whose fault, what."""
    parts: list[str] = [finding.kind]
    if finding.collector is not None:
        position = "" if finding.position is None else f" position {finding.position}"
        parts.append(f"collector {finding.collector}{position}")
    if finding.device is not None:
        parts.append(f"device {finding.device} session {finding.session} seq {finding.seq}")
    how = "" if finding.certainty == "certain" else f"; {_HOW_SURE[finding.certainty]}"
    return f"{', '.join(parts)} (blame: {finding.blame}{how}): {finding.detail}"
