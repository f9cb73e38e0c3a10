"""Examples of the anchor's formats, all by keys of these tests: what targets begin from."""

from functools import cache
from pathlib import Path

from fuzz_of_messages import KEY, TIME

from anchor import key_entry
from anchor.audit.memory import AuditMemory, Seen
from anchor.cosignature import cosign
from anchor.errors import Malformed, Refused
from anchor.keeping.add_checkpoint import AddCheckpoint
from anchor.monitor import Heads, MonitorState
from anchor.note import COSIGNATURE, ML_DSA_44, Note, SignerKey, sign_note
from anchor.policy import write_policy
from anchor.policy_text import Witness
from anchor.receipts import ReceiptTree
from anchor.tree_head import Checkpoint
from telemetry.receipt import ReceiptLeaf, bodies_digest

GOLDEN = Path(__file__).parents[1] / "golden" / "0.1"
HASH = bytes(range(32))
LOG = SignerKey.from_seed("example.org/log", bytes([1]) * 32)
OPERATOR = SignerKey.from_seed("example.org/log/operator", bytes([2]) * 32)
NEXT = SignerKey.from_seed("example.org/log", bytes([3]) * 32)
COLLECTOR = SignerKey.from_seed("example.org/log/collector/c0", bytes([4]) * 32)
WITNESSES = [
    SignerKey.from_seed(f"w{n}.example", bytes([30 + n]) * 32, algorithm)
    for n, algorithm in enumerate((COSIGNATURE, COSIGNATURE, ML_DSA_44))
]
REFUSALS = (Malformed, Refused)
HEAD = Checkpoint(LOG.name, 7, HASH)


@cache
def golden(name: str) -> bytes:
    """A file of an older release."""
    return (GOLDEN / name).read_bytes()


@cache
def cosigned() -> bytes:
    """A checkpoint of the log with three witnesses' lines."""
    note = Note.from_bytes(sign_note(HEAD.to_text(), LOG))
    lines = [cosign(key, note.text, 1_795_420_800) for key in WITNESSES]
    return note.with_signatures(*lines).to_bytes()


@cache
def policy() -> bytes:
    """A policy with an operator, three witnesses and a quorum of two."""
    witnesses = [
        Witness(f"w{n}", key.verifier, f"https://w{n}.example") for n, key in enumerate(WITNESSES)
    ]
    return write_policy(LOG.verifier, OPERATOR.verifier, witnesses, 2)


@cache
def entries() -> tuple[bytes, ...]:
    """A key entry of every action."""
    by = dict(operator=OPERATOR, time=TIME)
    return (
        key_entry.enrol(**by, kind="device", name="mill-01", key=KEY),
        key_entry.rotate(**by, name="mill-01", key=KEY, prior=HASH),
        key_entry.revoke(**by, kind="collector", name="c0", prior=HASH),
        key_entry.rotate_log(**by, former=LOG, key=NEXT),
        key_entry.erase(**by, collector="c0", first=0, last=9, statuses=["unsigned"]),
    )


@cache
def receipts() -> tuple[bytes, ...]:
    """Receipts of one commit, as machines get them."""
    leaves = [
        ReceiptLeaf("c0", f"m{n}", "s", ((0, n),), bodies_digest([HASH]), TIME).to_bytes()
        for n in range(5)
    ]
    return tuple(ReceiptTree(COLLECTOR).seal(leaves))


MEMORY = AuditMemory(
    TIME,
    "trust",
    b"note",
    {"c0": Seen(1, b"note", TIME, 2, "k", 2**250, None)},
    [["a", 1]],
    {"x": 1},
)
MONITOR = MonitorState({str(LOG.verifier): Heads(cosigned(), {"https://a.example": cosigned()})})
REQUEST = AddCheckpoint(3, (HASH, HASH), cosigned())
PROOFS = (
    "message.proof",
    "range.proof",
    "stamped.proof",
    "stamped-range.proof",
    "messages.evidence",
    "checkpoints.evidence",
)
OF_JSON = (b"null", b"1.0", b"[]", b"{}", b'"', b"\\u0000", b"\\ud800", b"[[[[")
