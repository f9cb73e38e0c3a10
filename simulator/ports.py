"""What the simulator asks of others; the roof passes the real ones in."""

from typing import Protocol

from telemetry.command import Command
from telemetry.message import Cited
from telemetry.receipt import ReceiptLeaf
from telemetry.topic import MachineTopic


class Placed(Protocol):
    """Who stands somewhere: a machine, or one that a gateway speaks for."""

    @property
    def topic(self) -> MachineTopic:
        """Where its messages go, but for prefix and kind."""


class ReceiptChecker(Protocol):
    """Checks receipts against the collectors' certified keys."""

    def admit(self, entry: bytes) -> None:
        """Take a collector's key entry (from the retained topic); ValueError if it is refused."""

    def check(self, payload: bytes) -> ReceiptLeaf:
        """The leaf of a receipt whose signature and path hold; ValueError if they do not."""


class CheckpointChecker(Protocol):
    """Checks the anchor log's cosigned checkpoints against the policy."""

    def check(self, note: bytes) -> Cited:
        """What a message may cite; ValueError if signature or quorum fail."""


class CommandChecker(Protocol):
    """Checks the operator's commands."""

    def check(self, payload: bytes) -> Command:
        """What a command says that the operator signed; ValueError if that does not hold."""
