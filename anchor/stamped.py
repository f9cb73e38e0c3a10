"""A checkpoint that outside ledgers stamped, inside a proof: form only (docs/formats.md).

Its receipts are in the ledgers' own formats; who verifies knows those that it pinned.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from anchor.errors import Malformed
from anchor.merkle import HASH
from anchor.spelling import decoded, octets
from telemetry.canonical import b64, quote

MAX_RECEIPTS: Final = 64
"""In one proof: to check one costs its reader time, and a factory has a few ledgers."""

_NAME: Final = re.compile(r"[a-z0-9-]{1,32}")
_KIND: Final = re.compile(r"[a-z0-9]{1,8}")


@dataclass(frozen=True, slots=True)
class Receipt:
    """One ledger's receipt: the operator's name for the ledger, its kind, its bytes."""

    ledger: str
    kind: str
    data: bytes


@dataclass(frozen=True, slots=True)
class StampedCheckpoint:
    """A checkpoint whose tree contains the proved entry, and its receipts.

    `checkpoint` is None, and `path` empty, for the one inside the proof's own
    `checkpoint_proof`; else its note and the entry's path in its tree.
    """

    checkpoint: bytes | None
    path: tuple[bytes, ...]
    receipts: tuple[Receipt, ...]


def stamped_text(stamped: StampedCheckpoint) -> str:
    """A stamped checkpoint as JSON."""
    note = "null" if stamped.checkpoint is None else quote(decoded(stamped.checkpoint, "a note"))
    path = ",".join(f'"{b64(step)}"' for step in stamped.path)
    receipts = ",".join(
        f'{{"ledger":{quote(one.ledger)},"kind":{quote(one.kind)},"receipt":"{b64(one.data)}"}}'
        for one in stamped.receipts
    )
    return f'{{"checkpoint":{note},"path":[{path}],"receipts":[{receipts}]}}'


def read_all_stamped(members: Sequence[dict[str, Any]]) -> tuple[StampedCheckpoint, ...]:
    """Read what is stamped in one proof; Malformed for more than 64 receipts, else as below."""
    if sum(len(member["receipts"]) for member in members) > MAX_RECEIPTS:
        raise Malformed(f"more than {MAX_RECEIPTS} receipts of outside ledgers in one proof")
    return tuple(map(read_stamped, members))


def read_stamped(member: dict[str, Any]) -> StampedCheckpoint:
    """Read a stamped checkpoint; Malformed, KeyError or TypeError for another form."""
    note = member["checkpoint"]
    stamped = StampedCheckpoint(
        checkpoint=None if note is None else note.encode(),
        path=tuple(octets(step, "hash in a path", HASH) for step in member["path"]),
        receipts=tuple(map(_receipt, member["receipts"])),
    )
    if not stamped.receipts or (stamped.checkpoint is None and stamped.path):
        raise Malformed("a stamped checkpoint without receipts, or with a path that leads nowhere")
    return stamped


def named(name: str) -> tuple[str, str] | None:
    """A receipt file's ledger and kind by its name; None for another file."""
    ledger, _, kind = name.rpartition(".")
    return (ledger, kind) if _NAME.fullmatch(ledger) and _KIND.fullmatch(kind) else None


def _receipt(member: dict[str, Any]) -> Receipt:
    ledger, kind = member["ledger"], member["kind"]
    if named(f"{ledger}.{kind}") != (ledger, kind):
        raise Malformed(f"{ledger!r} and {kind!r} name no ledger")
    return Receipt(ledger, kind, octets(member["receipt"], "receipt"))
