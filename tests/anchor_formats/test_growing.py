"""Growing logs: the same tree whatever the batches, resumed from its right edge alone."""

from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.checkpoint import open_checkpoint
from anchor.errors import Malformed
from anchor.growing import GrowingLog
from anchor.merkle import (
    EMPTY_ROOT,
    check_consistency,
    consistency_from_tiles,
    leaf_hash,
    root_from_tiles,
    tree_root,
)
from anchor.note import SignerKey
from anchor.tile import new_tiles, tiles_of

KEY = SignerKey.from_seed("example.org/log/collector/c1", bytes([6]) * 32)
RECORDS = [b"record %d" % i for i in range(70_000)]
LEAVES = [leaf_hash(record) for record in RECORDS]

batches = st.lists(
    st.one_of(st.integers(1, 3), st.integers(1, 700), st.sampled_from([255, 256, 257, 512])),
    min_size=1,
    max_size=8,
)


def grow(log, sizes):
    """Extend by each size in turn; gives the extensions."""
    found = []
    for start, stop in pairwise(accumulate(sizes, initial=log.size)):
        extension = log.extend(RECORDS[start:stop])
        found.append(extension)
        log = extension.log
    return found


@settings(deadline=None)
@given(batches)
def test_each_extension_is_the_tree_of_all_leaves(sizes):
    """Root, checkpoint and tiles after every batch, against the plain tree."""
    store = {}

    def tile(level, number, width):
        assert len(store[level, number]) == width * 32
        return store[level, number]

    before = 0
    for extension in grow(GrowingLog(KEY.name, KEY), sizes):
        size = extension.size
        assert (extension.start, extension.log.size) == (before, size)
        assert extension.root == extension.log.root == tree_root(LEAVES[:size])
        head = open_checkpoint(extension.checkpoint, KEY.verifier)
        assert (head.origin, head.size, head.root) == (KEY.name, size, extension.root)
        changed = sorted((t.level, t.number, t.width * 32) for t in new_tiles(before, size))
        assert sorted((lv, n, len(hashes)) for lv, n, hashes in extension.tiles) == changed
        store.update({(level, number): hashes for level, number, hashes in extension.tiles})
        assert store.keys() == {(t.level, t.number) for t in tiles_of(size)}
        assert root_from_tiles(size, tile) == extension.root
        if before:
            check_consistency(
                old_size=before,
                old_root=tree_root(LEAVES[:before]),
                size=size,
                root=extension.root,
                path=consistency_from_tiles(before, size, tile),
            )
        before = size


@settings(deadline=None)
@given(batches, batches)
def test_batches_do_not_show_in_the_tree(sizes, more):
    """One batch or many: the same root and the same checkpoint, byte for byte."""
    many = grow(GrowingLog(KEY.name, KEY), sizes + more)[-1]
    once = grow(GrowingLog(KEY.name, KEY), [sum(sizes) + sum(more)])[-1]
    assert (many.root, many.checkpoint) == (once.root, once.checkpoint)


@settings(deadline=None)
@given(batches, batches)
def test_a_log_resumes_from_its_right_edge(sizes, more):
    """The resumed log goes on as if it had never stopped; one tile a level is read."""
    store, read = {}, []

    def tile(level, number):
        read.append(level)
        return store[level, number]

    extensions = grow(GrowingLog(KEY.name, KEY), sizes)
    for extension in extensions:
        store.update({(level, number): hashes for level, number, hashes in extension.tiles})
    log = extensions[-1].log
    resumed = GrowingLog.resume(KEY.name, KEY, log.size, tile)
    assert len(read) == len(set(read)) <= 3
    assert resumed.root == log.root
    for one, other in zip(grow(log, more), grow(resumed, more), strict=True):
        assert (one.root, one.checkpoint, one.tiles) == (other.root, other.checkpoint, other.tiles)


def test_a_large_log_resumes():
    """Three tile levels: 65,536 leaves make the first hash of the third."""
    store = {}
    log = GrowingLog(KEY.name, KEY)
    for size in (65_535, 1, 1, 400):
        extension = log.extend(RECORDS[log.size : log.size + size])
        store.update({(level, number): hashes for level, number, hashes in extension.tiles})
        log = extension.log
        resumed = GrowingLog.resume(KEY.name, KEY, log.size, lambda lv, n: store[lv, n])
        assert resumed.root == log.root == tree_root(LEAVES[: log.size])
    assert {level for level, _ in store} == {0, 1, 2}


def test_extending_leaves_the_log_as_it_was():
    """A commit that failed is tried again from the same log."""
    log = GrowingLog(KEY.name, KEY).extend(RECORDS[:300]).log
    root = log.root
    first, second = log.extend(RECORDS[300:900]), log.extend(RECORDS[300:900])
    assert (log.size, log.root) == (300, root)
    assert (first.checkpoint, first.tiles) == (second.checkpoint, second.tiles)
    assert log.extend([b"another"]).root != first.root


def test_an_empty_log():
    log = GrowingLog(KEY.name, KEY)
    assert (log.size, log.root, log.origin) == (0, EMPTY_ROOT, KEY.name)
    with pytest.raises(ValueError, match="one record or more"):
        log.extend([])
    resumed = GrowingLog.resume(KEY.name, KEY, 0, lambda *_: pytest.fail("nothing to read"))
    assert resumed.extend(RECORDS[:5]).root == tree_root(LEAVES[:5])


def test_a_log_is_signed_under_its_own_name():
    with pytest.raises(ValueError, match="does not sign for origin"):
        GrowingLog("example.org/other", KEY)


@pytest.mark.parametrize("stored", [0, 43, 45, 256])
def test_a_tile_that_does_not_fit_the_size_is_malformed(stored):
    """A store that is ahead of or behind its batches is not continued."""
    with pytest.raises(Malformed, match="has 44 hashes there"):
        GrowingLog.resume(KEY.name, KEY, 300, lambda _level, _number: bytes(32 * stored))
