"""Checks a whole tiled log: every tile, every entry, the root, the signature. Streamed.

Findings name the file. Also checked: smaller partial files that are still there, and every
checkpoint that the log kept. Files beyond the checkpoint's size are no finding, because
tiles are written before the head that covers them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import product
from typing import Literal

from anchor.errors import AnchorError, Malformed, Missing, Refused
from anchor.merkle import HASH, TILE_WIDTH, TileReader, leaf_hash, root_from_tiles, tree_root
from anchor.reading.log_memory import Memory
from anchor.reading.log_reader import LogReader, LogView
from anchor.tile import Tile, entries_from_path, tiles_of
from anchor.tree_head import Checkpoint

LogKind = Literal["log-invalid", "log-truncated", "log-forked"]
Progress = Callable[[int, int], None]
"""Called with entries checked so far and entries in all."""

_FALSE = (Malformed, Missing, Refused)
"""What the log is to blame for. A server that does not answer is no finding: it is raised."""


@dataclass(frozen=True, slots=True)
class LogFinding:
    """What is wrong with which file of a log, in one sentence."""

    kind: LogKind
    file: str
    detail: str


@dataclass(slots=True)
class LogAudit:
    """A log's size and root (None where no checkpoint holds), and what is wrong with it."""

    size: int | None
    root: bytes | None
    findings: list[LogFinding] = field(default_factory=list)
    checkpoints: int = 0
    """Kept checkpoints that were checked."""
    resumed: int = 0
    """Entries that an audit that was cut off had checked, and that were not read again."""


def audit_log(
    reader: LogReader, progress: Progress | None = None, *, memory: Memory | None = None
) -> LogAudit:
    """Check the whole log; never raises for what is wrong with it.

    With a `memory`, hold it to the checkpoint seen last and go on where an audit was cut off.
    Missing where the log has no checkpoint at all, so that there is nothing to check;
    Unreachable where a server does not answer: what was checked is remembered.
    """
    place = reader.files.layout.checkpoint
    try:
        note, view = reader.head
    except (Malformed, Refused) as error:
        return LogAudit(None, None, [LogFinding("log-invalid", place, str(error))])
    audit = LogAudit(view.size, view.checkpoint.root)
    false = _false_edge(view)
    if false is not None:
        # Read again, it may be true: a log that answers now so, now so, is found all the same.
        audit.findings += _blame_edge(view) or [LogFinding("log-invalid", place, str(false))]
        return audit
    kept = memory or Memory()
    audit.findings += _remembered(reader, view, kept)
    audit.resumed = start = 0 if audit.findings else kept.checked
    if not audit.findings:
        kept.see(note)
    audit.findings += _tiles(view)
    for checked, findings in _bundles(view, start):
        audit.findings += findings
        if not audit.findings:
            # Only what was found true is remembered: what is false is found again.
            kept.check(checked)
        if progress:
            progress(checked, view.size)
    audit.findings += _leftovers(view)
    for finding in _kept_checkpoints(reader, view):
        audit.checkpoints += 1
        if finding is not None:
            audit.findings.append(finding)
    kept.finish()
    return audit


def _false_edge(view: LogView) -> AnchorError | None:
    try:
        for level, number, _ in view.edge():
            view.tile(level, number)
    except _FALSE as error:
        return error
    return None


def _blame_edge(view: LogView) -> list[LogFinding]:
    """The right edge does not give the root: find out which file is false, from below."""
    findings, choices = list[LogFinding](), dict[tuple[int, int], list[bytes]]()
    for level, number, width in view.edge():
        path = view.files.tile_path(level, number, width)
        try:
            below = _from_below(view, level, number, width)
        except _FALSE as error:
            findings.append(LogFinding("log-invalid", path, f"{path} cannot be checked: {error}"))
            below = b""
        try:
            stored = view.files.tile(level, number, width)
        except _FALSE as error:
            findings.append(LogFinding("log-invalid", path, str(error)))
            stored = b""
        # The stored one first: where both would do, no file is blamed.
        choices[level, number] = [c for c in dict.fromkeys((stored, below)) if c]
    return findings or _disagreement(view, choices)


def _disagreement(view: LogView, choices: dict[tuple[int, int], list[bytes]]) -> list[LogFinding]:
    """Which of each edge tile's two versions (stored, from below) give the root together."""
    for picked in product(*choices.values()):
        tiles = dict(zip(choices, picked, strict=True))
        if root_from_tiles(view.size, _served(tiles)) == view.checkpoint.root:
            paths = [
                view.files.tile_path(*place, view.width(*place))
                for place, hashes in tiles.items()
                if hashes != choices[place][0]
            ]
            return [LogFinding("log-invalid", path, f"{path} is false") for path in paths]
    place, size = view.files.layout.checkpoint, view.size
    if any(len(versions) > 1 for versions in choices.values()):
        detail = f"tiles and entries at the right edge are false: none give the root of size {size}"
        return [LogFinding("log-invalid", place, detail)]
    detail = f"the log's tiles and entries agree, but not with the root signed at size {size}"
    return [LogFinding("log-forked", place, detail)]


