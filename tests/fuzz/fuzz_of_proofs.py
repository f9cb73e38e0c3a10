"""The anchor's formats: notes, checkpoints, cosignatures, tiles, proofs, policies, key entries."""

from dataclasses import replace
from functools import partial

from fuzz_anchored import (
    COLLECTOR,
    HASH,
    HEAD,
    LOG,
    MEMORY,
    MONITOR,
    OF_JSON,
    OPERATOR,
    PROOFS,
    REFUSALS,
    REQUEST,
    WITNESSES,
    cosigned,
    entries,
    golden,
    policy,
    receipts,
)
from fuzz_of_messages import TIME
from fuzz_target import Skipped, Target, cut, same, text

from anchor import key_entry
from anchor.audit.memory import AuditMemory
from anchor.command import CommandVerifier, sign_command
from anchor.correction import Change, Correction, CorrectionAuthority, Subject, seal
from anchor.errors import Malformed
from anchor.evidence_file import evidence_from_bytes, is_evidence
from anchor.keeping.add_checkpoint import AddCheckpoint, Answer, read_request
from anchor.monitor import MonitorState
from anchor.note import Note, SignerKey, VerifierKey, sign_note
from anchor.policy import Policy
from anchor.proof_file import ProofFile
from anchor.proving.evidence import check_evidence
from anchor.proving.range_verify import verify_range
from anchor.proving.verify import verify, verify_tlog
from anchor.range_file import RangeFile, is_range_file
from anchor.reading.log_memory import Memory
from anchor.receipts import ReceiptHead, ReceiptVerifier
from anchor.stamped import named
from anchor.tile import Tile, entries_from_path, entries_path, pack_entries, unpack_entries
from anchor.tlog_proof import TlogProof
from anchor.tree_head import Checkpoint


def _cosigned(data: bytes) -> None:
    opened = Policy.from_bytes(policy()).open(data)
    assert opened.bytes == data
    assert opened.checkpoint == HEAD  # nothing else was ever signed


def _policy(data: bytes) -> None:
    read = Policy.from_bytes(data)
    read.met_by(read.witnesses)
    read.lacking(())


AUTHORITY = key_entry.OperatorAuthority(OPERATOR.verifier)
CORRECTIONS = CorrectionAuthority(OPERATOR.verifier)
COMMANDS = CommandVerifier(OPERATOR.verifier)


def _entry_text(data: bytes) -> None:
    """Whatever text the operator's key signs, or a device writes: read, or refused."""
    said = text(data)
    try:
        note = sign_note(said, OPERATOR)
    except Malformed:
        raise Skipped from None
    AUTHORITY.read(note)


def _correction_text(data: bytes) -> None:
    """Whatever text the operator's key signs: read as it would be written, or refused."""
    said = text(data)
    try:
        note = sign_note(said, OPERATOR)
    except Malformed:
        raise Skipped from None
    assert seal(OPERATOR, CORRECTIONS.read(note)) == note


def _correction_seeds() -> list[bytes]:
    subject = Subject("c0", 7, HASH, ("mill-01", "s1", 6))
    said = Correction("correction", subject, "Erika Müller", "review", 'a "b"', TIME)
    change = Change("power", TIME, "61.2", "60.90", "Cel")
    return [
        replace(said, change=change).to_text().encode(),
        replace(said, kind="annotation", subject=Subject("c0", 7, HASH)).to_text().encode(),
        replace(said, kind="withdrawal", supersedes=HASH).to_text().encode(),
    ]


def _command_text(data: bytes) -> None:
    try:
        note = sign_note(text(data), OPERATOR)
    except Malformed:
        raise Skipped from None
    found = COMMANDS.check(note)
    again = sign_command(operator=OPERATOR, device=found.device, fault=found.fault, time=found.time)
    assert again == note


def _receipt(data: bytes) -> None:
    verifier = ReceiptVerifier(OPERATOR.verifier, LOG.name)
    verifier.admit(
        key_entry.enrol(operator=OPERATOR, kind="collector", name="c0", key=COLLECTOR, time=TIME)
    )
    assert verifier.check(data).device.startswith("m")


def _proof(data: bytes) -> None:
    """As `verify FILE` does with what it is given: nothing but the true file holds."""
    trusted = Policy.from_bytes(golden("policy"))
    if is_evidence(data):
        check_evidence(data, trusted)
    elif is_range_file(data):
        verify_range(data, trusted)
    else:
        verify(data, trusted)


def _hop(data: bytes) -> None:
    proof, entry, trusted = cut(data, 3)
    verify_tlog(proof, entry, Policy.from_bytes(trusted))


def _hop_seeds() -> list[bytes]:
    return [
        b"\n%%%\n".join(golden(f"hops/{hop}.{part}") for part in ("tlog-proof", "entry", "policy"))
        for hop in ("message", "checkpoint")
    ]


def _path(read, write):
    return same(lambda data: read(text(data)), lambda value: write(value).encode())


