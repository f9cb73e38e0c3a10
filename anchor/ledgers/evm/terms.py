"""On what terms an account anchors: the place, what is final, what it may cost."""

from dataclasses import dataclass

from anchor.ledgers.evm.fees import GWEI


@dataclass(frozen=True, slots=True)
class EvmTerms:
    """Where and how to anchor. `since` is the height from which the contract is there.

    `confirmations` counts the block itself; after `patience` blocks without it a transaction
    is replaced; no more than `most` wei is paid per gas.
    """

    chain: int
    contract: bytes
    since: int = 0
    confirmations: int = 12
    patience: int = 10
    most: int = 100 * GWEI
