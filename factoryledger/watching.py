"""What the terminal asks of this ledger: whether a signature holds, and the proof of a message.

Nothing here writes but a proof's file, and nothing is made that was not there: whoever watches
a stranger's broker has no ledger, and is told so.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from anchor.errors import AnchorError
from anchor.key_entry import OperatorAuthority
from anchor.note import VerifierKey
from factoryledger import proving
from factoryledger.errors import WrongUsage
from factoryledger.exits import exit_for
from factoryledger.installation import Installation
from telemetry.errors import ContradictoryStatement
from telemetry.header import payload_hash
from telemetry.judgement import judge
from telemetry.keyring import Keyring
from telemetry.rows import MessageRow
from telemetry.signature import body_hash, split
from watch.topics.trust import Number, Refusal

_EVERY: Final = 2.0  # seconds between two looks for new key entries
_LOG_EVERY: Final = 60.0  # the same, where the whole log has to be read for them


class LedgerKeys:
    """Judges by the operator's key entries: those of the requests folder, else of the log."""

    def __init__(
        self, place: Installation, operator: VerifierKey, clock: Callable[[], float]
    ) -> None:
        self._requests = place.data.requests
        self._authority = OperatorAuthority(operator)
        self._keyring = Keyring()
        self._newest = ""
        self._clock = clock
        self._looked = clock()
        self._apply(entry for _, entry in self._new())
        self._place = None if self._keyring.applied else place
        self._read = self._looked
        if self._place is not None:
            self._apply(_logged(self._place))

    @property
    def known(self) -> int:
        """How many key entries there are."""
        return self._keyring.applied

    def status(self, topic: str, payload: bytes, properties: str | None) -> str:
        """Judge a message as a collector of this ledger would that knows all entries by now."""
        if self._clock() - self._looked > _EVERY:
            self._looked = self._clock()
            self._apply(entry for _, entry in self._new())
        status = judge(topic, payload, self._keyring, properties).status
        if status == "unknown-device" and self._read_log():
            return judge(topic, payload, self._keyring, properties).status
        return status

    def _read_log(self) -> bool:
        """Read the log's entries again, where only they tell and it is time; whether it did."""
        if self._place is None or self._clock() - self._read < _LOG_EVERY:
            return False
        self._read = self._clock()
        with suppress(AnchorError, OSError):  # what was read before still counts
            self._apply(_logged(self._place))
        return True

    def _new(self) -> Iterator[tuple[str, bytes]]:
        try:
            found = self._requests.after(self._newest)
        except OSError:
            return  # what was read before still counts
        for name, entry in found:
            self._newest = name
            yield name, entry

    def _apply(self, entries: Iterator[bytes]) -> None:
        for entry in entries:
            try:
                self._keyring.apply(self._authority.read(entry))
            except (ValueError, ContradictoryStatement):
                continue  # not by this operator, or it cannot be so: it counts for nobody


def _logged(place: Installation) -> Iterator[bytes]:
    """Give the log's key entries, in order; Refused or Malformed where the log does not hold."""
    from anchor.reading.log_index import LogIndex  # noqa: PLC0415 - on demand

    if place.has_log:
        view = place.log_reader.view
        for index in sorted(LogIndex.scan(view).keys.values()):
            yield view.entry(index)


def keys_at_hand(
    place: Installation, clock: Callable[[], float] = time.monotonic
) -> LedgerKeys | None:
    """Give who knows the keys; None where there is no policy, or it names no operator.

    WrongUsage where a policy was named and is none.
    """
    if place.settings.policy is None and not place.data.policy_file.exists():
        return None
    operator = place.policy.operator
    return None if operator is None else LedgerKeys(place, operator, clock)


class LedgerProver:
    """Proves by device, session and number, each time with the store and the log as they are."""

    def __init__(self, place: Installation) -> None:
        self._settings = place.settings

    def prove(self, number: Number, payload: bytes) -> str:
        """Write the proof into `proofs` in the data folder and give its path."""
        with Installation(self._settings) as place:
            try:
                return self._prove(place, number, payload)
            except Refusal:
                raise
            except Exception as error:
                raise Refusal(exit_for(error)[1]) from error

    def _prove(self, place: Installation, number: Number, payload: bytes) -> str:
        row = self._row(place, number)
        if not _same(row, payload):
            raise Refusal(
                f"the store holds another message {number.seq} of {number.device}: this one is a "
                "forgery or a conflict"
            )
        return str(proving.write_proof(place, proving.proof_of(place, row), row, None))

    def _row(self, place: Installation, number: Number) -> MessageRow:
        try:
            return proving.message_of(place.ledger, number.device, number.session, number.seq)
        except WrongUsage as error:
            raise Refusal(
                f"this ledger has not stored message {number.seq} of {number.device}: it is not "
                "collected yet, or the broker is not this ledger's"
            ) from error


def prover_at_hand(place: Installation) -> LedgerProver | None:
    """Give who makes proofs; None where there is no policy to make them for."""
    named = place.settings.policy is not None or place.data.policy_file.exists()
    return LedgerProver(place) if named else None


def _same(row: MessageRow, payload: bytes) -> bool:
    """Whether a row is of this message: its bytes, or its body under another signature."""
    parts = split(payload)
    if parts is not None and row.body_hash is not None:
        return row.body_hash == body_hash(parts[0])
    return row.payload_hash == payload_hash(payload)
