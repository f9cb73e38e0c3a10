"""The parsers that a case of the kind `parse` may name; each raises ValueError if it refuses.

What one gives as text is shown behind "accepted".
"""

from collections.abc import Callable
from io import BytesIO

from anchor.checkpoint import Checkpoint
from anchor.evidence_file import evidence_from_bytes
from anchor.ledgers.evm.receipt import EvmReceipt
from anchor.note import Note
from anchor.policy import Policy
from anchor.proof_file import ProofFile
from anchor.range_file import RangeFile
from anchor.tlog_proof import TlogProof
from telemetry import recording
from telemetry.header import parse_header
from telemetry.message import parse
from telemetry.receipt import Receipt
from telemetry.record import Record
from telemetry.sparkplug import Payload


def _telemetry(data: bytes) -> str:
    return "; ".join(str(scan.readings) for scan in parse(data, "telemetry").scans)


def _recording(data: bytes) -> str:
    reading = recording.read(BytesIO(data), "the recording")
    count = sum(1 for _ in reading)
    if not reading.complete:
        raise ValueError(f"cut short after {count} messages")
    return f"{count} messages"


PARSERS: dict[str, Callable[[bytes], object]] = {
    "checkpoint": lambda data: Checkpoint.from_text(data.decode()),
    "evidence": evidence_from_bytes,
    "evm-receipt": EvmReceipt.from_bytes,
    "note": Note.from_bytes,
    "policy": Policy.from_bytes,
    "proof": ProofFile.from_bytes,
    "range": RangeFile.from_bytes,
    "receipt": Receipt.from_bytes,
    "record": Record.from_bytes,
    "recording": _recording,
    "sparkplug": Payload.from_bytes,
    "telemetry": _telemetry,
    "birth": lambda data: parse(data, "birth"),
    "header": lambda data: parse_header(data, bytes(64)),
    "tlog-proof": TlogProof.from_bytes,
}
