"""What one audit takes over from an earlier one, and what it leaves for the next.

Chains, births and claims of rows that are not read again stand as the earlier audit found
them; all of it is taken over, or nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from anchor.audit.chain import Chains
from anchor.audit.claims import ClaimsCheck
from anchor.audit.collector import Reached
from anchor.audit.copies import Copies
from anchor.audit.decoded import DecodedCheck
from anchor.audit.findings import Audit
from anchor.audit.inquiry import Inquiry
from anchor.audit.memory import AuditMemory, Seen, trust_of
from anchor.audit.since import Place, Since, day, places
from anchor.policy import Policy
from anchor.ports import Ledger, stores_of
from anchor.reading.log_reader import LogReader


@dataclass(slots=True)
class GoingOn:
    """Gives each store's checks as an earlier audit left them; new ones where none did.

    `keep`: whether a next audit may want to go on from this one.
    """

    keep: bool = False
    places: Mapping[str, Place] = field(default_factory=dict)
    births: list[Any] = field(default_factory=list)
    chains: Chains = field(default_factory=Chains)
    _seen: dict[str, Seen] = field(default_factory=dict)
    _births: list[Any] = field(default_factory=list)

    def copies(self, ledger: Ledger) -> Copies:
        """Copies of messages that are in another store: what was read of each counts as read."""
        copies = Copies()
        for store in stores_of(ledger) if self.places else ():
            copies.passed(store, self._starts(store))
        return copies

    def claims(self, inquiry: Inquiry) -> ClaimsCheck:
        """The check of one store's claims."""
        starts = self._starts(inquiry.ledger)
        seen = {name: self.places[name].seen.claims for name in starts}
        totals = dict[str, int]() if self.keep else None
        return ClaimsCheck(inquiry, starts=starts, seen=seen, totals=totals)

    def decoded(self, inquiry: Inquiry) -> DecodedCheck:
        """The check of what one store decoded."""
        check = DecodedCheck(inquiry)
        starts = {name: self.places[name].seen.decoded for name in self._starts(inquiry.ledger)}
        check.recall(self.births, {n: at for n, at in starts.items() if at is not None})
        return check

    def _starts(self, store: Ledger) -> dict[str, int]:
        known = [row.id for row in store.collectors() if row.id in self.places]
        return {name: self.places[name].checkpoint.size for name in known}

    def passed(
        self, ends: Mapping[str, Reached], claims: ClaimsCheck, decoded: DecodedCheck
    ) -> None:
        """One store was read, each collector up to there."""
        totals = claims.totals or {}
        for name, end in ends.items():
            self._seen[name] = Seen(
                end.head.number,
                end.head.note,
                end.received,
                end.counted,
                end.keys,
                totals.get(name, 0),
                decoded.reached.get(name),
            )
        self._births += decoded.births()

    def memory(self, now: int, trust: str, anchor: bytes, chains: Any) -> AuditMemory:
        """What this audit leaves, which found nothing."""
        return AuditMemory(now, trust, anchor, self._seen, chains, self._births)


def going_on(
    since: Since | None, policy: Policy, log: LogReader | None, inquiry: Inquiry
) -> GoingOn:
    """Hold what an earlier audit left against store and log; take it over where that is asked."""
    going = GoingOn(keep=since is not None)
    if since is None or since.memory is None:
        return going
    memory, audit = since.memory, inquiry.audit
    clean = audit.clean
    held = Audit()
    found = places(memory, trust_of(policy), log, replace(inquiry, audit=held))
    for finding in held.findings:
        audit.add(finding)
    if not since.only_new:
        return going
    audit.notes += held.notes
    if found is None:
        return going
    if not clean:
        audit.notes.append(_all_read(memory, "the anchor log is not as it was"))
        return going
    try:
        chains = Chains.from_remembered(memory.chains)
        taken = GoingOn(keep=True, places=found, births=[*memory.births], chains=chains)
        taken.decoded(inquiry)  # whether births can be read
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        audit.notes.append(_all_read(memory, f"what it holds cannot be read ({error})"))
        return going
    audit.skipped = sum(place.checkpoint.size for place in found.values())
    audit.since = memory.made
    return taken


def _all_read(memory: AuditMemory, reason: str) -> str:
    return f"the audit of {day(memory.made)} is not gone on from, all was read: {reason}"
