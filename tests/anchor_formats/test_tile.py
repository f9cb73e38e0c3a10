"""Paths and bundles of tiled logs."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.errors import Malformed
from anchor.tile import (
    Tile,
    entries_from_path,
    entries_path,
    new_tiles,
    pack_entries,
    tiles_of,
    unpack_entries,
)

tiles = st.builds(Tile, st.integers(0, 63), st.integers(0, 2**63 - 1), st.integers(1, 256))


@settings(deadline=None)
@given(tiles)
def test_a_path_is_read_as_it_was_written(tile):
    assert Tile.from_path(tile.path) == tile
    path = entries_path(tile.number, tile.width)
    assert entries_from_path(path) == (tile.number, tile.width)


@settings(deadline=None)
@given(st.from_regex(r"tile/(entries|[0-9]{1,2})/[0-9x/]{1,12}(\.p/[0-9]{1,3})?", fullmatch=True))
def test_whatever_path_is_read_is_written_the_same(path):
    with suppress(Malformed):
        assert Tile.from_path(path).path == path
    with suppress(Malformed):
        assert entries_path(*entries_from_path(path)) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/0/\u0660\u0660\u0660",
        "tile/0/001/002",
        "tile/0/x001/x002",
        "tile/0/x000/001",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/257",
        "tile/00/000",
        "tile/64/000",
        "tile/entries/000",
        "tile/8/0/000",
        "tile/0/" + "x999/" * 8 + "999",
        # More digits than Python turns into a number.
        "tile/0/" + "x001/" * 2000 + "000",
    ],
)
def test_other_paths_are_malformed(path):
    with pytest.raises(Malformed):
        Tile.from_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/000",
        "tile/entries/0",
        "tile/entries/000.p/256",
        "tile/entries/" + "x001/" * 2000 + "000",
    ],
)
def test_other_paths_of_entries_are_malformed(path):
    with pytest.raises(Malformed):
        entries_from_path(path)


@pytest.mark.parametrize(("level", "number", "width"), [(64, 0, 1), (-1, 0, 1), (0, -1, 1)])
def test_no_tile_is_there(level, number, width):
    with pytest.raises(Malformed):
        Tile(level, number, width)
    with pytest.raises(Malformed):
        entries_path(0, 257)


def naive_tiles(size):
    """C2SP tlog-tiles: full tiles, and the partial one of `floor(s / 256**l) mod 256`."""
    found, level = set(), 0
    while size // 256**level:
        hashes = size // 256**level
        found |= {Tile(level, n, 256) for n in range(hashes // 256)}
        if hashes % 256:
            found.add(Tile(level, hashes // 256, hashes % 256))
        level += 1
    return found


@settings(deadline=None)
@given(st.integers(0, 300_000), st.integers(0, 300_000))
def test_new_tiles_are_those_the_old_tree_had_not(one, other):
    old, size = sorted((one, other))
    assert set(new_tiles(old, size)) == naive_tiles(size) - naive_tiles(old)


def test_tiles_of_an_empty_tree():
    assert list(tiles_of(0)) == []


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_bundles_are_read_as_they_were_written(entries):
    assert unpack_entries(pack_entries(entries)) == entries


@settings(deadline=None)
@given(st.binary(max_size=600))
def test_whatever_bundle_is_read_is_written_the_same(data):
    try:
        entries = unpack_entries(data)
    except Malformed:
        return
    assert pack_entries(entries) == data


def test_a_bundle_holds_what_two_bytes_can_count():
    assert unpack_entries(pack_entries([b"x" * 65535])) == [b"x" * 65535]
    for entries in ([b"x" * 65536], [], [b""] * 257):
        with pytest.raises(Malformed):
            pack_entries(entries)
    for bundle in (b"", b"\0", b"\0\1", b"\0\1x\0", b"\0\0" * 257):
        with pytest.raises(Malformed):
            unpack_entries(bundle)
