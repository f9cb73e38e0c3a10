"""A chain's receipt: one spelling, and from a block's hash nothing but the event follows."""

from dataclasses import replace

import pytest
import rlp
from eth_hash.auto import keccak
from evm_block import CHAIN, TIME, block_of, event_log, receipt_of, transaction_receipt, voucher
from hypothesis import given, settings
from hypothesis import strategies as st
from trie.hexary import HexaryTrie

from anchor.errors import Malformed, Refused
from anchor.ledgers.evm.event import receipt_bytes
from anchor.ledgers.evm.header import header_bytes, open_header
from anchor.ledgers.evm.receipt import EvmReceipt
from anchor.ledgers.evm.trie import MAX_NODES, prove, proven, receipts_root

pytest.importorskip("web3")
from evm_chain import note_of

NOTE = note_of(5)
_NUMBER = st.integers(0, 2**63 - 1)


@given(
    st.builds(
        EvmReceipt,
        chain=_NUMBER,
        contract=st.binary(min_size=20, max_size=20),
        block=st.binary(min_size=32, max_size=32),
        transaction=_NUMBER,
        log=_NUMBER,
        header=st.binary(max_size=700),
        nodes=st.lists(st.binary(max_size=600), min_size=1, max_size=MAX_NODES).map(tuple),
    )
)
def test_round_trip(receipt):
    assert EvmReceipt.from_bytes(receipt.to_bytes()) == receipt


def test_a_true_receipt_counts_with_its_block_and_lacks_it_without():
    receipt = receipt_of(NOTE)
    stamp = voucher(receipt.block).check(NOTE, receipt.to_bytes())
    assert (stamp.time, stamp.lacking) == (TIME, None)
    assert stamp.voucher.startswith(f"block 812 of chain {CHAIN}")
    lacking = voucher(bytes(32)).check(NOTE, receipt.to_bytes()).lacking
    assert lacking is not None
    assert f"0x{receipt.block.hex()}" in lacking


def test_a_nodes_word_for_the_height_counts_and_another_hash_there_is_refused():
    receipt = receipt_of(NOTE)
    asked = voucher().asked({812: receipt.block})
    assert asked.check(NOTE, receipt.to_bytes()).lacking is None
    with pytest.raises(Refused, match="block 812 of chain 31337 is 0x00"):
        voucher(receipt.block).asked({812: bytes(32)}).check(NOTE, receipt.to_bytes())


def test_every_changed_byte_is_refused():
    """Whatever is pinned: not even one that no longer counts is let through as a receipt."""
    data = receipt_of(NOTE, count=20, index=17).to_bytes()
    free = voucher()
    assert free.check(NOTE, data).lacking
    for place in range(len(data)):
        bits = {data[place] ^ (1 << bit) for bit in range(8)}
        for changed in bits | {ord("A"), ord("0"), ord("\n")}:
            if changed != data[place]:
                broken = data[:place] + bytes([changed]) + data[place + 1 :]
                with pytest.raises((Malformed, Refused)):
                    free.check(NOTE, broken)


def test_every_shortened_or_lengthened_receipt_is_refused():
    data = receipt_of(NOTE).to_bytes()
    for cut in range(len(data)):
        with pytest.raises((Malformed, Refused)):
            voucher().check(NOTE, data[:cut])
    for more in (b"\n", b"node \n", b"node AA==\n", b" "):
        with pytest.raises((Malformed, Refused)):
            voucher().check(NOTE, data + more)


@pytest.mark.parametrize(
    "other",
    [note_of(6), note_of(5, "rewritten"), note_of(5, origin="example.org/another/anchor")],
    ids=["size", "root", "origin"],
)
def test_a_receipt_of_another_checkpoint_is_refused(other):
    with pytest.raises(Refused, match="of another checkpoint"):
        voucher().check(NOTE, receipt_of(other).to_bytes())


def test_a_receipt_of_the_same_tree_under_another_note_is_refused():
    cosigned = NOTE + "— witness AAAAAAAA\n".encode()
    with pytest.raises(Refused, match="of another checkpoint"):
        voucher().check(cosigned, receipt_of(NOTE).to_bytes())


