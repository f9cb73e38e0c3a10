"""What nodes and servers of outside ledgers answer: JSON of an EVM node, headers of Bitcoin."""

import asyncio
import hashlib
import json
from functools import cache

import httpx
from evm_block import block_of, event_log, transaction_receipt
from fuzz_anchored import OF_JSON, cosigned
from fuzz_of_outside import CHAIN, CONTRACT, OWNER, headers, timestamp
from fuzz_of_servers import answer
from fuzz_target import Skipped, Target, cut, text

from anchor.errors import Malformed, Missing, Refused, Unreachable
from anchor.ledgers.evm.event import Anchored, receipt_bytes
from anchor.ledgers.evm.header import header_bytes, open_header
from anchor.ledgers.evm.node import Node
from anchor.ledgers.evm.proving import evm_receipt
from anchor.ledgers.evm.voucher import head_of
from anchor.ledgers.ots.block import BlockHeader
from anchor.ledgers.ots.calendar import Calendar
from anchor.ledgers.ots.chain import HeaderSource
from anchor.note import Note
from anchor.tree_head import Checkpoint

REFUSALS = (Malformed, Missing, Refused, Unreachable)


@cache
def block() -> tuple[bytes, bytes]:
    """A block and its receipts, as a node gives them."""
    given = [transaction_receipt(n, [event_log(cosigned())]) for n in range(2)]
    made = block_of([receipt_bytes(one) for one in given])
    made["hash"] = f"0x{open_header(header_bytes(made)).hash.hex()}"
    return json.dumps(made).encode(), json.dumps(given).encode()


def _loaded(data: bytes) -> object:
    try:
        return json.loads(text(data))
    except (ValueError, RecursionError):
        raise Skipped from None


class Told:
    """A provider that answers every question with the same."""

    def __init__(self, result: object) -> None:
        self._result = result

    async def make_request(self, _method: str, _params: object) -> object:
        return {"jsonrpc": "2.0", "id": 1, "result": self._result}


def _node(result: object) -> Node:
    node = object.__new__(Node)
    node.place, node._provider, node._timeout, node._secrets = "it", Told(result), 1.0, []
    return node


def _proved(data: bytes) -> None:
    """A node's block and receipts: a receipt comes of the true ones, or the node is named."""
    said, receipts = (_loaded(one) for one in cut(data, 2))
    origin, size, root = head_of(Checkpoint.from_text(Note.from_bytes(cosigned()).text))
    note = hashlib.sha256(cosigned()).digest()
    wanted = Anchored(CONTRACT, OWNER, origin, size, root, note)
    if not isinstance(said, dict):
        raise Skipped

    async def ask() -> None:
        found = await _node(said).block("latest")
        await _node(said).base_fee()
        await evm_receipt(_node(receipts), found, 0, wanted, CHAIN)

    asyncio.run(ask())


def _written(data: bytes) -> None:
    """As header or receipt of a block: written as RLP that is read again."""
    said = _loaded(data)
    if not isinstance(said, dict):
        raise Skipped
    refused = 0
    for write in (header_bytes, receipt_bytes):
        try:
            write(said)
        except Malformed:
            refused += 1
    if refused == 2:
        raise Malformed("neither")


def _headers(data: bytes) -> None:
    """A server's hash and header of a height, one answer after the other."""
    parts = cut(data, 2)
    for part in parts:
        answer(part)

    async def ask() -> None:
        given = iter(parts * 2)
        transport = httpx.MockTransport(lambda _request: answer(next(given)))
        async with httpx.AsyncClient(transport=transport) as http:
            await HeaderSource("https://a.example", http, least_work=1 << 8).header(5)

    asyncio.run(ask())


def _headers_seed() -> bytes:
    line = headers().split(b"\n")[0].partition(b":")[2]
    named = BlockHeader(bytes.fromhex(line.decode())).hash.encode()
    return b"\n%%%\n".join((b"200\n\n" + named, b"200\n\n" + line))


def _calendar(data: bytes) -> None:
    """What a calendar answers to a commitment."""
    answer(data)

    async def ask() -> None:
        transport = httpx.MockTransport(lambda _request: answer(data))
        async with httpx.AsyncClient(transport=transport) as http:
            one = Calendar("https://a.pool.opentimestamps.org", http, seconds=1)
            found = await one.submit(bytes(32))
            await one.upgrade(bytes(32), found)

    asyncio.run(ask())


def _calendar_seed() -> bytes:
    return b"200\n\n" + timestamp().to_bytes()


TARGETS = [
    Target(
        "evm-json",
        _written,
        (Malformed,),
        lambda: [*block()[:1], json.dumps(transaction_receipt(1, [])).encode()],
        (*OF_JSON, b'"-0x5"', b'"0x"', b'"0xzz"', b'["a"]'),
        factor=400,
    ),
    Target(
        "evm-node",
        _proved,
        REFUSALS,
        lambda: [b"\n%%%\n".join(block())],
        (*OF_JSON, b'"-0x5"', b'"0x"'),
        factor=400,
        base=8 << 20,
    ),
    Target(
        "bitcoin-headers",
        _headers,
        REFUSALS,
        lambda: [_headers_seed()],
        (b"404", b"\xff"),
        base=8 << 20,
    ),
    Target(
        "calendar-answer",
        _calendar,
        REFUSALS,
        lambda: [_calendar_seed()],
        (b"404", b"\xff\x00"),
        base=8 << 20,
    ),
]
