"""A block's header: the bytes whose Keccak-256 is the block's hash, written and read.

Fields and their order are those of go-ethereum's `types.Header`, up to the Prague fork. The
reader needs only the first twelve, so later forks may add what they like; the writer must
know every field that the node names, or the hash does not come out and is refused.
Source: Ethereum Yellow Paper, section 4.4; EIP-1559, 4895, 4844, 4788, 7685, 7928.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import rlp
from eth_hash.auto import keccak

from anchor.errors import Malformed
from anchor.ledgers.evm.rlp import items_of, quantity, strings_of

HASH = 32
_RECEIPTS_ROOT, _NUMBER, _TIME = 5, 8, 11
_MINIMUM = 15

# As JSON-RPC names them; `#` marks numbers, which RLP writes without leading zeros.
# fmt: off
_FIELDS = (
    "parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot",
    "logsBloom", "#difficulty", "#number", "#gasLimit", "#gasUsed", "#timestamp", "extraData",
    "mixHash", "nonce",
)
_LATER = (
    "#baseFeePerGas", "withdrawalsRoot", "#blobGasUsed", "#excessBlobGas",
    "parentBeaconBlockRoot", "requestsHash", "blockAccessListHash",
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Header:
    """What a receipt needs of a block; `time` in POSIX seconds, `hash` of the whole header."""

    hash: bytes
    number: int
    time: int
    receipts_root: bytes


def open_header(data: bytes) -> Header:
    """Read a header's RLP; Malformed if it is none. Its hash is computed, never believed."""
    fields = strings_of(items_of(data, "a block's header"), "a block's header")
    if len(fields) < _MINIMUM or len(fields[_RECEIPTS_ROOT]) != HASH:
        raise Malformed(f"a block's header with {len(fields)} fields, or without a receipts root")
    number, time = quantity(fields[_NUMBER], "number"), quantity(fields[_TIME], "time")
    return Header(keccak(data), number, time, fields[_RECEIPTS_ROOT])


def header_bytes(block: Mapping[str, object]) -> bytes:
    """Write the header of a block as `eth_getBlockByNumber` gives it, as RLP."""
    later = [name for name in _LATER if block.get(name.removeprefix("#")) is not None]
    return bytes(rlp.encode([_field(block, name) for name in [*_FIELDS, *later]]))


def _field(block: Mapping[str, object], name: str) -> bytes | int:
    value = block.get(name.removeprefix("#"))
    try:
        if isinstance(value, str) and value.startswith("0x"):
            return int(value, 16) if name.startswith("#") else bytes.fromhex(value[2:])
    except ValueError:
        pass
    raise Malformed(f"a block whose {name.removeprefix('#')} is not hexadecimal: {value!r:.80}")
