"""Evidence files of what an audit found that one key signed twice: a machine's, a log's.

Made from what a finding names, and kept only where it holds under the policy: what a store or
a log's folder says of itself convicts nobody.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice

from anchor.audit.findings import Audit, Finding
from anchor.errors import AnchorError
from anchor.evidence_file import Evidence, ForkedCheckpoints, ForkedMessages, SignedMessage
from anchor.note import Note
from anchor.policy import Policy
from anchor.ports import Ledger, store_of
from anchor.proving.evidence import contradiction, convict
from anchor.reading.log_reader import LogReader
from anchor.reading.stored_tiles import StoredTiles
from anchor.reading.tile_view import TileView
from anchor.tree_head import Checkpoint
from telemetry.errors import TelemetryError
from telemetry.rows import MessageRow

MOST = 16
"""Files about one log or collector: each of them convicts the same key."""

_OF_THE_LOG = ("log-forked", "log-truncated")


def evidence_of(
    audit: Audit,
    ledger: Ledger,
    policy: Policy,
    *,
    log: LogReader | None = None,
    known: Sequence[bytes] = (),
) -> Iterator[tuple[Finding, bytes]]:
    """Each finding of which there is evidence that a third party can check, and its file's bytes.

    `known` are the log's checkpoints from elsewhere: what a witness, a proof or an earlier
    audit holds. With those that `log` kept they are held against the one that it shows.
    """
    written = set[bytes]()
    counted = dict[str, int]()
    for finding in audit.findings:
        most = MOST - counted.get(finding.blame, 0)
        files = set(_convicting(finding, ledger, policy, log, known, most)) - written
        for data in sorted(files):
            written.add(data)
            if finding.kind != "fork":
                counted[finding.blame] = counted.get(finding.blame, 0) + 1
            yield finding, data


def _convicting(  # noqa: PLR0913, PLR0917 - what evidence is made of
    finding: Finding,
    ledger: Ledger,
    policy: Policy,
    log: LogReader | None,
    known: Sequence[bytes],
    most: int,
) -> Iterator[bytes]:
    found: Iterable[Evidence] = ()
    if finding.kind == "fork" and finding.against is not None:
        found = _of_messages(finding, finding.against, ledger)
    elif finding.kind in _OF_THE_LOG and log is not None and most > 0:
        found = _of_the_log(log, known)
    elif finding.signed is not None and most > 0:
        found = _of_a_collector(finding.collector, finding.signed, ledger)
    held = (evidence.to_bytes() for evidence in found if _holds(evidence, policy))
    return islice(held, most if finding.kind != "fork" else None)


def _holds(evidence: Evidence, policy: Policy) -> bool:
    with suppress(AnchorError, TelemetryError):
        convict(evidence, policy)
        return True
    return False


# -- a machine's ---------------------------------------------------------------------------


def _of_messages(
    finding: Finding, against: tuple[str, int], ledger: Ledger
) -> Iterator[ForkedMessages]:
    one = _row(ledger, finding.collector, finding.position)
    other = _row(ledger, *against)
    if one is None or other is None or one.payload is None or other.payload is None:
        return
    entry = _entry(ledger, one) or _entry(ledger, other)
    if entry is None:
        return
    with suppress(AnchorError, TelemetryError):
        yield ForkedMessages.of(
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


# -- the anchor log's ----------------------------------------------------------------------


def _of_the_log(log: LogReader, known: Sequence[bytes]) -> Iterator[ForkedCheckpoints]:
    """What the log shows now against every checkpoint of it that is at hand."""
    try:
        shown = log.head[0]
    except AnchorError:
        return
    for note in (*known, *_kept(log)):
        with suppress(AnchorError):
            larger = max(log.open(note), log.open(shown), key=lambda head: head.size)
            found = contradiction(note, shown, log.at(larger))
            if found is not None:
                yield found


def _kept(log: LogReader) -> Iterator[bytes]:
    for path in log.source.paths("checkpoints/") or ():
        with suppress(AnchorError):
            yield log.source.read(path)


# -- a collector's -------------------------------------------------------------------------


def _of_a_collector(
    collector: str, signed: tuple[bytes, bytes], ledger: Ledger
) -> Iterator[ForkedCheckpoints]:
    """The two checkpoints; or, where neither's tree is in the store, one and the store's last."""
    store = store_of(ledger, collector)
    last = [row.checkpoint for row in store.batches(collector) if type(row.checkpoint) is bytes]
    pairs = dict.fromkeys([signed, *((one, last[-1]) for one in signed if last)])
    certifying = [
        row.entry
        for row in store.key_entries(collector)
        if type(row.entry) is bytes and row.entry.split(b"\n")[1:2] in _subjects(collector)
    ]
    for one, other in pairs:
        for entry in certifying:
            with suppress(AnchorError):
                heads = [Checkpoint.from_text(Note.from_bytes(note).text) for note in (one, other)]
                larger = max(heads, key=lambda head: head.size)
                tree = TileView(StoredTiles(store, collector), larger)
                found = contradiction(one, other, tree, entry)
                if found is not None:
                    yield found


def _subjects(collector: str) -> list[list[bytes]]:
    return [[f"{action} collector {collector}".encode()] for action in ("enrol", "rotate")]
