"""A range of positions that is as it should be, in a few words: what an audit follows across rows.

Pure but for the ledger it reads, in any process. Where one row is not as it should be, or has
no place in the whole by itself, there is no summary, and the rows go back one by one: nothing is
found here, and `anchor.audit.collector` follows them as it always did.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from anchor.audit.chain import Link, Run
from anchor.audit.claims import Claim, sum_of
from anchor.audit.clocks import Told
from anchor.audit.examine import (
    Examined,
    Held,
    KeysAt,
    RawRow,
    as_examined,
    look,
    without_payload,
)
from anchor.audit.subtrees import Subtrees
from anchor.merkle import HASH, TILE_WIDTH
from anchor.ports import Ledger, Paged
from anchor.reading.stored_tiles import StoredTiles
from telemetry.members import Cited
from telemetry.message import Message
from telemetry.record import KEYLESS_STATUSES
from telemetry.sparkplug_topic import NAMESPACE


class Source(NamedTuple):
    """What ranges are read from and judged by; `nonce` is that of `anchor.audit.claims`."""

    ledger: Ledger
    collector: str
    keys: KeysAt
    nonce: bytes
    clocks: bool = False
    """Whether machines' clocks are compared with anything."""


class Summary(NamedTuple):
    """Rows at every position from `start` to `stop`, each good and the same as its stored leaf.

    Receive times never go back from `received` to `received_last`, key entries counted never
    from `counted`, where each number with the position that has it first is noted. `claims` is
    the sum over accepted rows, `runs` are their chains. `cited` has the first row (without its
    payload) that cites each checkpoint, `sparkplug` the accepted rows that may have readings,
    `told` what accepted rows say of the time, where that is asked.
    """

    start: int
    stop: int
    leaves: Subtrees
    received: int
    received_last: int
    counted: Sequence[tuple[int, int]]
    statuses: Mapping[str, int]
    claims: int
    runs: Sequence[Run]
    cited: Sequence[tuple[RawRow, Cited]]
    sparkplug: Sequence[RawRow]
    told: Sequence[Told]


Rows = Summary | list[Examined]

_Followed = list[tuple[RawRow, Message]]


def read_range(source: Source, start: int, stop: int) -> Rows:
    """Read the rows at these positions and look at them."""
    assert isinstance(source.ledger, Paged)
    pages = source.ledger.message_pages(source.collector, start, stop)
    rows = [raw for page in pages for raw in page]
    held = [look(raw, source.keys) for raw in rows]
    good = [one for one in held if one is not None]
    if len(good) == len(rows) == stop - start:
        summary = _summary(source, start, rows, good)
        if summary is not None:
            return summary
    return list(map(as_examined, rows, held))


def _summary(
    source: Source, start: int, rows: Sequence[RawRow], held: Sequence[Held]
) -> Summary | None:
    stop = start + len(rows)
    received = [raw[2] for raw in rows]
    if [raw[1] for raw in rows] != [*range(start, stop)] or received != sorted(received):
        return None
    leaves = Subtrees.over(start, [one.leaf for one in held])
    if leaves.leaves != _stored(source, start, stop):
        return None
    statuses = Counter[str](raw[11] for raw in rows)
    counted = _counted(rows) if statuses.keys() - KEYLESS_STATUSES else []
    followed: _Followed = []
    if "accepted" in statuses:
        followed = [
            (raw, one.message)
            for raw, one in zip(rows, held, strict=True)
            if raw[11] == "accepted" and one.message is not None
        ]
    runs = _runs(followed)
    if counted is None or runs is None:
        return None
    return Summary(
        start=start,
        stop=stop,
        leaves=leaves,
        received=received[0],
        received_last=received[-1],
        counted=counted,
        statuses=dict(statuses),
        claims=sum_of(source.nonce, [_claim(raw) for raw, _ in followed]),
        runs=runs,
        cited=_cited(followed),
        sparkplug=[without_payload(raw) for raw, _ in followed if f"{NAMESPACE}/" in raw[4]],
        told=_told(followed) if source.clocks else (),
    )


def _stored(source: Source, start: int, stop: int) -> bytes:
    """The stored leaf hashes, as far as they are there."""
    tiles = StoredTiles(source.ledger, source.collector)
    first = start // TILE_WIDTH
    found = [tiles.raw(0, n) or b"" for n in range(first, (stop - 1) // TILE_WIDTH + 1)]
    # A tile of wrong length must not move those after it.
    if any(len(tile) != TILE_WIDTH * HASH for tile in found[:-1]):
        return b""
    before = first * TILE_WIDTH
    return b"".join(found)[(start - before) * HASH : (stop - before) * HASH]


def _counted(rows: Sequence[RawRow]) -> list[tuple[int, int]] | None:
    """Where the number of key entries grows; None where it falls."""
    found = list[tuple[int, int]]()
    last = -1
    for raw in rows:
        keys = raw[13]
        if keys != last and raw[11] not in KEYLESS_STATUSES:
            if keys < last:
                return None
            found.append((raw[1], keys))
            last = keys
    return found


def _claim(raw: RawRow) -> Claim:
    return (raw[7], raw[8], raw[9], raw[0], raw[1], raw[16])


def _told(followed: _Followed) -> list[Told]:
    return [
        Told(raw[0], raw[1], raw[7], raw[12], raw[10], said.anchor.note if said.anchor else None)
        for raw, said in followed
    ]


def _cited(followed: _Followed) -> list[tuple[RawRow, Cited]]:
    found = dict[bytes, tuple[RawRow, Cited]]()
    for raw, message in followed:
        cited = message.anchor
        if cited is not None and cited.note not in found:
            found[cited.note] = without_payload(raw), cited
    return [*found.values()]


def _runs(followed: _Followed) -> list[Run] | None:
    """The chains, in the order in which they begin; None where two of a session overlap."""
    runs, latest = list[list[Any]](), dict[tuple[str, str], list[Any]]()
    for raw, message in followed:
        seq, body, position = raw[9], raw[16], raw[1]
        name = (raw[7], raw[8])
        run = latest.get(name)
        if run is not None and seq == run[3] + 1 and message.prev == run[5]:
            run[3], run[5], run[7] = seq, body, position
            continue
        link = None
        if message.prev is not None:
            link = Link(message.prev, raw[0], position, seq, raw[8], raw[12] or "")
        run = latest[name] = [*name, seq, seq, link, body, position, position]
        runs.append(run)
    found = [Run(*run) for run in runs]
    return None if len(runs) > len(latest) and _overlap(found) else found


def _overlap(runs: Sequence[Run]) -> bool:
    ordered = sorted(runs, key=lambda run: run[:4])
    return any(one[:2] == other[:2] and other.first <= one.last for one, other in pairwise(ordered))
