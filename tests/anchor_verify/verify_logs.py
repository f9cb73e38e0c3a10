"""Small logs in memory, written by the formats alone, for the tests that read them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from anchor.checkpoint import sign_checkpoint
from anchor.errors import Malformed, Missing
from anchor.merkle import TILE_WIDTH, leaf_hash, tree_root
from anchor.note import SignerKey
from anchor.tile import entries_path, pack_entries, tiles_of
from anchor.tree_head import Checkpoint


class MemorySource:
    """A log's files in a dict, which the test may change while it is read."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def read(self, path: str, limit: int = 1 << 24) -> bytes:
        data = self.files.get(path)
        if data is None:
            raise Missing(f"{path} is not there")
        if len(data) > limit:
            raise Malformed(f"{path} is longer than {limit} bytes")
        return data

    def published(self, digest: bytes) -> bytes | None:
        return self.files.get(f"checkpoints/{digest.hex()}")

    def names(self, under: str) -> list[str]:
        inside = (p.removeprefix(f"{under}/") for p in self.files if p.startswith(f"{under}/"))
        return sorted({path.partition("/")[0] for path in inside})

    def paths(self, under: str = "") -> Iterator[str]:
        return iter(sorted(path for path in self.files if path.startswith(under)))


def publish(
    key: SignerKey, entries: Sequence[bytes] | None, *, leaves: Sequence[bytes] = ()
) -> dict[str, bytes]:
    """All files of a log of these entries (or of these leaf hashes alone), by path."""
    files = dict[str, bytes]()
    if entries is not None:
        leaves = list(map(leaf_hash, entries))
        for start in range(0, len(entries), TILE_WIDTH):
            bundle = entries[start : start + TILE_WIDTH]
            files[entries_path(start // TILE_WIDTH, len(bundle))] = pack_entries(bundle)
    files.update(hash_tiles(leaves))
    head = Checkpoint(key.name, len(leaves), tree_root(leaves))
    files["checkpoint"] = sign_checkpoint(head, key)
    return files


def hash_tiles(leaves: Sequence[bytes]) -> dict[str, bytes]:
    """Every tile of hashes of a tree, by path."""
    files, level, row = dict[str, bytes](), 0, list(leaves)
    for tile in tiles_of(len(leaves)):
        if tile.level != level:
            whole = len(row) - len(row) % TILE_WIDTH
            row = [tree_root(row[i : i + TILE_WIDTH]) for i in range(0, whole, TILE_WIDTH)]
            level = tile.level
        start = tile.number * TILE_WIDTH
        files[tile.path] = b"".join(row[start : start + tile.width])
    return files


def write(files: dict[str, bytes], folder: Path) -> None:
    """Put a log's files into a folder."""
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
