"""Checkpoints onto a real chain: each at most once, none forgotten, whatever happens."""

import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("web3")
from eth_account import Account
from evm_chain import KEYS, Core, account, deployed, note_of, running

from anchor.errors import Malformed, Missing, Refused
from anchor.ledgers.evm.fees import GWEI
from anchor.ledgers.evm.history import Named, history
from anchor.ledgers.evm.node import Node
from anchor.ledgers.evm.receipt import EvmReceipt
from anchor.ledgers.evm.ticket import Ticket

pytestmark = pytest.mark.e2e


def sizes(core: Core) -> list[int]:
    return [int(event["topics"][3], 16) for event in core.events()]


def test_a_checkpoint_gets_a_receipt_that_its_block_hash_alone_shows(core):
    receipt = core.settle(note_of(5))
    opened = EvmReceipt.from_bytes(receipt)
    number = int(core.events()[0]["blockNumber"], 16)
    assert opened.block == core.block_hash(number)
    stamp = replace(core.voucher, blocks=frozenset({opened.block})).check(note_of(5), receipt)
    block = core.chain.rpc("eth_getBlockByNumber", hex(number), False)  # noqa: FBT003
    assert (stamp.time, stamp.lacking) == (int(block["timestamp"], 16), None)
    # One that is anchored already, its ticket lost: the chain is asked, nothing is sent.
    core.tickets.clear()
    assert core.advance(note_of(5)) == receipt
    assert (sizes(core), core.kept) == ([5], 1)


def test_a_receipt_waits_for_its_confirmations(core):
    assert core.advance(note_of(5)) is None
    for _ in range(2):
        assert core.advance(note_of(5)) is None
        core.chain.mine()
    assert core.advance(note_of(5)) is not None


def test_several_on_their_way_are_all_taken_in_their_order(core):
    core.chain.rpc("evm_setAutomine", False)  # noqa: FBT003
    notes = [note_of(size) for size in (3, 8, 12)]
    for note in notes:
        assert core.advance(note) is None
    core.chain.mine(3)
    for note in notes:
        core.voucher.check(note, core.advance(note))
    assert sizes(core) == [3, 8, 12]


def test_one_among_many_transactions_of_a_block(core):
    """A trie of branches, and receipts of strangers' transactions before and behind ours."""
    core.chain.rpc("evm_setAutomine", False)  # noqa: FBT003
    stranger = account(1).address
    for n in range(130):
        if n == 70:
            core.advance(note_of(5))
        core.chain.rpc(
            "eth_sendTransaction",
            {"from": stranger, "to": stranger, "value": hex(n), "gas": hex(21_000)},
        )
    core.chain.mine(3)
    receipt = core.advance(note_of(5))
    opened = EvmReceipt.from_bytes(receipt)
    block = core.chain.rpc("eth_getBlockByHash", f"0x{opened.block.hex()}", False)  # noqa: FBT003
    assert len(block["transactions"]) == 131
    assert len(opened.nodes) >= 3
    known = frozenset({opened.block})
    assert replace(core.voucher, blocks=known).check(note_of(5), receipt).lacking is None


def test_a_rollback_is_refused_by_the_contract_and_shown(core):
    core.settle(note_of(9))
    with pytest.raises(Refused, match="size 9 of this log is anchored already"):
        core.advance(note_of(7))
    with pytest.raises(Refused, match=r"another root of size 9, .*it was rewritten"):
        core.advance(note_of(9, "rewritten"))
    cosigned = note_of(9) + "— witness AAAAAAAA\n".encode()
    with pytest.raises(Refused, match="another note of the same tree"):
        core.advance(cosigned)
    assert (sizes(core), core.kept) == ([9], 1)


def test_the_contract_alone_refuses_whoever_holds_every_key(core):
    """Sent past our client, with the account's own key: the node says why, nothing changes."""
    core.settle(note_of(9))
    sent = core.chain.rpc("eth_getTransactionByHash", core.events()[0]["transactionHash"])
    for size in (9, 8, 0):
        call = sent["input"][:74] + size.to_bytes(32, "big").hex() + "ee" * 64
        wanted = {"from": account().address, "to": sent["to"], "input": call, "gas": "0x30000"}
        with pytest.raises(AssertionError, match="size is anchored already"):
            core.chain.rpc("eth_call", wanted, "latest")
        hash_ = core.chain.rpc("eth_sendTransaction", wanted)
        core.chain.mine()  # the node may answer before it has mined by itself
        assert core.chain.rpc("eth_getTransactionReceipt", hash_)["status"] == "0x0"
    assert sizes(core) == [9]
    data = "0x24e8393d" + core.owner.rjust(32, b"\0").hex() + sent["input"][10:74]
    kept = core.chain.rpc("eth_call", {"to": sent["to"], "data": data}, "latest")
    assert (int(kept[2:66], 16), kept[-64:]) == (9, sent["input"][138:202])


