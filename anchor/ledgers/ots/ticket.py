"""What is remembered of a checkpoint that calendars have and Bitcoin has not yet.

Kept before the first question leaves, so that a kill at any point goes on with the same
commitment: a calendar that is asked twice for it adds nothing that anybody would see or pay.
"""

import hashlib
from typing import Self

import msgspec

from anchor.errors import Malformed, Refused
from anchor.ledgers.ots.file import Timestamp
from anchor.ledgers.ots.path import APPEND, SHA256, Operation

NONCE = 16
_DIGEST = 32


class Ticket(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The nonce behind the checkpoint's digest, and what each calendar has answered.

    `digest` and `nonce` are in hex, `since` is POSIX seconds, `held` is each calendar's
    timestamp of the commitment, in hex, by its address.
    """

    version: int
    digest: str
    nonce: str
    since: int
    held: dict[str, str] = {}

    @classmethod
    def begin(cls, note: bytes, nonce: bytes, since: int) -> Self:
        """The ticket of a checkpoint that nobody has been asked for yet."""
        return cls(1, hashlib.sha256(note).hexdigest(), nonce.hex(), since)

    @classmethod
    def from_bytes(cls, data: bytes, note: bytes) -> Self:
        """Read what was kept; Malformed if it is no ticket, Refused if of another checkpoint."""
        try:
            ticket = msgspec.json.decode(data, type=cls)
            sound = ticket.version == 1 and len(bytes.fromhex(ticket.nonce)) == NONCE
            for address in ticket.held:
                ticket.timestamp(address)
        except (msgspec.MsgspecError, ValueError) as error:
            raise Malformed(f"no ticket of a checkpoint with calendars: {error}") from error
        if not sound:
            raise Malformed("no ticket of a checkpoint with calendars that is read here")
        if ticket.digest != hashlib.sha256(note).hexdigest():
            raise Refused("the ticket is of another checkpoint than the one that is anchored")
        return ticket

    def to_bytes(self) -> bytes:
        """What is kept."""
        return msgspec.json.encode(self)

    @property
    def steps(self) -> tuple[Operation, Operation]:
        """From the checkpoint's digest to the commitment: what calendars see tells nobody."""
        return Operation(APPEND, bytes.fromhex(self.nonce)), Operation(SHA256)

    @property
    def commitment(self) -> bytes:
        """What calendars are given, 32 bytes."""
        return hashlib.sha256(bytes.fromhex(self.digest + self.nonce)).digest()

    def timestamp(self, address: str) -> Timestamp:
        """What this calendar has answered."""
        return Timestamp.from_bytes(bytes.fromhex(self.held[address]), _DIGEST)

    def holding(self, address: str, timestamp: Timestamp) -> Self:
        """The ticket with this calendar's answer."""
        held = {**self.held, address: timestamp.to_bytes().hex()}
        return msgspec.structs.replace(self, held=held)