def test_anothers_contract_and_another_sender_are_refused():
    with pytest.raises(Refused, match="wrote the event, not the pinned one"):
        voucher().check(NOTE, receipt_of(NOTE, contract=bytes(20)).to_bytes())
    with pytest.raises(Refused, match="anchored it; pinned"):
        voucher().check(NOTE, receipt_of(NOTE, owner=bytes(20)).to_bytes())
    for wrong in ({"chain": 1}, {"contract": bytes(20)}):
        with pytest.raises(Refused, match="the receipt is of contract"):
            voucher().check(NOTE, replace(receipt_of(NOTE), **wrong).to_bytes())


def test_a_reverted_transaction_shows_nothing():
    with pytest.raises(Refused, match="reverted"):
        voucher().check(NOTE, receipt_of(NOTE, status=0).to_bytes())


@given(st.lists(st.binary(min_size=40, max_size=300), min_size=1, max_size=200), st.data())
def test_proofs_hold_for_every_receipt_of_any_block(receipts, data):
    index = data.draw(st.integers(0, len(receipts) - 1))
    root, nodes = receipts_root(receipts), prove(receipts, index)
    assert proven(root, index, nodes) == receipts[index]
    # What another implementation makes of the same nodes.
    known = HexaryTrie.get_from_proof(root, rlp.encode(index), [rlp.decode(n) for n in nodes])
    assert known == receipts[index]


@settings(max_examples=30)
@given(st.integers(1, 200), st.data())
def test_a_proof_shows_no_other_place(count, data):
    receipts = [receipt_bytes(transaction_receipt(n, [])) for n in range(count)]
    index, other = (data.draw(st.integers(0, 300)) % bound for bound in (count, 300))
    if other == index:
        return
    with pytest.raises((Refused, Malformed)):
        proven(receipts_root(receipts), other, prove(receipts, index))


def test_a_header_of_the_public_chain_gives_its_hash():
    """Block 1 of Ethereum, whose hash any explorer shows: the oldest form of a header."""
    empty = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
    header = header_bytes(
        {
            "parentHash": "0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3",
            "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
            "miner": "0x05a56e2d52c817161883f50c441c3228cfe54d9f",
            "stateRoot": "0xd67e4d450343046425ae4271474353857ab860dbc0a1dde64b41b5cd3a532bf3",
            "transactionsRoot": empty,
            "receiptsRoot": empty,
            "logsBloom": "0x" + "00" * 256,
            "difficulty": "0x3ff800000",
            "number": "0x1",
            "gasLimit": "0x1388",
            "gasUsed": "0x0",
            "timestamp": "0x55ba4224",
            "extraData": "0x476574682f76312e302e302f6c696e75782f676f312e342e32",
            "mixHash": "0x969b900de27b6ac6a67742365dd65f55a0526c41fd18e1b16f1a1215c2e66f59",
            "nonce": "0x539bd4979fef1ec4",
        }
    )
    opened = open_header(header)
    assert opened.hash.hex() == "88e96d4537bea4d9c05d12549907b32561d3bf31f45aae734cdc119f13406cb6"
    assert (opened.number, opened.time) == (1, 0x55BA4224)


def test_a_header_of_a_later_fork_is_read():
    """Fields may be added at its end; what is read of it stays where it is."""
    receipts = [receipt_bytes(transaction_receipt(0, [event_log(NOTE)]))]
    fields = rlp.decode(header_bytes(block_of(receipts)))
    longer = rlp.encode([*fields, bytes(32), bytes(32)])
    assert open_header(longer).receipts_root == receipts_root(receipts)
    assert open_header(longer).hash == keccak(longer)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xc0", b"\xc1" * 5000, b"\xf8\x01\x80", b"\0"])
def test_what_is_no_header_and_no_node_is_malformed(data):
    with pytest.raises(Malformed):
        open_header(data)
    with pytest.raises(Malformed):
        proven(keccak(data), 0, [data])
