"""What a transaction offers for its gas: EIP-1559, under the operator's cap.

Pure. All amounts are wei per gas.
"""

from dataclasses import dataclass

GWEI = 10**9
# Nodes take another transaction of the same nonce only for a tenth more in both fees.
_BUMP_UP, _BUMP_DOWN = 9, 8


@dataclass(frozen=True, slots=True)
class Fees:
    """The most that is paid, base fee included, and how much of it the proposer gets."""

    most: int
    tip: int


def first_fees(base: int, tip: int, cap: int) -> Fees | None:
    """Room for the base fee to double; None where the cap is below what a block asks now."""
    if base >= cap:
        return None
    most = min(2 * base + tip, cap)
    return Fees(most, min(tip, most))


def bumped(last: Fees, base: int, tip: int, cap: int) -> Fees | None:
    """Fees for which nodes replace a transaction that offered `last`; None above the cap."""
    least = Fees(_more(last.most), _more(last.tip))
    most = min(max(2 * base + tip, least.most), cap)
    if most < least.most:
        return None
    return Fees(most, min(max(tip, least.tip), most))


def _more(amount: int) -> int:
    return -(-amount * _BUMP_UP // _BUMP_DOWN)
