"""The ticket of an EVM chain: every signed transaction that was, or may have been, sent.

All of one ticket have the same nonce, so a chain takes at most one of them, however often
they are sent. One spelling; a private key is needed to make one, none to send it again.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_hash.auto import keccak
from hexbytes import HexBytes

import anchor.ledgers.evm.recursion  # noqa: F401 - undoes what eth-account does
from anchor.errors import Malformed
from anchor.ledgers.evm.fees import Fees
from anchor.spelling import decoded, number

HEADER = "factoryledger/evm-ticket/v1"
MAX_ATTEMPTS = 16
_DYNAMIC_FEE = b"\x02"


@dataclass(frozen=True)
class Attempt:
    """A signed transaction (EIP-1559, its raw bytes) and the chain's height when it was made."""

    height: int
    raw: bytes

    @cached_property
    def hash(self) -> bytes:
        """By what a chain knows it."""
        return keccak(self.raw)

    @cached_property
    def fields(self) -> dict[str, Any]:
        """What it says; Malformed if it is no such transaction."""
        try:
            if not self.raw.startswith(_DYNAMIC_FEE):
                raise Malformed("a ticket with a transaction of another type than 2")  # noqa: TRY301
            return dict(TypedTransaction.from_bytes(HexBytes(self.raw)).as_dict())
        except Malformed:
            raise
        except Exception as error:
            # The library has no one error for bytes that are none.
            raise Malformed(f"a ticket whose transaction cannot be read: {error}") from error

    @property
    def nonce(self) -> int:
        """Which of its sender's transactions it is."""
        return int(self.fields["nonce"])

    @property
    def fees(self) -> Fees:
        """What it offers."""
        fields = self.fields
        return Fees(int(fields["maxFeePerGas"]), int(fields["maxPriorityFeePerGas"]))

    @property
    def place(self) -> tuple[int, bytes]:
        """Chain id and contract that it is for."""
        return int(self.fields["chainId"]), bytes(self.fields["to"])

    @cached_property
    def sender(self) -> bytes:
        """The 20-byte address whose key signed it."""
        return bytes.fromhex(Account.recover_transaction(HexBytes(self.raw))[2:])


@dataclass(frozen=True, slots=True)
class Ticket:
    """The attempts at one checkpoint, oldest first, all with one nonce."""

    attempts: tuple[Attempt, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.attempts) <= MAX_ATTEMPTS:
            raise Malformed(f"a ticket of {len(self.attempts)} transactions; 1 to 16 are allowed")
        if len({(a.nonce, a.place) for a in self.attempts}) != 1:
            raise Malformed("a ticket whose transactions differ in nonce, chain or contract")

    @property
    def newest(self) -> Attempt:
        """The one with the highest fees."""
        return self.attempts[-1]

    def to_bytes(self) -> bytes:
        """The ticket as it is kept."""
        lines = [HEADER, *(f"{a.height} 0x{a.raw.hex()}" for a in self.attempts)]
        return "".join(f"{line}\n" for line in lines).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a ticket; Malformed unless `to_bytes` would write it."""
        first, *lines = decoded(data, "a chain's ticket").split("\n")
        if first != HEADER or not lines or lines.pop():
            raise Malformed(f"not a chain's ticket: it starts with another line than {HEADER!r}")
        return cls(tuple(map(_attempt, lines)))


def _attempt(line: str) -> Attempt:
    height, _, encoded = line.partition(" 0x")
    try:
        raw = bytes.fromhex(encoded)
    except ValueError as error:
        raise Malformed("a ticket whose transaction is not hexadecimal") from error
    if raw.hex() != encoded:
        raise Malformed("a ticket whose transaction is not in lower case")
    return Attempt(number(height, "a ticket's height"), raw)
