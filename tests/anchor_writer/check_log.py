"""CheckLog: re-verifies a whole log from its files alone, by the formats."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from anchor.checkpoint import Checkpoint, open_checkpoint
from anchor.merkle import (
    TILE_WIDTH,
    check_consistency,
    consistency_path,
    leaf_hash,
    tree_root,
)
from anchor.note import Note, VerifierKey
from anchor.policy import Policy
from anchor.reading.log_audit import audit_log
from anchor.reading.log_reader import LogReader
from anchor.reading.log_source import FolderSource
from anchor.tile import entries_path, tiles_of, unpack_entries


@dataclass(frozen=True)
class CheckedLog:
    """What a log that verified holds: its published head, the entries under it, leaf hashes."""

    checkpoint: Checkpoint
    entries: list[bytes]
    leaves: list[bytes]


def check_log(folder: Path, policy: Policy) -> CheckedLog:
    """Everything that the published checkpoint promises is there, in every spelling of it."""
    note = (folder / "checkpoint").read_bytes()
    checkpoint = policy.open(note).checkpoint
    assert (folder / "checkpoints" / sha256(note).hexdigest()).read_bytes() == note
    entries = read_entries(folder, checkpoint.size)
    leaves = [leaf_hash(entry) for entry in entries]
    assert tree_root(leaves) == checkpoint.root
    check_tiles(folder, leaves)
    for kept in sorted((folder / "checkpoints").iterdir()):
        data = kept.read_bytes()
        assert sha256(data).hexdigest() == kept.name
        old = policy.open(data).checkpoint
        # One whose publication a crash cut short may be ahead of `checkpoint`, not of the log.
        if old.size <= checkpoint.size:
            check_tiles(folder, leaves[: old.size])
    assert not list(folder.rglob("*.tmp"))
    # The verifying side shares the formats with the writer and nothing else.
    audit = audit_log(LogReader(FolderSource(folder), policy.log))
    assert (audit.size, audit.root, audit.findings) == (checkpoint.size, checkpoint.root, [])
    return CheckedLog(checkpoint, entries, leaves)


def read_entries(folder: Path, size: int) -> list[bytes]:
    entries = list[bytes]()
    for number in range(-(-size // TILE_WIDTH)):
        width = min(TILE_WIDTH, size - number * TILE_WIDTH)
        path = folder / entries_path(number, width)
        if not path.exists():
            path = folder / entries_path(number)
        entries += unpack_entries(path.read_bytes())[:width]
    return entries


def check_tiles(folder: Path, leaves: Sequence[bytes]) -> None:
    """Every tile of the tree over these leaves is served: itself, or the full one."""
    level, row = 0, list(leaves)
    for tile in tiles_of(len(leaves)):
        while level < tile.level:
            full = len(row) - len(row) % TILE_WIDTH
            row = [tree_root(row[i : i + TILE_WIDTH]) for i in range(0, full, TILE_WIDTH)]
            level += 1
        start = tile.number * TILE_WIDTH
        path = folder / tile.path
        if not path.exists():
            path = path.parent.with_suffix("")
        data = path.read_bytes()[: tile.width * 32]
        assert data == b"".join(row[start : start + tile.width]), tile.path


def check_signed(notes: Iterable[bytes], key: VerifierKey, leaves: Sequence[bytes]) -> int:
    """All heads ever signed are heads of one tree: proved one by one; how many sizes there were."""
    heads = {(c.size, c.root) for c in (open_checkpoint(note, key) for note in notes)}
    sizes = sorted(size for size, _ in heads)
    assert len(set(sizes)) == len(heads), "two roots at one size"
    root = tree_root(leaves)
    for size, old_root in heads:
        assert size <= len(leaves), "a signed head is ahead of the log"
        check_consistency(
            old_size=size,
            old_root=old_root,
            size=len(leaves),
            root=root,
            path=consistency_path(leaves, size),
        )
    return len(heads)


def cosigners(note: bytes) -> list[str]:
    return [signature.name for signature in Note.from_bytes(note).signatures]
