"""Evidence of what an audit found that one machine's key signed twice.

Made from the rows that a finding names, and kept only where it holds under the policy: what a
store says of itself convicts nobody.
"""

from collections.abc import Iterator
from contextlib import suppress

from anchor.audit.findings import Audit, Finding
from anchor.errors import AnchorError
from anchor.evidence_file import ForkedMessages, SignedMessage
from anchor.policy import Policy
from anchor.ports import Ledger, store_of
from anchor.proving.evidence import convict
from telemetry.errors import TelemetryError
from telemetry.rows import MessageRow


def evidence_of(audit: Audit, ledger: Ledger, policy: Policy) -> Iterator[tuple[Finding, bytes]]:
    """Each fork of which there is evidence that a third party can check, and its file's bytes."""
    for finding in audit.findings:
        if finding.kind != "fork" or finding.against is None:
            continue
        with suppress(AnchorError, TelemetryError):
            evidence = _forked(finding, finding.against, ledger)
            if evidence is not None:
                convict(evidence, policy)
                yield finding, evidence.to_bytes()


def _forked(finding: Finding, against: tuple[str, int], ledger: Ledger) -> ForkedMessages | None:
    one = _row(ledger, finding.collector, finding.position)
    other = _row(ledger, *against)
    if one is None or other is None or one.payload is None or other.payload is None:
        return None
    entry = _entry(ledger, one) or _entry(ledger, other)
    if entry is None:
        return None
    return ForkedMessages.of(
        SignedMessage(one.topic, one.payload, one.properties),
        SignedMessage(other.topic, other.payload, other.properties),
        entry,
    )


def _row(ledger: Ledger, collector: str, position: int) -> MessageRow | None:
    rows = store_of(ledger, collector).messages(collector, position, position + 1)
    return next(rows, None)


def _entry(ledger: Ledger, row: MessageRow) -> bytes | None:
    """The key entry by which the row was judged; of a key that has ended, what enrolled it."""
    for applied in store_of(ledger, row.collector).key_entries(row.collector):
        if applied.hash == row.entry:
            return applied.entry
    return None