def test_another_sender_neither_writes_nor_blocks_a_log(core):
    thief = replace(core, key=1, tickets={})
    theirs = thief.settle(note_of(1_000_000, "stolen"))
    core.settle(note_of(5))
    assert [event["topics"][1] for event in core.events()] == [
        "0x" + bytes(12).hex() + c.owner.hex() for c in (thief, core)
    ]
    with pytest.raises(Refused, match="anchored it; pinned"):
        core.voucher.check(note_of(1_000_000, "stolen"), theirs)


def test_a_node_that_is_down_loses_nothing(tmp_path):
    state = str(tmp_path / "state.json")
    with running("--state", state) as chain:
        core = Core(chain, deployed(chain.url))
        chain.rpc("evm_setAutomine", False)  # noqa: FBT003
        core.advance(note_of(5))
    with pytest.raises(Missing, match=rf"no answer from the node at http://127.0.0.1:{chain.port}"):
        core.advance(note_of(5))
    # It comes back without what was waiting in its memory: the same bytes are sent again.
    with running("--state", state, port=chain.port) as again:
        core.chain = again
        core.settle(note_of(5))
        assert (sizes(core), core.kept) == ([5], 1)


def test_a_node_of_another_chain_is_told_nothing():
    with running() as chain, running("--chain-id", "5") as other:
        core = Core(chain, deployed(chain.url))
        core.advance(note_of(5))
        core.chain = other
        for note in (note_of(5), note_of(6)):
            with pytest.raises(Missing, match="is a node of chain 5, not of 31337"):
                core.advance(note)
        assert core.kept == 1


@pytest.mark.parametrize(("code", "said"), [("0x", "is no contract"), ("0x6001", "is other code")])
def test_what_is_not_our_contract_is_sent_nothing(core, code, said):
    core.chain.rpc("anvil_setCode", "0x" + core.contract.contract.hex(), code)
    with pytest.raises(Missing, match=said):
        core.advance(note_of(5))
    assert core.kept == 0


def test_a_reverted_transaction_ends_in_a_clear_word(core):
    """The larger one came first: the chain reverts the smaller, and that is its end."""
    core.chain.rpc("evm_setAutomine", False)  # noqa: FBT003
    small, large = note_of(3), note_of(8)
    core.advance(small)
    dropped = Ticket.from_bytes(core.tickets[small])
    core.chain.rpc("anvil_dropTransaction", f"0x{dropped.newest.hash.hex()}")
    core.advance(large)
    assert Ticket.from_bytes(core.tickets[large]).newest.nonce == dropped.newest.nonce
    core.chain.mine()
    # Its nonce is gone, but not yet for good.
    assert core.advance(small) is None
    core.chain.mine(3)
    with pytest.raises(Refused, match="size 8 of this log is anchored already"):
        core.advance(small)
    core.voucher.check(large, core.advance(large))
    assert sizes(core) == [8]


def test_a_transaction_that_the_chain_reverts_is_no_receipt(core):
    core.chain.rpc("evm_setAutomine", False)  # noqa: FBT003
    small, large = note_of(3), note_of(8)
    core.advance(small)
    core.advance(large)
    # Both are mined, the larger one first.
    tickets = [Ticket.from_bytes(core.tickets[note]) for note in (small, large)]
    for ticket in tickets:
        core.chain.rpc("anvil_dropTransaction", f"0x{ticket.newest.hash.hex()}")
    other = replace(core, tickets={})
    other.advance(large)
    nonce = core.chain.rpc("eth_getTransactionCount", account().address, "latest")
    crossed = signed_again(tickets[0], int(nonce, 16) + 1)
    core.chain.rpc("eth_sendRawTransaction", f"0x{crossed.newest.raw.hex()}")
    core.tickets[small] = crossed.to_bytes()
    core.chain.mine(3)
    with pytest.raises(Refused, match="size 8 of this log is anchored already"):
        core.advance(small)
    assert sizes(core) == [8]


def signed_again(ticket: Ticket, nonce: int) -> Ticket:
    """The same transaction with another nonce."""
    fields = {**ticket.newest.fields, "nonce": nonce}
    for name in ("r", "s", "v", "yParity"):
        fields.pop(name, None)
    raw = Account.sign_transaction(fields, KEYS[0]).raw_transaction
    return Ticket((replace(ticket.newest, raw=bytes(raw)),))


@pytest.mark.parametrize("depth", [1, 2])
def test_a_reorganised_block_is_not_believed_and_the_checkpoint_comes_again(core, depth):
    core.advance(note_of(5))
    core.chain.mine(depth - 1)
    gone = core.block_hash(int(core.events(1)[0]["blockNumber"], 16))
    core.chain.rpc("anvil_reorg", depth, [])
    assert sizes(core) == []
    receipt = core.settle(note_of(5))
    assert EvmReceipt.from_bytes(receipt).block != gone
    assert (sizes(core), core.kept) == ([5], 1)
    core.voucher.check(note_of(5), receipt)


