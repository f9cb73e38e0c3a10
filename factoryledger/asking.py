"""Vouchers that ask a chain's server for the block that a receipt lacks, where one may ask.

Verifying is offline unless it is told otherwise. What a server says is its word alone, and a
server that is away or answers nonsense says nothing of the receipt.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from anchor.errors import AnchorError
from anchor.ledgers.ledger import Stamp, Voucher
from factoryledger.errors import NotThere
from factoryledger.ledger_file import EvmPins, OtsPins, Pins

Ask = Callable[[Any, bytes], Voucher]
"""Gives a voucher that knows what this receipt lacks; an AnchorError where nobody says it."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A voucher, and whom it asks; NotThere where that gives no answer of use."""

    voucher: Voucher
    ask: Ask

    @property
    def name(self) -> str:
        """The voucher's."""
        return self.voucher.name

    @property
    def kind(self) -> str:
        """The voucher's."""
        return self.voucher.kind

    def check(self, note: bytes, receipt: bytes) -> Stamp:
        """What the receipt shows, once what it lacks was asked for."""
        stamp = self.voucher.check(note, receipt)
        if stamp.lacking is None:
            return stamp
        try:
            knowing = self.ask(self.voucher, receipt)
        except AnchorError as error:
            raise NotThere(f"ledger {self.name}: {error}") from error
        return knowing.check(note, receipt)


def asking(voucher: Voucher, pins: Pins) -> Voucher:
    """The voucher, asking whom its pins name; itself where they name nobody."""
    ask = _ots(pins) if isinstance(pins, OtsPins) else None
    if isinstance(pins, EvmPins) and (pins.url or pins.url_file):
        ask = partial(_evm_asked, pins)
    return voucher if ask is None else Asking(voucher, ask)


def _ots(pins: OtsPins) -> Ask | None:
    return None if pins.node is None and pins.esplora is None else partial(_ots_asked, pins)


def _evm_asked(pins: EvmPins, voucher: Any, receipt: bytes) -> Voucher:
    chain = import_module("factoryledger.chain")
    known: Voucher = chain.evm_voucher_asking(voucher, pins, receipt)
    return known


def _ots_asked(pins: OtsPins, voucher: Any, receipt: bytes) -> Voucher:
    ots = import_module("factoryledger.bitcoin")
    known: Voucher = ots.ots_voucher_asking(voucher, pins, [receipt])
    return known
