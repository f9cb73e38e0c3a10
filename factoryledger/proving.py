"""Which stored message a person means, and its proof as files: ours, and strangers' form."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from anchor.errors import Missing
from anchor.note import ED25519, VerifierKey
from anchor.proof_file import ProofFile
from factoryledger.anchored import anchored_records
from factoryledger.errors import NotThere, WrongUsage
from factoryledger.files import write_whole
from factoryledger.installation import Installation
from telemetry.canonical import unb64
from telemetry.members import MAX_SEQ
from telemetry.rows import MessageRow

if TYPE_CHECKING:
    from anchor.proving.prove import ProvingLog
    from anchor.range_verified import VerifiedRange
    from anchor.reading.hinted_log import Hints
    from factoryledger.stores import Stores

_PLACE = re.compile(r"([a-z0-9_-]{1,64}):([0-9]{1,18})")
_CHUNK = 500
_HELD = "signed-by gateway "


@contextmanager
def hints_of(place: Installation) -> Iterator["Hints | None"]:
    """Open this data folder's anchor.db, which knows where things stand; None where it is none.

    It may be of another log than the one that is read: what it says is checked.
    """
    from anchor.keeping.anchored_places import AnchoredPlaces  # noqa: PLC0415 - on demand

    try:
        hints = AnchoredPlaces(place.data.anchor_db)
    except Missing:
        yield None
        return
    with hints:
        yield hints


def proof_of(place: Installation, row: MessageRow) -> ProofFile:
    """Build a row's proof and verify it; Missing where it is not anchored, Refused if false."""
    from anchor.proving.prove import prove  # noqa: PLC0415 - on demand
    from factoryledger.outside import vouchers  # noqa: PLC0415 - on demand

    with hints_of(place) as hints:
        return prove(
            ledger=place.ledger,
            log=place.log_reader,
            policy=place.policy,
            row=row,
            hints=hints,
            vouchers=vouchers(place),
        )


def gateway_of(proof: ProofFile) -> str | None:
    """The gateway that holds the key of a verified proof's message; None where nobody does."""
    for held in proof.keys[1:]:
        lines = held.entry.decode().splitlines()
        names = [one.removeprefix(_HELD) for one in lines if one.startswith(_HELD)]
        if names or any(line.startswith("key ") for line in lines):
            return names[0] if names else None
    return None


def write_proof(place: Installation, proof: ProofFile, row: MessageRow, out: Path | None) -> Path:
    """Write a row's proof where it was asked for, else into the data folder; gives where."""
    path = out or place.settings.data / "proofs" / file_name(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, proof.to_bytes())
    return path


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


def named_row(
    place: Installation,
    device: str | None,
    session: str | None,
    seq: int | None,
    message: str | None,
) -> MessageRow | None:
    """Find the row that options name; None where they name none, WrongUsage for a part of one."""
    numbered = (device, session, seq)
    if message is not None and numbered == (None, None, None):
        return message_at(place, *parse_place(message))
    if message is None and device is not None and session is not None and seq is not None:
        if not 0 <= seq <= MAX_SEQ:
            raise WrongUsage(f"--seq {seq}: a message's number is from 0 to 2^63-1")
        return message_of(place.ledger, device, session, seq)
    if message is None and numbered == (None, None, None):
        return None
    raise WrongUsage(
        "name a message by --device, --session and --seq together, or by --message alone"
    )


def newest_anchored(place: Installation) -> MessageRow:
    """Find the newest accepted message under a published checkpoint; NotThere without one."""
    newest: MessageRow | None = None
    for collector, records in anchored_records(place).items():
        row = next(_accepted(_newest_first(place.ledger, collector, records)), None)
        if row is not None and (newest is None or row.received_at > newest.received_at):
            newest = row
    if newest is None:
        raise NotThere("no accepted message is anchored yet; wait, or run `anchor --once`")
    return newest


def _newest_first(ledger: "Stores", collector: str, stop: int) -> Iterator[MessageRow]:
    """A collector's first so many rows, the last first."""
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


@dataclass(frozen=True, slots=True)
class RangeAsked:
    """A machine's time that is to be proved, in microseconds by its clock."""

    device: str
    start: int
    stop: int
    metric: str | None


def parse_range(
    device: str | None, since: str | None, until: str | None, metric: str | None
) -> RangeAsked:
    """Read what `prove --from` is asked for; WrongUsage when something is missing or no time."""
    if device is None or since is None or until is None:
        raise WrongUsage("a range is named by --device, --from and --to together")
    return RangeAsked(device, parse_time(since, "--from"), parse_time(until, "--to"), metric)


def write_range(
    place: Installation, asked: RangeAsked, out: Path | None
) -> tuple[Path, "VerifiedRange"]:
    """Write the proof of a range; where it is, and what it proves."""
    from anchor.proving.prove import with_log  # noqa: PLC0415 - on demand
    from anchor.proving.range_prove import prove_range  # noqa: PLC0415 - on demand
    from anchor.proving.range_verify import verify_range  # noqa: PLC0415 - on demand
    from factoryledger.outside import vouchers  # noqa: PLC0415 - on demand

    def build(known: "ProvingLog") -> bytes:
        return prove_range(
            ledger=place.ledger,
            known=known,
            device=asked.device,
            start=asked.start,
            stop=asked.stop,
            metric=asked.metric,
        ).to_bytes()

    pinned = vouchers(place)
    with hints_of(place) as hints:
        data = with_log(
            build,
            log=place.log_reader,
            policy=place.policy,
            hints=hints,
            store=place.ledger,
            vouchers=pinned,
        )
    name = f"{asked.device}-{asked.start}-{asked.stop}.proof"
    path = out or place.settings.data / "proofs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)
    return path, verify_range(data, place.policy, pinned)


def report_range(path: Path, found: "VerifiedRange", *, json_: bool) -> None:
    """Say what was written."""
    messages, readings = len(found.within), len(found.readings)
    missing = [list(gap) for gap in found.missing]
    if json_:
        said = {"proof": str(path), "device": found.device, "messages": messages}
        typer.echo(json.dumps({**said, "readings": readings, "missing": missing}))
        return
    gaps = f", {len(missing)} gaps in the machine's numbers" if missing else ""
    typer.echo(f"{path}: {messages} messages of {found.device}, {readings} readings{gaps}")


def parse_time(text: str, option: str) -> int:
    """Read an ISO 8601 time with a zone, to the microsecond."""
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise WrongUsage(f"{option} {text!r}: write a time like 2026-11-25T08:00:00Z") from error
    if given.tzinfo is None:
        raise WrongUsage(f"{option} {text!r}: say the zone, as in 2026-11-25T08:00:00Z")
    since = given - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


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