TARGETS = [
    Target(
        "note",
        same(Note.from_bytes, Note.to_bytes),
        (Malformed,),
        lambda: [cosigned(), *entries()[:1]],
        ("— ".encode(), b"\n\n"),
    ),
    Target(
        "vkey",
        _path(VerifierKey.from_text, str),
        (Malformed,),
        lambda: [str(k.verifier).encode() for k in (LOG, *WITNESSES)],
    ),
    Target(
        "private-key",
        _path(SignerKey.from_text, SignerKey.to_text),
        (Malformed,),
        lambda: [k.to_text().encode() for k in (LOG, WITNESSES[2])],
    ),
    Target(
        "checkpoint",
        _path(Checkpoint.from_text, Checkpoint.to_text),
        (Malformed,),
        lambda: [HEAD.to_text().encode()],
    ),
    Target(
        "cosigned-checkpoint",
        _cosigned,
        REFUSALS,
        lambda: [cosigned()],
        ("\n— w0.example ".encode(),),
    ),
    Target(
        "policy",
        _policy,
        (Malformed,),
        lambda: [policy(), golden("policy")],
        (b"group g any ", b"quorum ", b"witness ", b"log ", b"# "),
    ),
    Target("key-entry", AUTHORITY.read, REFUSALS, entries),
    Target(
        "key-entry-text",
        _entry_text,
        REFUSALS,
        lambda: [Note.from_bytes(e).text.encode() for e in entries()],
        (b"prior ", b"status ", b"key ", b"consent "),
    ),
    Target(
        "correction-text",
        _correction_text,
        REFUSALS,
        _correction_seeds,
        (b"supersedes ", b"machine ", b"unit ", b"\\u202e", b"1e999", b"-0"),
    ),
    Target(
        "command",
        _command_text,
        REFUSALS,
        lambda: [
            Note.from_bytes(
                sign_command(
                    operator=OPERATOR,
                    device="mill-01",
                    fault="spikes:mill-01/power@30+60",
                    time=TIME,
                )
            ).text.encode()
        ],
    ),
    Target(
        "tile-path",
        _path(Tile.from_path, lambda tile: tile.path),
        (Malformed,),
        lambda: [b"tile/0/x001/234.p/5", b"tile/63/000"],
    ),
    Target(
        "bundle-path",
        _path(entries_from_path, lambda place: entries_path(*place)),
        (Malformed,),
        lambda: [b"tile/entries/x001/x234/067.p/255"],
    ),
    Target(
        "bundle",
        same(unpack_entries, pack_entries),
        (Malformed,),
        lambda: [pack_entries([b"a", b"", *entries()])],
        factor=200,
    ),
    Target(
        "tlog-proof",
        same(TlogProof.from_bytes, TlogProof.to_bytes),
        (Malformed,),
        lambda: [golden("hops/message.tlog-proof")],
    ),
    Target("hop", _hop, REFUSALS, _hop_seeds),
    Target(
        "receipt-head",
        _path(ReceiptHead.from_text, ReceiptHead.to_text),
        (Malformed,),
        lambda: [ReceiptHead(COLLECTOR.name, 5, HASH).to_text().encode()],
    ),
    Target("receipt", _receipt, REFUSALS, receipts),
    Target(
        "proof-file",
        same(ProofFile.from_bytes, ProofFile.to_bytes),
        (Malformed,),
        lambda: [golden("message.proof"), golden("stamped.proof")],
        OF_JSON,
        longest=1 << 17,
    ),
    Target(
        "range-file",
        same(RangeFile.from_bytes, RangeFile.to_bytes),
        (Malformed,),
        lambda: [golden("range.proof"), golden("stamped-range.proof")],
        OF_JSON,
        longest=1 << 17,
    ),
    Target(
        "evidence-file",
        same(evidence_from_bytes, lambda e: e.to_bytes()),
        (Malformed,),
        lambda: [golden("messages.evidence"), golden("checkpoints.evidence")],
        OF_JSON,
        longest=1 << 17,
    ),
    Target(
        "verified",
        _proof,
        REFUSALS,
        lambda: [golden(name) for name in PROOFS],
        OF_JSON,
        longest=1 << 17,
    ),
    Target("receipt-name", lambda data: named(text(data)), (), lambda: [b"0123.evm", b"tsa.tsr"]),
    Target(
        "log-memory",
        same(partial(Memory.from_bytes, key="k", origin="o"), lambda m: m.to_bytes("k", "o")),
        (Malformed,),
        lambda: [Memory(cosigned(), 5).to_bytes("k", "o"), Memory().to_bytes("k", "o")],
        OF_JSON,
    ),
    Target(
        "audit-memory",
        same(AuditMemory.from_bytes, AuditMemory.to_bytes),
        (Malformed,),
        lambda: [MEMORY.to_bytes()],
        OF_JSON,
    ),
    Target(
        "monitor-state",
        same(MonitorState.from_bytes, MonitorState.to_bytes),
        (Malformed,),
        lambda: [MONITOR.to_bytes()],
        OF_JSON,
    ),
    Target(
        "add-checkpoint",
        same(AddCheckpoint.from_bytes, AddCheckpoint.to_bytes),
        (Malformed,),
        lambda: [REQUEST.to_bytes()],
        (b"old ",),
    ),
    Target(
        "witness-request",
        lambda data: read_request(data, {LOG.name: [LOG.verifier]}),
        (Answer,),
        lambda: [REQUEST.to_bytes()],
        (b"old ",),
    ),
]
