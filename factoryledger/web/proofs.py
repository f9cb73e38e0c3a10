"""Proofs for the web server: each built and verified anew, as `prove` does."""

from math import ceil

from anchor.errors import Missing, Refused
from factoryledger.anchored import anchored_of
from factoryledger.errors import WrongUsage
from factoryledger.installation import Installation
from factoryledger.proving import message_at, message_of, proof_of
from factoryledger.web.looking import Pinned, told_as_away
from telemetry.rows import MessageRow
from watch.web.ports import Contradicted, MessageNamed, NotFound, Proof

_SESSION = 8


class Proofs:
    """`watch.web.ports.Proving` over an installation of its own."""

    def __init__(self, place: Installation) -> None:
        self._place = place
        self._pinned = Pinned(place)

    def proof(self, named: MessageNamed) -> Proof:
        """A message's proof; Contradicted where the store is not what was anchored."""
        with told_as_away():
            self._pinned.changed()
            row = self._row(named)
            try:
                self._check_anchored(row)
                proof = proof_of(self._place, row)
            except Missing as error:
                raise NotFound(str(error), self._when()) from error
            except Refused as error:
                raise Contradicted(
                    str(error), "run `factoryledger audit`: it names what"
                ) from error
        return Proof(_name(row), proof.to_bytes())

    def _row(self, named: MessageNamed) -> MessageRow:
        try:
            if named.collector is not None and named.position is not None:
                return message_at(self._place, named.collector, named.position)
            assert named.device is not None
            assert named.session is not None
            assert named.seq is not None
            return message_of(self._place.ledger, named.device, named.session, named.seq)
        except WrongUsage as error:
            raise NotFound(
                str(error), "it is stored a moment after it is heard; try again"
            ) from error

    def _check_anchored(self, row: MessageRow) -> None:
        """Missing where it is not; without this the whole log would be read to say so."""
        if row.position >= anchored_of(self._place, row.collector):
            raise Missing(f"message {row.collector}:{row.position} is not anchored yet")

    def _when(self) -> str:
        seconds = ceil(self._place.settings.every) + 1
        return f"try again in about {seconds} s: the anchor looks every so often"


def _name(row: MessageRow) -> str:
    if row.device is None or row.session is None:
        return f"{row.collector}-{row.position}.proof"
    return f"{row.device}-{row.session[:_SESSION]}-{row.seq}.proof"
