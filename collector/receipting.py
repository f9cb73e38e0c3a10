"""Which receipts a commit owes, one for each device, session and log (docs/formats.md, Receipt).

Pure. Only for what is committed: whoever publishes these has seen the commit return.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from collector.batch import Receipted
from telemetry.receipt import ReceiptLeaf, as_ranges, bodies_digest
from telemetry.sparkplug_topic import SparkplugTopic
from telemetry.topic import MachineTopic


@dataclass(slots=True)
class _Group:
    bodies: dict[int, bytes] = field(default_factory=dict)
    topics: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Owed:
    """A receipt's leaf, and the topics on which its machine listens for it."""

    leaf: bytes
    topics: tuple[str, ...]


def owed(receipted: Iterable[Receipted], *, anchored_by: int) -> list[Owed]:
    """Give the leaves in order of (device, session, collector); `anchored_by` in microseconds."""
    groups: dict[tuple[str, str, str], _Group] = {}
    for item in receipted:
        device, session, seq = item.number
        # Each names the log that holds the messages: a duplicate may be in another one.
        group = groups.setdefault((device, session, item.collector), _Group())
        group.bodies[seq] = item.body_hash
        group.topics.add(item.topic)
    return [_owed(place, groups[place], anchored_by) for place in sorted(groups)]


def _owed(place: tuple[str, str, str], group: _Group, anchored_by: int) -> Owed:
    device, session, collector = place
    seqs = sorted(group.bodies)
    leaf = ReceiptLeaf(
        collector=collector,
        device=device,
        session=session,
        ranges=as_ranges(seqs),
        bodies=bodies_digest(group.bodies[seq] for seq in seqs),
        anchored_by=anchored_by,
    )
    return Owed(leaf.to_bytes(), tuple(sorted({_receipt_topic(topic) for topic in group.topics})))


def _receipt_topic(topic: str) -> str:
    machine = MachineTopic.parse(topic)
    if machine is not None:
        return str(machine.with_kind("receipt"))
    sparkplug = SparkplugTopic.parse(topic)
    assert sparkplug is not None  # an accepted message came on one of the two
    return sparkplug.receipt
