"""What a transaction's receipt says: EIP-2718 receipts, and the contract's one event in them.

Pure. A receipt is `type || RLP([status, gas, bloom, logs])`, the type left out for the oldest
kind. Receipts of kinds that have more fields, as some rollups have, are not written.
Source: EIP-658, EIP-2718; Solidity's ABI specification for events.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import rlp
from eth_hash.auto import keccak

from anchor.errors import Malformed, Refused
from anchor.ledgers.evm.rlp import items_of, list_of, quantity, string_of, strings_of

EVENT = keccak(b"Anchored(address,bytes32,uint64,bytes32,bytes32)")
_QUANTITY = re.compile("0x[0-9a-fA-F]{1,64}", re.ASCII)
_WORD, _ADDRESS = 32, 20
_LAST_TYPE = 0x7F
_STATUS, _LOGS, _FIELDS = 0, 3, 4
_TOPICS = 4


@dataclass(frozen=True, slots=True)
class Anchored:
    """The event: who anchored which log (by its origin's SHA-256), at which size and root."""

    contract: bytes
    owner: bytes
    origin: bytes
    size: int
    root: bytes
    note: bytes


def anchored_in(receipt: bytes, index: int) -> Anchored:
    """The event that is log `index` of a receipt; Refused if that says something else."""
    logs = _logs(receipt)
    if index >= len(logs):
        raise Refused(f"the transaction has no log {index}")
    entry = list_of(logs[index], "a log")
    if len(entry) != _FIELDS - 1:
        raise Malformed(f"a log of {len(entry)} fields; it has {_FIELDS - 1}")
    topics = strings_of(list_of(entry[1], "the topics of a log"), "a topic")
    return event_of(string_of(entry[0], "an address"), topics, string_of(entry[2], "data"))


def place_of(receipt: bytes, wanted: Anchored) -> int:
    """Which log of a receipt is this event; Refused if none is."""
    for index in range(len(_logs(receipt))):
        with suppress(Refused):
            if anchored_in(receipt, index) == wanted:
                return index
    raise Refused("the transaction's receipt does not hold the event")


def _logs(receipt: bytes) -> list[object]:
    typed = receipt[:1] <= bytes([_LAST_TYPE])
    fields = items_of(receipt[1:] if typed else receipt, "a transaction's receipt")
    if len(fields) != _FIELDS:
        raise Malformed(f"a transaction's receipt of {len(fields)} fields; it has {_FIELDS}")
    if quantity(string_of(fields[_STATUS], "status"), "status") != 1:
        raise Refused("the transaction was reverted")
    return list_of(fields[_LOGS], "the logs of a receipt")


def event_of(contract: bytes, topics: list[bytes], data: bytes) -> Anchored:
    """The event of a log; Refused if it is of another kind, or no contract writes it so."""
    sized = all(len(word) == _WORD for word in topics) and len(data) == 2 * _WORD
    if not topics or topics[0] != EVENT or len(topics) != _TOPICS or not sized:
        raise Refused("the log is not the event of a checkpoint")
    owner, size = topics[1], topics[3]
    if any(owner[: _WORD - _ADDRESS]) or any(size[:-8]) or len(contract) != _ADDRESS:
        raise Refused("the event of a checkpoint is not as a contract writes it")
    return Anchored(
        contract=contract,
        owner=owner[_WORD - _ADDRESS :],
        origin=topics[2],
        size=int.from_bytes(size, "big"),
        root=data[:_WORD],
        note=data[_WORD:],
    )


def receipt_bytes(receipt: Mapping[str, object]) -> bytes:
    """Write a receipt as `eth_getTransactionReceipt` gives it; Malformed if it can't be."""
    logs = [
        [_octets(log, "address"), [_hex(t) for t in _list(log, "topics")], _octets(log, "data")]
        for log in map(_log, _list(receipt, "logs"))
    ]
    status, gas = _number(receipt, "status"), _number(receipt, "cumulativeGasUsed")
    body = bytes(rlp.encode([status, gas, _octets(receipt, "logsBloom"), logs]))
    kind = _number(receipt, "type") if receipt.get("type") is not None else 0
    if kind > _LAST_TYPE:
        raise Malformed(f"a receipt of type {kind}; there are 0 to {_LAST_TYPE}")
    return bytes([kind]) + body if kind else body


def _list(of: Mapping[str, object], name: str) -> list[object]:
    value = of.get(name)
    if not isinstance(value, list):
        raise Malformed(f"a receipt whose {name} is not a list")
    return value


def _log(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise Malformed(f"a receipt with a log that is none: {value!r:.80}")
    return value


def _octets(of: Mapping[str, object], name: str) -> bytes:
    return _hex(of.get(name))


def _number(of: Mapping[str, object], name: str) -> int:
    data = of.get(name)
    if not isinstance(data, str) or not _QUANTITY.fullmatch(data):
        raise Malformed(f"a receipt whose {name} is not a number: {data!r:.80}")
    return int(data, 16)


def _hex(value: object) -> bytes:
    try:
        if isinstance(value, str) and value.startswith("0x"):
            return bytes.fromhex(value[2:])
    except ValueError:
        pass
    raise Malformed(f"a receipt with what is not hexadecimal: {value!r:.80}")
