"""The whole store, or several, against the logs: every row, tile, batch, key entry and claim.

Streamed, one pass for each collector. The anchor log is read first, so that a store that
goes on growing is never behind it. Whatever a row holds, it becomes a finding and no error.
"""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from anchor.audit.anchor_log import ANCHOR_LOG, audit_anchor, check_published
from anchor.audit.chain import Chains
from anchor.audit.citations import Citations
from anchor.audit.claims import ClaimsCheck
from anchor.audit.clocks import Clocks
from anchor.audit.collector import Across, CollectorPass, Reached
from anchor.audit.corrections import check_corrections
from anchor.audit.crew import Crew
from anchor.audit.findings import KINDS, Audit, Counts, Finding
from anchor.audit.going_on import GoingOn, going_on
from anchor.audit.inquiry import Inquiry
from anchor.audit.memory import AuditMemory, trust_of
from anchor.audit.receipts import KeptReceipt, Outside, check_receipts
from anchor.audit.since import Since
from anchor.errors import Malformed
from anchor.key_entry import OperatorAuthority
from anchor.policy import Policy
from anchor.ports import Census, Ledger, SelfChecking, Undisguised, stores_of
from anchor.reading.log_reader import LogReader
from anchor.reading.row_record import shown
from telemetry.rows import CollectorRow, MessageRow

__all__ = [
    "ANCHOR_LOG",
    "KINDS",
    "Audit",
    "AuditMemory",
    "Counts",
    "Crew",
    "Finding",
    "KeptReceipt",
    "Outside",
    "Progress",
    "Since",
    "audit",
]

Progress = Callable[[str, int], None]
"""Called now and then with what is being read and how much of it has been."""


def audit(  # noqa: PLR0913 - what it reads and what others remember, each by name
    *,
    ledger: Ledger,
    log: LogReader | None,
    policy: Policy,
    progress: Progress | None = None,
    remembered: Sequence[bytes] = (),
    witnessed: Sequence[bytes] = (),
    published: int = 0,
    crew: Crew | None = None,
    since: Since | None = None,
    outside: Outside | None = None,
) -> Audit:
    """Audit a ledger, in one store or several.

    Malformed only where the policy names no operator or no single log.

    `remembered` are cosigned checkpoints known from before (an earlier audit, a proof, a
    witness): the log must still continue each of them. `witnessed` are what witnesses cosigned
    last, read before the log: its files must reach them, published or not. `published` is the
    size that somebody says was published (the anchor's own database, read before the log): it
    must be there.
    `crew` are processes that help; what is found is the same without them, in the same order.
    `since` is what an earlier audit left: held against store and log, and gone on from if asked.
    `outside` are ledgers that are pinned: their receipts must hold, and be of this log.
    """
    if policy.operator is None:
        raise Malformed("the policy names no operator: a line `# factoryledger-operator` is due")
    found, authority = Audit(), OperatorAuthority(policy.operator)
    side = audit_anchor(
        log=log,
        policy=policy,
        remembered=[*remembered, *_anchors(since, policy)],
        witnessed=witnessed,
        audit=found,
        progress=progress,
    )
    if side.log is not None:
        check_published(side.log, published, found)
    pinned = outside or Outside()
    stamped = check_receipts(side.log, side.view, pinned, policy, found)
    clocks = Clocks(policy, side.log if side.view else None, pinned, stamped, found)
    inquiry = Inquiry(ledger, policy.log.name, authority, side.index, found)
    going = going_on(since, policy, side.log, inquiry)
    citations, known = Citations(inquiry, side.log, side.view), set[object]()
    copies = going.copies(ledger)
    for store in stores_of(ledger):
        one = replace(inquiry, ledger=store)
        claims, decoded = going.claims(one), going.decoded(one)
        across = Across(going.chains, claims, citations, copies, decoded, clocks)
        known |= _audit_store(one, across, going, progress, crew)
        copies.passed(store, across.claims.ends)
    clocks.finish()
    if side.index is not None:
        check_corrections(side.index, policy.operator, ledger, found)
    _find_unknown(inquiry, known)
    # What is asked of chains in the end changes what they know.
    chains = going.chains.remembered() if since else None
    _find_forks(inquiry, going.chains)
    if since is not None and found.clean and side.note is not None:
        found.memory = going.memory(since.now, trust_of(policy), side.note, chains)
    return found


