"""One proof that many leaves stand in a tree: every hash that two paths share is there once.

Pure. The tree is divided as RFC 9162 divides it. Where a part holds none of the leaves its
root is given, from left to right; leaves and sizes alone decide which, so a claim has one proof.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence

from anchor.errors import Refused
from anchor.merkle import HASH, node_hash, split


def shared_path(
    places: Sequence[int], size: int, subtree: Callable[[int, int], bytes]
) -> tuple[bytes, ...]:
    """The hashes beside the leaves at `places` (ascending, at least one) in the tree of `size`."""
    if not places or places[0] < 0 or places[-1] >= size or sorted(set(places)) != list(places):
        raise ValueError(f"{len(places)} places that are no leaves of a tree of size {size}")
    return tuple(subtree(start, stop) for start, stop in _beside(places, 0, size))


def check_shared(
    leaves: Mapping[int, bytes], *, size: int, hashes: Sequence[bytes], root: bytes
) -> None:
    """Check that leaf hashes stand at their places in the tree of `size`; Refused if not."""
    places = sorted(leaves)
    if not places or places[0] < 0 or places[-1] >= size:
        raise Refused(f"the places of {len(places)} leaves are not in a tree of size {size}")
    if any(len(value) != HASH for value in (*leaves.values(), *hashes)):
        raise Refused(f"a hash that is not {HASH} bytes long")
    waiting = iter(hashes)
    found = _root(places, leaves, waiting, 0, size)
    if next(waiting, None) is not None:
        raise Refused(f"{len(hashes)} hashes are more than these leaves need")
    if found != root:
        raise Refused(f"the paths of {len(places)} entries lead to another root than the tree's")


def _beside(places: Sequence[int], start: int, stop: int) -> Iterator[tuple[int, int]]:
    """The parts without a leaf of ours, from left to right."""
    if _none_within(places, start, stop):
        yield start, stop
    elif stop - start > 1:
        middle = start + split(stop - start)
        yield from _beside(places, start, middle)
        yield from _beside(places, middle, stop)


def _root(
    places: Sequence[int],
    leaves: Mapping[int, bytes],
    waiting: Iterator[bytes],
    start: int,
    stop: int,
) -> bytes:
    if _none_within(places, start, stop):
        given = next(waiting, None)
        if given is None:
            raise Refused("there are fewer hashes than these leaves need")
        return given
    if stop - start == 1:
        return leaves[start]
    middle = start + split(stop - start)
    left = _root(places, leaves, waiting, start, middle)
    return node_hash(left, _root(places, leaves, waiting, middle, stop))


def _none_within(places: Sequence[int], start: int, stop: int) -> bool:
    found = bisect_left(places, start)
    return found == len(places) or places[found] >= stop
