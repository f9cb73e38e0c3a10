"""Which stored message a person means, and its proof as files: ours, and strangers' form."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from anchor.anchor_db import read_state
from anchor.note import ED25519, VerifierKey
from anchor.proof_file import ProofFile
from factoryledger.errors import NotThere, WrongUsage
from factoryledger.files import write_whole
from factoryledger.installation import Installation
from telemetry.canonical import unb64
from telemetry.rows import MessageRow

if TYPE_CHECKING:
    from factoryledger.stores import Stores

_PLACE = re.compile(r"([a-z0-9_-]{1,64}):([0-9]{1,18})")
_CHUNK = 500


def parse_place(text: str) -> tuple[str, int]:
    """Read `COLLECTOR:POSITION`; WrongUsage when it is not that."""
    match = _PLACE.fullmatch(text)
    if match is None:
        raise WrongUsage(f"--message {text!r}: write COLLECTOR:POSITION, as audit does")
    return match[1], int(match[2])


def message_at(place: Installation, collector: str, position: int) -> MessageRow:
    """Find the message at a place; WrongUsage when no row is there."""
    row = next(iter(place.ledger.messages(collector, position, position + 1)), None)
    if row is None:
        raise WrongUsage(f"no message {collector}:{position} in the store")
    return row


def message_of(ledger: "Stores", device: str, session: str, seq: int) -> MessageRow:
    """Find the message that took a machine's number; WrongUsage when none did."""
    row = ledger.find(device, session, seq)
    if row is None:
        raise WrongUsage(f"no accepted message {seq} of {device} in session {session}")
    return row


def newest_anchored(place: Installation) -> MessageRow:
    """Find the newest accepted message under a published checkpoint; NotThere without one."""
    newest: MessageRow | None = None
    for collector, batches in read_state(place.data.anchor_db).anchored.items():
        row = next(_accepted(_newest_first(place.ledger, collector, batches)), None)
        if row is not None and (newest is None or row.received_at > newest.received_at):
            newest = row
    if newest is None:
        raise NotThere("no accepted message is anchored yet; wait, or run `anchor --once`")
    return newest


def _newest_first(ledger: "Stores", collector: str, batches: int) -> Iterator[MessageRow]:
    """A collector's rows in its first so many batches, the last first."""
    last = next(iter(ledger.batches(collector, batches - 1)), None)
    stop = last.start + last.size if last else 0
    while stop > 0:
        start = max(0, stop - _CHUNK)
        yield from reversed(list(ledger.messages(collector, start, stop)))
        stop = start


def _accepted(rows: Iterable[MessageRow]) -> Iterator[MessageRow]:
    return (row for row in rows if row.status == "accepted")


def file_name(row: MessageRow) -> str:
    """Give a proof's file name: the machine's number where there is one, else the position."""
    if row.device is not None:
        return f"{row.device}-{row.session}-{row.seq}.proof"
    return f"{row.collector}-{row.position}.proof"


def write_tlog_proofs(proof: ProofFile, policy: bytes, folder: Path) -> None:
    """Write both hops as ordinary tlog-proofs with entries and policies (docs/formats.md).

    `policy` is the pinned policy's file. The proof was verified: its first key entry is the
    operator's word for the collector's key.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (
        ("message.tlog-proof", proof.message_proof.to_bytes()),
        ("message.entry", proof.record),
        ("message.policy", f"log {_collector_vkey(proof)}\nquorum none\n".encode()),
        ("checkpoint.tlog-proof", proof.checkpoint_proof.to_bytes()),
        ("checkpoint.entry", proof.message_proof.checkpoint),
        ("checkpoint.policy", policy),
    ):
        write_whole(folder / name, content)


def _collector_vkey(proof: ProofFile) -> VerifierKey:
    """Give the key of the collector's log, named by its origin."""
    origin = proof.message_proof.checkpoint.partition(b"\n")[0].decode()
    lines = proof.keys[0].entry.decode().splitlines()
    key = next(line.removeprefix("key ") for line in lines if line.startswith("key "))
    return VerifierKey(origin, ED25519, unb64(key, 32))