def _anchors(since: Since | None, policy: Policy) -> list[bytes]:
    memory = since.memory if since else None
    return [memory.anchor] if memory and memory.trust == trust_of(policy) else []


def _audit_store(
    inquiry: Inquiry,
    across: Across,
    going: GoingOn,
    progress: Progress | None,
    crew: Crew | None,
) -> set[object]:
    """Audit one store; gives its collectors, or those of the log where nothing shows its rows."""
    if _find_disguises(inquiry):
        return set(inquiry.index.checkpoints) if inquiry.index else set()
    rows = inquiry.ledger.collectors()
    ends = dict[str, Reached]()
    for row in rows:
        one = CollectorPass(inquiry, row, across, progress, crew, going.places.get(row.id))
        one.run()
        if (end := one.reached()) is not None:
            ends[row.id] = end
        inquiry.audit.counts.collectors += 1
    _find_strangers(inquiry)
    if not going.places:
        _find_false_indexes(inquiry)
    across.claims.finish(lambda: _accepted(inquiry.ledger, rows, across.claims))
    across.decoded.finish(across.claims.ends)
    going.passed(ends, across.claims, across.decoded)
    return {row.id for row in rows}


def _find_unknown(inquiry: Inquiry, known: AbstractSet[object]) -> None:
    """Collectors that only the log knows of."""
    for collector in inquiry.index.checkpoints if inquiry.index else ():
        if collector not in known:
            count = len(inquiry.index.checkpoints[collector]) if inquiry.index else 0
            detail = (
                f"the log has {count} batches of this collector, the store does not know it: it "
                "was changed, or is one store of several"
            )
            inquiry.find("batch-missing", detail, collector=collector)


def _find_strangers(inquiry: Inquiry) -> None:
    """Collectors that only rows know of."""
    if isinstance(inquiry.ledger, Census):
        for stranger in inquiry.ledger.strangers():
            detail = f"rows name collector {shown(stranger)}, which the table collectors does not"
            inquiry.find("inserted", detail, collector=stranger)


def _find_disguises(inquiry: Inquiry) -> bool:
    """What answers in the place of the store's tables; whether rows that it shows mean anything.

    Before any row is read: a view may show the true rows to us, and need never end.
    """
    said = inquiry.ledger.disguises() if isinstance(inquiry.ledger, Undisguised) else ()
    for detail, hides in said:
        unread = "; no row of this store was read" if hides else ""
        inquiry.find("schema-altered", f"{detail}{unread}")
    return any(hides for _, hides in said)


def _find_false_indexes(inquiry: Inquiry) -> None:
    """Rows that a query finds otherwise than they stand, since an index says something else.

    Rows are read here through an index, and whoever reads the table would see others.
    """
    if isinstance(inquiry.ledger, SelfChecking):
        for disagreement in inquiry.ledger.disagreements():
            inquiry.find("index-altered", disagreement)


def _accepted(
    ledger: Ledger, rows: Sequence[CollectorRow], claims: ClaimsCheck
) -> Iterator[MessageRow]:
    for collector in rows:
        start, end = claims.starts.get(collector.id, 0), claims.ends.get(collector.id, 0)
        for row in ledger.messages(collector.id, start, end):
            if row.status == "accepted" and type(row.position) is int:
                yield row


def _find_forks(inquiry: Inquiry, chains: Chains) -> None:
    for fork in chains.forks(stores_of(inquiry.ledger)):
        link = fork.link
        other = f"{fork.against[0]}:{fork.against[1]}"
        detail = f"it names the same message before it as {other} does: the machine or its "
        inquiry.audit.add(
            Finding(
                "fork",
                detail + "key was cloned",
                f"device {fork.device} key {link.key}",
                collector=link.collector,
                position=link.position,
                device=fork.device,
                session=link.session,
                seq=link.seq,
                against=fork.against,
            )
        )
    counts = inquiry.audit.counts
    counts.sessions, counts.gaps, counts.breaks = chains.sessions, chains.gaps, chains.breaks
