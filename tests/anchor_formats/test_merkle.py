"""Trees against a naive reading of RFC 9162, and paths that lie."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor import merkle
from anchor.errors import Malformed, Refused
from anchor.merkle import (
    EMPTY_ROOT,
    check_consistency,
    check_inclusion,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    tree_root,
)

SIZES = 71
LEAVES = [leaf_hash(b"leaf %d" % i) for i in range(SIZES)]


def split(count):
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def naive_root(hashes):
    """MTH of RFC 9162 section 2.1.1, as it is written there."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = split(len(hashes))
    return sha256(b"\x01" + naive_root(hashes[:k]) + naive_root(hashes[k:])).digest()


def naive_path(index, hashes):
    """PATH of section 2.1.3.1."""
    if len(hashes) == 1:
        return ()
    k = split(len(hashes))
    if index < k:
        return (*naive_path(index, hashes[:k]), naive_root(hashes[k:]))
    return (*naive_path(index - k, hashes[k:]), naive_root(hashes[:k]))


def naive_subproof(old, hashes, whole):
    """SUBPROOF of section 2.1.4.1."""
    if old == len(hashes):
        return () if whole else (naive_root(hashes),)
    k = split(len(hashes))
    if old <= k:
        return (*naive_subproof(old, hashes[:k], whole), naive_root(hashes[k:]))
    return (*naive_subproof(old - k, hashes[k:], whole=False), naive_root(hashes[:k]))


ROOTS = [naive_root(LEAVES[:size]) for size in range(SIZES)]


def test_leaves_and_nodes_are_told_apart():
    """RFC 9162 section 2.1.1: 0x00 before a leaf, 0x01 before two nodes."""
    assert leaf_hash(b"x") == sha256(b"\x00x").digest()
    assert node_hash(b"a" * 32, b"b" * 32) == sha256(b"\x01" + b"a" * 32 + b"b" * 32).digest()
    assert EMPTY_ROOT.hex().startswith("e3b0c442")


def test_a_node_passed_off_as_a_leaf_is_refused():
    """Two hashes joined as an entry, and a node's own hash in a leaf's place."""
    for size in (2, 4, 8, 64):
        path, node = inclusion_path(LEAVES[:size], 0), node_hash(*LEAVES[:2])
        joined = leaf_hash(LEAVES[0] + LEAVES[1])
        for leaf, claimed in ((node, size), (joined, size), (joined, size // 2)):
            with pytest.raises(Refused):
                check_inclusion(leaf=leaf, index=0, size=claimed, path=path[1:], root=ROOTS[size])
        # The same bytes do pass where nodes are hashed as leaves are: what the prefix is for.
        assert sha256(LEAVES[0] + LEAVES[1]).digest() not in {node, leaf_hash(LEAVES[0])}


def test_a_tree_of_one_entry_is_its_leaf():
    """It has one path, the empty one, for one place."""
    [leaf, other] = LEAVES[:2]
    assert tree_root([leaf]) == leaf
    check_inclusion(leaf=leaf, index=0, size=1, path=(), root=leaf)
    check_consistency(old_size=1, old_root=leaf, size=1, root=leaf, path=())
    for claim in (
        dict(leaf=other, index=0, path=()),
        dict(leaf=leaf, index=1, path=()),
        dict(leaf=leaf, index=0, path=(other,)),
        dict(leaf=leaf, index=0, path=(other,), root=node_hash(other, leaf)),
        dict(leaf=leaf, index=0, path=(other,), root=node_hash(leaf, other)),
        dict(leaf=EMPTY_ROOT, index=0, path=()),
    ):
        with pytest.raises(Refused):
            check_inclusion(**{"size": 1, "root": leaf, **claim})
    for claim in (
        dict(old_size=1, old_root=leaf, root=other, path=()),
        dict(old_size=1, old_root=leaf, root=leaf, path=(leaf,)),
        dict(old_size=0, old_root=EMPTY_ROOT, root=leaf, path=()),
    ):
        with pytest.raises(Refused):
            check_consistency(size=1, **claim)


def test_every_root_to_70_is_the_naive_one():
    assert [tree_root(LEAVES[:size]) for size in range(SIZES)] == ROOTS


def test_every_inclusion_to_70_is_the_naive_one_and_proves_its_leaf_only():
    """For all sizes and indexes: our path is RFC 9162's, holds, and holds for that index only."""
    checked = 0
    for size in range(1, SIZES):
        for index in range(size):
            path = inclusion_path(LEAVES[:size], index)
            assert path == naive_path(index, LEAVES[:size])
            claim = dict(leaf=LEAVES[index], size=size, path=path, root=ROOTS[size])
            check_inclusion(index=index, **claim)
            for other in {(index + 1) % size, size - 1 - index} - {index}:
                with pytest.raises(Refused):
                    check_inclusion(index=other, **claim)
            checked += 1
    assert checked == 70 * 71 // 2


def test_every_consistency_to_70_is_the_naive_one():
    checked = 0
    for size in range(1, SIZES):
        for old in range(1, size + 1):
            path = consistency_path(LEAVES[:size], old)
            assert path == naive_subproof(old, LEAVES[:size], whole=True)
            claim = dict(old_size=old, size=size, path=path)
            check_consistency(old_root=ROOTS[old], root=ROOTS[size], **claim)
            if old != size:
                with pytest.raises(Refused):
                    check_consistency(old_root=ROOTS[old - 1], root=ROOTS[size], **claim)
                with pytest.raises(Refused):
                    check_consistency(old_root=ROOTS[old], root=ROOTS[size - 1], **claim)
            checked += 1
    assert checked == 70 * 71 // 2


REASONS = {
    "longer": "too long",
    "shorter": "too short",
    "short hash": "31 bytes",
    "doubled": "too long",
}


@pytest.mark.parametrize("change", list(REASONS))
@pytest.mark.parametrize("size", [2, 3, 8, 13, 64, 70])
def test_a_path_has_exactly_the_length_of_its_place(size, change):
    """CVE-2022-36111 (immudb) was a proof of unbounded length: one claim has one length."""
    for index in range(size):
        path = inclusion_path(LEAVES[:size], index)
        worse = {
            "longer": (*path, ROOTS[1]),
            "shorter": path[:-1],
            "short hash": (*path[:-1], path[-1][:-1]),
            "doubled": (path[0], *path),
        }[change]
        with pytest.raises(Refused, match=REASONS[change]):
            check_inclusion(
                leaf=LEAVES[index], index=index, size=size, path=worse, root=ROOTS[size]
            )


@settings(deadline=None)
@given(st.data())
def test_a_consistency_path_that_was_touched_is_refused(data):
    size = data.draw(st.integers(2, 70))
    old = data.draw(st.integers(1, size - 1))
    path = list(consistency_path(LEAVES[:size], old))
    at = data.draw(st.integers(0, len(path) - 1))
    kind = data.draw(st.sampled_from(["bit", "drop", "repeat", "append"]))
    if kind == "bit":
        value = bytearray(path[at])
        value[data.draw(st.integers(0, 31))] ^= 1 << data.draw(st.integers(0, 7))
        path[at] = bytes(value)
    elif kind == "drop":
        del path[at]
    elif kind == "repeat":
        path.insert(at, path[at])
    else:
        path.append(path[at])
    reasons = {"append": "too long", "repeat": "too long", "drop": "too short|is empty"}
    with pytest.raises(Refused, match=reasons.get(kind, "does not lead")):
        check_consistency(old_size=old, old_root=ROOTS[old], size=size, root=ROOTS[size], path=path)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 5), (5, 5), (2**64 - 1, 1)])