def test_a_stuck_transaction_is_replaced_and_only_one_is_taken(core):
    core.chain.rpc("evm_setAutomine", False)  # noqa: FBT003
    core.advance(note_of(5))
    first = Ticket.from_bytes(core.tickets[note_of(5)]).newest
    for _ in range(4):
        core.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(2 * first.fees.most))
        core.chain.mine()
    assert sizes(core) == []
    core.advance(note_of(5))
    ticket = Ticket.from_bytes(core.tickets[note_of(5)])
    assert [a.nonce for a in ticket.attempts] == [first.nonce] * 2
    assert ticket.newest.fees.most > 2 * first.fees.most
    core.settle(note_of(5))
    assert sizes(core) == [5]
    mined = core.events()[0]["transactionHash"]
    assert mined == f"0x{ticket.newest.hash.hex()}"


def test_a_stuck_transaction_stays_under_the_cap(core):
    core.terms["most"] = 3 * GWEI
    core.chain.rpc("evm_setAutomine", False)  # noqa: FBT003
    core.advance(note_of(5))
    for _ in range(4):
        core.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(4 * GWEI))
        core.chain.mine()
    with pytest.raises(Missing, match=r"stuck: .*max_fee_gwei raises it"):
        core.advance(note_of(5))
    with pytest.raises(Missing, match="the chain asks 4 gwei per gas and the cap is 3"):
        core.advance(note_of(6))
    assert core.kept == 1
    # It falls again: what the node had dropped is handed in as it is.
    core.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI // 2))
    core.chain.mine()
    with pytest.raises(Missing, match="stuck"):
        core.advance(note_of(5))
    core.chain.mine(3)
    core.voucher.check(note_of(5), core.advance(note_of(5)))


def test_an_account_without_enough_is_told_so(core):
    core.chain.rpc("anvil_setBalance", account().address, hex(1000))
    with pytest.raises(Missing, match=r"has 0.000000 ether and needs up to .*send it some"):
        core.advance(note_of(5))
    core.chain.rpc("anvil_setBalance", account().address, hex(10**18))
    core.settle(note_of(5))


def test_a_ticket_for_another_place_is_not_dropped(core):
    core.advance(note_of(5))
    elsewhere = replace(core, contract=deployed(core.chain.url))
    with pytest.raises(Missing, match="which the ledgers file no longer names"):
        elsewhere.advance(note_of(5))
    with pytest.raises(Missing, match="put the former keystore back"):
        replace(core, key=1).advance(note_of(5))
    core.tickets[note_of(5)] += b"\n"
    with pytest.raises(Malformed):
        core.advance(note_of(5))


@pytest.mark.parametrize("where", ["before", "after", "sent"])
def test_killed_at_any_step_it_is_anchored_once(core, tmp_path, where):
    ticket = tmp_path / "ticket"
    place = (core.chain.url, str(core.contract.chain), core.contract.contract.hex())
    command = [sys.executable, Path(__file__).with_name("evm_killed.py"), *place, "5", ticket]
    killed = subprocess.run([*command, where], check=False, timeout=60)
    assert killed.returncode == -9
    assert ticket.exists() == (where != "before")
    assert len(core.events()) == (where == "sent")
    if ticket.exists():
        core.tickets[note_of(5)] = ticket.read_bytes()
    core.settle(note_of(5))
    assert sizes(core) == [5]
    assert int(core.chain.rpc("eth_getTransactionCount", account().address, "latest"), 16) == 1


def test_a_node_that_gives_few_blocks_at_once_is_asked_in_pieces(core):
    class Narrow(Node):
        ranges = 0

        async def logs(self, contract, topics, start, end):
            type(self).ranges += 1
            if end - start > 600:
                raise Missing("query returned too many blocks")
            return await super().logs(contract, topics, start, end)

    for size in (3, 8, 20):
        core.settle(note_of(size))
        core.chain.mine(400)
    event = core.events()[0]
    origin = bytes.fromhex(event["topics"][2][2:])
    named = Named(core.contract.contract, core.owner, origin)

    async def ask(at: Narrow, last: int | None = None):
        try:
            return await history(at, named, 0, last)
        finally:
            await at.aclose()

    found = asyncio.run(ask(Narrow(core.chain.url)))
    assert [one.event.size for one in found] == [3, 8, 20]
    assert Narrow.ranges > 2
    assert len(asyncio.run(ask(Narrow(core.chain.url), 300))) == 1


def test_an_overtaken_checkpoint_that_was_taken_still_gets_its_receipt(core):
    """Its ticket lost, a larger one there since: the chain's history has its event."""
    first = core.settle(note_of(3))
    core.settle(note_of(8))
    core.tickets.clear()
    assert core.advance(note_of(3)) == first
    assert sizes(core) == [3, 8]
