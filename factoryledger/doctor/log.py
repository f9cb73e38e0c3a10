"""The anchor log: signed, cosigned, no older than its witnesses know it, and keeping up."""

import time
from collections.abc import Iterator
from typing import Final

from anchor.errors import AnchorError, Malformed, Missing, Refused
from anchor.keeping.anchor_db import read_state
from anchor.monitor import Heads, LogMonitor
from anchor.policy import Policy
from anchor.policy_text import NONE, Witness
from anchor.reading.http_source import Patience, open_source
from anchor.tree_head import Checkpoint
from collector.errors import StoreUnavailable
from factoryledger.counting import anchored
from factoryledger.doctor.line import Line, bad, good, warning
from factoryledger.installation import Installation
from factoryledger.monitoring import WitnessPlace

_PATIENCE: Final = Patience(silence=5.0, whole=10.0, tries=1)
_COPY = (
    "this folder is an old copy, or somebody keeps another log with its key: restore the newest "
    "copy; the anchor signs nothing until then"
)


def check_log(place: Installation) -> Iterator[Line]:
    """The log's folder against its policy, its witnesses and the store."""
    policy = place.policy
    if not policy.witnesses or policy.quorum == NONE:
        yield warning(
            "witnesses",
            "the policy asks for none: who holds the log's key could show two histories",
            "name some by `factoryledger init --witness`, or on another machine run one",
        )
    if not place.has_log:
        yield warning("log", f"{place.log} has no checkpoint yet", "run `factoryledger anchor`")
        return
    reader = place.log_reader
    try:
        note, head = reader.checkpoint()
        reader.at(head).entry(head.size - 1)
    except (Malformed, Refused, Missing) as error:
        yield bad("log", f"{place.log}: {error}", "run `factoryledger audit`", false=True)
        return
    yield from _cosigned(policy, note, head)
    monitor = LogMonitor(policy.log, [reader], Heads(note, {str(place.log): note}), policy.former)
    for name, witness in policy.witnesses.items():
        if witness.url is not None:
            yield _against(monitor, policy, name, witness, head)
    yield from _keeping_up(place)


def _cosigned(policy: Policy, note: bytes, head: Checkpoint) -> Iterator[Line]:
    try:
        cosigned = policy.open(note)
    except Refused as error:
        yield bad("log", f"{head.size} entries: {error}", "see that the witnesses run", false=True)
        return
    by = ", ".join(cosigned.times) or "nobody: none is asked for"
    yield good("log", f"{head.size} entries, signed; cosigned by {by}")


def _against(
    monitor: LogMonitor, policy: Policy, name: str, witness: Witness, head: Checkpoint
) -> Line:
    about = f"witness {name}"
    assert witness.url is not None
    source = open_source(witness.url, _PATIENCE)
    try:
        shown = WitnessPlace(witness.url, source, policy.log.name, witness.key).head()
        seen = monitor.open(shown)
        if seen.size > head.size:
            said = f"it has cosigned {seen.size} entries, the folder shows {head.size}"
            return bad(about, said, _COPY, false=True)
        alarm = monitor.see(witness.url, shown)
    except (Malformed, Refused) as error:
        return bad(about, str(error), "see who answers at that address", false=True)
    except AnchorError as error:
        return bad(about, str(error), "start it, or mend the policy's address")
    finally:
        source.close()
    if alarm is not None:
        return bad(about, alarm.detail, "run `factoryledger anchor monitor`", false=True)
    return good(about, f"it has cosigned {seen.size} of these {head.size} entries")


def _keeping_up(place: Installation) -> Iterator[Line]:
    """Whether the newest batch is anchored in the time that receipts promise."""
    try:
        covered = anchored(place)
        if covered is None:
            return  # the anchor runs elsewhere
        waiting = _oldest_waiting(place, read_state(place.data.anchor_db).anchored)
    except (StoreUnavailable, Missing):
        return  # said of the store already
    late = None if waiting is None else time.time() - waiting / 1e6
    promised = place.settings.anchored_within
    if late is not None and late > promised:
        yield bad(
            "anchoring",
            f"a batch has waited {late:,.0f} s for the log; receipts promise {promised:g} s",
            "see that `factoryledger anchor` runs, and what it says",
        )
    else:
        yield good("anchoring", f"{covered:,} messages are under a published checkpoint")


def _oldest_waiting(place: Installation, batches: dict[str, int]) -> int | None:
    """When the first message came that no checkpoint covers, in microseconds."""
    times = list[int]()
    for store in place.ledger.stores:
        # Of a recording, what it says is when it was made.
        for (collector,) in store.rows("SELECT id FROM collectors WHERE kind = 'live'", ()):
            batch = next(store.batches(collector, batches.get(collector, 0)), None)
            if batch is not None:
                row = next(iter(store.messages(collector, batch.start)), None)
                times += [] if row is None else [row.received_at]
    return min(times, default=None)
