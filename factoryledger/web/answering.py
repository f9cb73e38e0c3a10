"""A person's questions to the stores: history, messages, one proof. Read only."""

from factoryledger.installation import Installation
from watch.web.answers import Messages, Readings
from watch.web.ports import Away, MessageNamed, MessagesAsked, Proof, ReadingsAsked


class Answers:
    """`watch.web.ports.Answering` over an installation of its own."""

    def __init__(self, place: Installation) -> None:
        self._place = place

    def readings(self, asked: ReadingsAsked) -> Readings:
        """Readings of a machine's time."""
        raise Away(f"not written yet: {asked}")

    def messages(self, asked: MessagesAsked) -> Messages:
        """Messages, the newest first."""
        raise Away(f"not written yet: {asked}")


class Proofs:
    """`watch.web.ports.Proving` over an installation of its own."""

    def __init__(self, place: Installation) -> None:
        self._place = place

    def proof(self, named: MessageNamed) -> Proof:
        """A message's proof."""
        raise Away(f"not written yet: {named}")
