"""Merkle-Patricia proofs that a block holds a receipt: made with `trie`, checked here.

Keys are RLP of the index in the block. A proof is the nodes on the way from the root to the
value, each by its hash in the one before, nothing beside them; so it has one spelling.
Receipts are longer than a hash, so no node of their trie is ever written inside another.
Source: Ethereum Yellow Paper, appendix D.
"""

from collections.abc import Sequence

import rlp
from eth_hash.auto import keccak
from trie.hexary import HexaryTrie

from anchor.errors import Malformed, Refused
from anchor.ledgers.evm.rlp import items_of, string_of

MAX_NODES = 2 * 9 + 1  # a key is RLP of at most 64 bits: 18 nibbles
_HASH = 32
_BRANCH, _PATH = 17, 2
_ODD, _LEAF = 1, 2


def receipts_root(receipts: Sequence[bytes]) -> bytes:
    """The root over all receipts of a block, in their order."""
    return bytes(_trie(receipts).root_hash)


def prove(receipts: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The nodes from the root to receipt `index` of a block's."""
    nodes = _trie(receipts).get_proof(_key(index))  # type: ignore[no-untyped-call]
    return tuple(bytes(rlp.encode(node)) for node in nodes)


def proven(root: bytes, index: int, nodes: Sequence[bytes]) -> bytes:
    """The receipt that these nodes show at `index` under a receipts root.

    Refused where a node is not the one that the one before names, Malformed if it is none.
    """
    if not 1 <= len(nodes) <= MAX_NODES:
        raise Malformed(f"a proof of {len(nodes)} nodes; 1 to {MAX_NODES} are read")
    due, rest = root, _nibbles(_key(index))
    for place, node in enumerate(nodes):
        if keccak(node) != due:
            raise Refused(f"node {place} of the proof is not the one that its parent names")
        due, rest, ends = _step(node, rest)
        if ends:
            if place + 1 < len(nodes):
                raise Refused(f"the proof goes on after node {place}, which ends it")
            return due
    raise Refused("the proof ends before it reaches a receipt")


def _trie(receipts: Sequence[bytes]) -> HexaryTrie:
    tree = HexaryTrie({})
    for index, receipt in enumerate(receipts):
        tree[_key(index)] = receipt
    return tree


def _key(index: int) -> bytes:
    return bytes(rlp.encode(index))


def _nibbles(data: bytes) -> tuple[int, ...]:
    return tuple(half for byte in data for half in (byte >> 4, byte & 15))


def _step(node: bytes, rest: tuple[int, ...]) -> tuple[bytes, tuple[int, ...], bool]:
    """What a node names for this path: a hash or, where the path ends, the value."""
    items = items_of(node, "a node of the proof")
    if len(items) == _BRANCH:
        ends = not rest
        found = string_of(items[16 if ends else rest[0]], "an entry of a node")
        return _found(found, rest[1:], ends=ends)
    if len(items) != _PATH:
        raise Malformed(f"a node of {len(items)} entries; it has 2 or 17")
    path, ends = _path(string_of(items[0], "the path of a node"))
    found = string_of(items[1], "an entry of a node")
    if rest[: len(path)] != path or (ends and rest != path):
        raise Refused("the proof leads to another receipt than it says")
    return _found(found, rest[len(path) :], ends=ends)


def _found(
    found: bytes, rest: tuple[int, ...], *, ends: bool
) -> tuple[bytes, tuple[int, ...], bool]:
    if not found or (not ends and len(found) != _HASH):
        raise Refused("the proof ends where there is nothing")
    return found, rest, ends


def _path(encoded: bytes) -> tuple[tuple[int, ...], bool]:
    """Hex-prefix: the nibbles, and whether the node is a leaf."""
    nibbles = _nibbles(encoded)
    flags = nibbles[0] if nibbles else 4
    if flags > _ODD + _LEAF or (not flags & _ODD and nibbles[1]):
        raise Malformed("a node whose path is not in hex-prefix encoding")
    return nibbles[1 if flags & _ODD else 2 :], bool(flags & _LEAF)