def _served(tiles: dict[tuple[int, int], bytes]) -> TileReader:
    return lambda level, number, _: tiles[level, number]


def _from_below(view: LogView, level: int, number: int, width: int) -> bytes:
    if level == 0:
        return b"".join(map(leaf_hash, view.files.bundle(number, width)))
    first = number * TILE_WIDTH
    children = (view.files.tile(level - 1, first + i, TILE_WIDTH) for i in range(width))
    return b"".join(tree_root(_split(child)) for child in children)


def _tiles(view: LogView) -> Iterator[LogFinding]:
    """Every tile above the leaves; those of the leaves are read with their entries."""
    for tile in tiles_of(view.size):
        if tile.level == 0:
            continue
        yield from _found(view.files.tile_path(tile.level, tile.number, tile.width), view, tile)


def _found(path: str, view: LogView, tile: Tile) -> Iterator[LogFinding]:
    try:
        view.tile(tile.level, tile.number)
    except _FALSE as error:
        yield LogFinding("log-invalid", path, str(error))


def _bundles(view: LogView, start: int) -> Iterator[tuple[int, list[LogFinding]]]:
    """Bundle by bundle from entry `start`: how far it is checked, and what is wrong there."""
    for number in range(start // TILE_WIDTH, -(-view.size // TILE_WIDTH)):
        width = view.width(0, number)
        findings = list(
            _found(view.files.tile_path(0, number, width), view, Tile(0, number, width))
        )
        if not findings:
            try:
                view.bundle(number)
            except _FALSE as error:
                path = view.files.bundle_path(number, width)
                findings.append(LogFinding("log-invalid", path, str(error)))
        yield number * TILE_WIDTH + width, findings


def _remembered(reader: LogReader, view: LogView, memory: Memory) -> Iterator[LogFinding]:
    """Whether the log continues the checkpoint that was seen last, which its key signed."""
    if memory.note is None:
        return
    earlier, place = reader.open(memory.note), "a checkpoint seen before"
    finding = check_earlier(view, earlier, place)
    if finding is not None:
        yield finding
        return
    try:
        view.root(earlier.size)
    except _FALSE as error:
        # Not to be compared is not to be the same: until it is, the earlier one is kept.
        detail = f"the log shows no tree that continues size {earlier.size} ({place}): {error}"
        yield LogFinding("log-invalid", place, detail)


def _leftovers(view: LogView) -> Iterator[LogFinding]:
    """Partial files of smaller trees: not needed, but what is served must be true."""
    for path in view.files.source.paths(view.files.layout.tile + "/") or ():
        plain = "tile" + path.removeprefix(view.files.layout.tile)
        try:
            yield from _leftover(view, path, plain)
        except _FALSE as error:
            yield LogFinding("log-invalid", path, str(error))


def _leftover(view: LogView, path: str, plain: str) -> Iterator[LogFinding]:
    try:
        bundle = entries_from_path(plain) if "/entries/" in plain else None
        tile = Tile(0, *bundle) if bundle else Tile.from_path(plain)
    except Malformed:
        return
    there = view.width(tile.level, tile.number)
    if tile.width >= there:
        return
    try:
        true = view.tile(tile.level, tile.number, tile.width)
    except _FALSE:
        return
    if bundle:
        entries = view.files.bundle(tile.number, tile.width)
        found = b"".join(map(leaf_hash, entries))
    else:
        found = view.files.tile(tile.level, tile.number, tile.width)
    if found != true:
        yield LogFinding("log-invalid", path, f"{path} is false: the tree has other hashes there")


def _kept_checkpoints(reader: LogReader, view: LogView) -> Iterator[LogFinding | None]:
    for path in reader.source.paths("checkpoints/") or ():
        name = path.removeprefix("checkpoints/")
        if len(name) != 2 * HASH:
            continue
        try:
            note = reader.source.read(path)
            if sha256(note).hexdigest() != name:
                raise Refused(f"{path} does not hash to its name")
            kept = reader.open(note)
        except _FALSE as error:
            yield LogFinding("log-invalid", path, str(error))
        else:
            yield check_earlier(view, kept, path)


def check_earlier(view: LogView, earlier: Checkpoint, path: str) -> LogFinding | None:
    """Whether a checkpoint that the log once signed is one of this tree's beginnings."""
    if earlier.size > view.size:
        detail = f"the log signed size {earlier.size} ({path}) and now has only {view.size} entries"
        return LogFinding("log-truncated", path, detail)
    try:
        root = view.root(earlier.size)
    except _FALSE:
        # A false tile is in the way; it is a finding of its own.
        return None
    if root != earlier.root:
        detail = f"the log signed another root at size {earlier.size} ({path}) than its tree has"
        return LogFinding("log-forked", path, detail)
    return None


def _split(data: bytes) -> list[bytes]:
    return [data[i : i + HASH] for i in range(0, len(data), HASH)]
