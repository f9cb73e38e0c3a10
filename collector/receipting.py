"""The leaves and topics of the receipts that are due (docs/formats.md, Receipt).

Pure. Only for what is committed: whoever publishes these has seen the commit return.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from collector.pending import Piece
from telemetry.receipt import ReceiptLeaf
from telemetry.sparkplug_topic import SparkplugTopic
from telemetry.topic import MachineTopic


@dataclass(frozen=True, slots=True)
class Owed:
    """A receipt's leaf, and the topics on which its machine listens for it."""

    leaf: bytes
    topics: tuple[str, ...]


def owed(pieces: Iterable[Piece]) -> list[Owed]:
    """Give the leaves in order of (device, session, collector, first seq)."""
    ordered = sorted(pieces, key=lambda piece: (piece.place[:3], piece.ranges))
    return [_owed(piece) for piece in ordered]


def _owed(piece: Piece) -> Owed:
    device, session, collector, _ = piece.place
    leaf = ReceiptLeaf(
        collector=collector,
        device=device,
        session=session,
        ranges=tuple((first, last) for first, last in piece.ranges),
        bodies=piece.bodies,
        anchored_by=piece.anchored_by,
    )
    return Owed(leaf.to_bytes(), tuple(sorted({_receipt_topic(topic) for topic in piece.topics})))


def _receipt_topic(topic: str) -> str:
    machine = MachineTopic.parse(topic)
    if machine is not None:
        return str(machine.with_kind("receipt"))
    sparkplug = SparkplugTopic.parse(topic)
    assert sparkplug is not None  # an accepted message came on one of the two
    return sparkplug.receipt
