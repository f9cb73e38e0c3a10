"""A node that lies, answers nonsense or knows less: nothing is believed, and no key is shown."""

import asyncio
import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

pytest.importorskip("web3")
from evm_chain import note_of

from anchor.errors import Missing
from anchor.ledgers.evm.event import receipt_bytes
from anchor.ledgers.evm.node import Node, NoSuchMethod
from anchor.ledgers.evm.receipt import EvmReceipt
from anchor.ledgers.evm.ticket import Ticket


@contextmanager
def answering(status: int, body: bytes):
    """A server that answers everything alike."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://user@127.0.0.1:{server.server_port}/v3/secret-key"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


ASKED = {
    "chain": lambda node: node.chain(),
    "check": lambda node: node.check(1, bytes(20)),
    "height": lambda node: node.height(),
    "base_fee": lambda node: node.base_fee(),
    "nonce": lambda node: node.nonce(bytes(20), "pending"),
    "balance": lambda node: node.balance(bytes(20)),
    "send": lambda node: node.send(b"\x02"),
    "head": lambda node: node.head(bytes(20), bytes(20), bytes(32)),
    "receipts": lambda node: node.receipts({"hash": "0x" + "00" * 32}),
    "logs": lambda node: node.logs(bytes(20), [bytes(32)], 0, 1),
}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"7"),
        (200, b"{}"),
        (200, json.dumps({"jsonrpc": "2.0", "id": 0, "result": {"a": []}}).encode()),
        (200, json.dumps({"jsonrpc": "2.0", "id": 0, "result": "0xzz"}).encode()),
        (200, json.dumps({"jsonrpc": "2.0", "id": 0, "error": "no"}).encode()),
        (200, json.dumps({"jsonrpc": "2.0", "id": 0, "error": {"code": 1}}).encode()),
        (
            200,
            b'{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"/v3/secret-key ended"}}',
        ),
        (200, b'{"jsonrpc":"2.0","id":0,"result":"secret-key"}'),
        (401, b"secret-key is not allowed"),
        (503, b"{}"),
    ],
)
def test_nonsense_is_missing_and_names_no_key(status, body):
    async def ask(call, url):
        node = Node(url, timeout=2)
        try:
            await call(node)
        finally:
            await node.aclose()

    with answering(status, body) as url:
        for name, call in ASKED.items():
            with pytest.raises(Missing) as refused:
                asyncio.run(ask(call, url))
            assert "127.0.0.1" in str(refused.value), name
            assert "secret" not in str(refused.value), name


@pytest.mark.e2e
def test_a_node_without_receipts_of_whole_blocks_is_asked_for_each(core):
    class Older(Node):
        async def raw(self, method, *params):
            if method == "eth_getBlockReceipts":
                raise NoSuchMethod(method)
            return await super().raw(method, *params)

    core.node = Older
    receipt = core.settle(note_of(5))
    core.node = Node
    assert core.advance(note_of(5)) == receipt


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("lie", "said"),
    [
        ("receipt", "its receipts do not give the block's receipts root"),
        ("missing", "its receipts do not give the block's receipts root"),
        ("order", "its receipts do not give the block's receipts root"),
        ("header", "does not give its hash"),
    ],
)
def test_a_node_that_lies_about_a_block_gives_no_receipt(core, lie, said):
    class Liar(Node):
        async def receipts(self, block):
            found = await super().receipts(block)
            if lie == "receipt":
                return [{**found[0], "cumulativeGasUsed": "0x1"}]
            return [] if lie == "missing" else found * (2 if lie == "order" else 1)

        async def block(self, which):
            found = await super().block(which)
            return {**found, "timestamp": "0x1"} if lie == "header" else found

    core.node = Liar
    with pytest.raises(Missing, match=said):
        core.settle(note_of(5))
    core.node = Node
    receipt = core.settle(note_of(5))
    assert EvmReceipt.from_bytes(receipt).log == 0
    assert core.kept == 1


@pytest.mark.e2e
def test_a_block_that_is_no_longer_the_chains_is_waited_out(core):
    """Behind one address stand several nodes: one still tells of a block that is gone."""

    class Behind(Node):
        async def receipt(self, transaction):
            found = await super().receipt(transaction)
            return found and {**found, "blockHash": bytes(32)}

    core.node = Behind
    with pytest.raises(AssertionError, match="no receipt"):
        core.settle(note_of(5))
    core.node = Node
    core.settle(note_of(5))
    assert core.kept == 1


@pytest.mark.e2e
def test_what_waits_behind_a_lost_transaction_says_so_and_is_not_replaced(core):
    core.chain.rpc("evm_setAutomine", False)  # noqa: FBT003
    core.advance(note_of(3))
    core.advance(note_of(8))
    first = Ticket.from_bytes(core.tickets[note_of(3)]).newest
    core.chain.rpc("anvil_dropTransaction", f"0x{first.hash.hex()}")
    core.chain.mine(5)
    with pytest.raises(Missing, match="waits for an earlier one"):
        core.advance(note_of(8))
    core.advance(note_of(3))
    core.chain.mine(3)
    for size in (3, 8):
        core.voucher.check(note_of(size), core.advance(note_of(size)))
    assert len(Ticket.from_bytes(core.tickets[note_of(8)]).attempts) == 1


def test_receipts_of_kinds_that_have_other_fields_are_not_guessed():
    from evm_block import transaction_receipt

    from anchor.errors import Malformed

    for change in ({"type": "0x1ff"}, {"status": None}, {"logs": None}, {"logsBloom": "xx"}):
        with pytest.raises(Malformed):
            receipt_bytes({**transaction_receipt(0, []), **change})