def test_an_index_outside_of_the_tree_is_refused(index, size):
    with pytest.raises(Refused, match="outside a tree"):
        check_inclusion(leaf=LEAVES[0], index=index, size=size, path=(), root=LEAVES[0])
    with pytest.raises(ValueError, match="outside a tree"):
        inclusion_path(LEAVES[:size], index)


def test_only_the_empty_tree_continues_the_empty_tree():
    check_consistency(old_size=0, old_root=EMPTY_ROOT, size=0, root=EMPTY_ROOT, path=())
    claims = [(0, 0, ROOTS[1]), (0, 5, ROOTS[5]), (5, 4, ROOTS[4]), (-1, 4, ROOTS[4])]
    for old, size, root in claims:
        with pytest.raises(Refused):
            check_consistency(old_size=old, old_root=EMPTY_ROOT, size=size, root=root, path=())
    with pytest.raises(ValueError, match="no consistency path"):
        consistency_path(LEAVES[:5], 0)


class Tiles:
    """Tiles of a tree, made by the naive rules; counts what is read."""

    def __init__(self, leaves):
        self.levels = [leaves]
        while len(self.levels[-1]) >= 256:
            below = self.levels[-1]
            full = len(below) // 256
            self.levels.append([naive_root(below[i * 256 : i * 256 + 256]) for i in range(full)])
        self.reads = 0

    def __call__(self, level, number, width):
        self.reads += 1
        assert 1 <= width <= 256
        start = number * 256
        assert start + width <= len(self.levels[level])
        return b"".join(self.levels[level][start : start + width])


LARGE = [sha256(b"%d" % i).digest() for i in range(70_000)]


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 4095, 65_535, 65_536, 70_000])
def test_tiles_give_the_same_tree(size):
    leaves = LARGE[:size]
    tiles = Tiles(leaves)
    root = merkle.root_from_tiles(size, tiles)
    assert root == tree_root(leaves) == naive_root(leaves)
    for index in sorted({0, 1 % size, size // 2, size - 1, 255 % size, 256 % size}):
        tiles.reads = 0
        path = merkle.inclusion_from_tiles(index, size, tiles)
        check_inclusion(leaf=leaves[index], index=index, size=size, path=path, root=root)
        assert tiles.reads <= 6, "a path needs a few tiles, not the tree"
    for old in sorted({1, size // 3 + 1, size // 2 + 1, size}):
        path = merkle.consistency_from_tiles(old, size, tiles)
        check_consistency(
            old_size=old, old_root=tree_root(leaves[:old]), size=size, root=root, path=path
        )


def test_tiles_of_small_trees_give_all_paths():
    for size in range(1, SIZES):
        tiles = Tiles(LEAVES[:size])
        assert merkle.root_from_tiles(size, tiles) == ROOTS[size]
        for i in range(size):
            path = inclusion_path(LEAVES[:size], i)
            assert merkle.inclusion_from_tiles(i, size, tiles) == path
            path = consistency_path(LEAVES[:size], i + 1)
            assert merkle.consistency_from_tiles(i + 1, size, tiles) == path


def test_the_empty_tree_needs_no_tile():
    assert merkle.root_from_tiles(0, Tiles([])) == EMPTY_ROOT


@pytest.mark.parametrize("cut", [-32, -1, 32])
def test_a_tile_of_another_length_is_malformed(cut):
    tiles = Tiles(LARGE[:300])

    def wrong(level, number, width):
        hashes = tiles(level, number, width)
        return hashes[:cut] if cut < 0 else hashes + bytes(cut)

    with pytest.raises(Malformed, match="bytes where"):
        merkle.root_from_tiles(300, wrong)
