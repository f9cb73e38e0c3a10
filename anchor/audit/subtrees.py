"""The perfect subtrees over a range of leaves, hashed once by whoever looked at the rows.

Pure. Who follows the tree then takes a batch in a few steps, however many leaves it has.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

from anchor.merkle import HASH, TILE_HEIGHT, parents


class Subtrees(NamedTuple):
    """For each height from 0 to 8: the index of the first node within the range; all, joined."""

    firsts: tuple[int, ...]
    nodes: tuple[bytes, ...]

    @classmethod
    def over(cls, start: int, leaves: Sequence[bytes]) -> Self:
        """The subtrees that lie wholly over these leaf hashes, the first at position `start`."""
        row, first = [*leaves], start
        firsts, nodes = list[int](), list[bytes]()
        for _ in range(TILE_HEIGHT + 1):
            firsts.append(first)
            nodes.append(b"".join(row))
            # A node without its left half in the range is none of ours.
            row, first = parents(row[first % 2 :]), (first + 1) // 2
        return cls(tuple(firsts), tuple(nodes))

    @property
    def leaves(self) -> bytes:
        """The leaf hashes, joined."""
        return self.nodes[0]

    def between(self, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
        """Height and root of the largest subtrees that follow each other from start to stop."""
        while start < stop:
            height = min(TILE_HEIGHT, (stop - start).bit_length() - 1)
            if start:
                height = min(height, (start & -start).bit_length() - 1)
            at = ((start >> height) - self.firsts[height]) * HASH
            yield height, self.nodes[height][at : at + HASH]
            start += 1 << height
