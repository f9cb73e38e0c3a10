"""Every format of the anchor: what its writer may be given, how it is written and read.

`FORMATS` names for each the module that holds it; a test demands that no module is left out.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import strategies as st

from anchor import key_entry
from anchor.audit.memory import AuditMemory, Seen
from anchor.command import CommandVerifier, sign_command
from anchor.correction import MEANINGS, Correction, Subject
from anchor.evidence_file import (
    ForkedCheckpoints,
    ForkedMessages,
    SignedMessage,
    evidence_from_bytes,
)
from anchor.keeping import witness_mark
from anchor.keeping.add_checkpoint import AddCheckpoint
from anchor.merkle import EMPTY_ROOT
from anchor.monitor import Heads, MonitorState
from anchor.note import (
    COSIGNATURE,
    ECDSA,
    ED25519,
    ML_DSA_44,
    Note,
    Signature,
    SignerKey,
    VerifierKey,
    sign_note,
)
from anchor.policy import Policy, write_policy
from anchor.policy_text import Witness, items_of
from anchor.proof_file import IncludedEntry, ProofFile
from anchor.range_file import ErasedMessage, RangeFile, RangeMessage, RangePart
from anchor.reading.log_memory import Memory
from anchor.receipts import ReceiptHead
from anchor.stamped import Receipt, StampedCheckpoint
from anchor.tile import Tile, entries_from_path, entries_path, pack_entries, unpack_entries
from anchor.tlog_proof import TlogProof
from anchor.tree_head import Checkpoint
from telemetry.canonical import b64
from telemetry.keyring import KeyStatement
from telemetry.signature import SigningKey

MAX = 2**63 - 1
OPERATOR = SignerKey.from_seed("example.org/log/operator", bytes([2]) * 32)
LOG = SignerKey.from_seed("example.org/log", bytes([1]) * 32)
NEXT_LOG = SignerKey.from_seed("example.org/log", bytes([3]) * 32)
HOLDER = SigningKey.from_seed(bytes([20]) * 32)
AUTHORITY = key_entry.OperatorAuthority(OPERATOR.verifier)
COMMANDS = CommandVerifier(OPERATOR.verifier)


@dataclass(frozen=True)
class Format:
    """A format: the module that holds it, values, and both ways between them and bytes.

    `loose` where the specification allows several spellings of one meaning.
    """

    name: str
    module: str
    values: st.SearchStrategy[Any]
    write: Callable[[Any], bytes]
    read: Callable[[bytes], Any]
    loose: bool = False


# -- values ------------------------------------------------------------------------------

numbers = st.one_of(st.integers(0, 300), st.integers(0, MAX))
hashes = st.binary(min_size=32, max_size=32)
paths = st.lists(hashes, max_size=4).map(tuple)
segments = st.from_regex(r"[a-z0-9_-]{1,64}", fullmatch=True)
times = st.integers(0, 253_402_300_799_999_999)
text = st.text(st.characters(codec="utf-8"), max_size=20)
encoded = text.map(str.encode)
key_names = st.text(
    st.characters(min_codepoint=33, codec="utf-8", exclude_characters="+").filter(
        lambda c: not c.isspace()
    ),
    min_size=1,
    max_size=12,
)
note_texts = st.text(
    st.characters(min_codepoint=32, codec="utf-8") | st.just("\n"), max_size=40
).map(lambda found: found + "\n")
lines_of_notes = st.builds(
    Signature, key_names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80)
)
notes = st.builds(Note, note_texts, st.lists(lines_of_notes, min_size=1, max_size=3).map(tuple))
heads = st.one_of(
    st.builds(
        Checkpoint,
        st.text(st.characters(min_codepoint=32, codec="utf-8"), min_size=1, max_size=20),
        st.integers(1, MAX),
        hashes,
    ),
    st.just(Checkpoint("empty", 0, EMPTY_ROOT)),
)
tlog_proofs = st.builds(TlogProof, numbers, paths, encoded.map(lambda c: c + b"\n"))
extra_proofs = st.builds(
    TlogProof, numbers, paths, encoded.map(lambda c: c + b"\n"), st.none() | st.binary(max_size=9)
)
included = st.builds(IncludedEntry, encoded, numbers, paths)
receipts_outside = st.builds(
    Receipt,
    st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True),
    st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True),
    st.binary(max_size=9),
)
some_receipts = st.lists(receipts_outside, min_size=1, max_size=2).map(tuple)
stamped = st.one_of(
    st.builds(StampedCheckpoint, st.none(), st.just(()), some_receipts),
    st.builds(StampedCheckpoint, encoded, paths, some_receipts),
)
all_stamped = st.lists(stamped, max_size=2).map(tuple)
proof_files = st.builds(
    ProofFile,
    payload=st.none() | st.binary(max_size=50),
    record=encoded,
    message_proof=tlog_proofs,
    checkpoint_proof=tlog_proofs,
    keys=st.lists(included, max_size=3).map(tuple),
    cited=st.none() | encoded,
    stamped=all_stamped,
)
range_messages = st.one_of(
    st.builds(
        RangeMessage,
        position=numbers,
        received=numbers,
        original=st.none() | numbers,
        topic=numbers,
        properties=st.none() | text,
        keys=numbers,
        entry=numbers,
        payload=st.binary(max_size=20) | encoded,
    ),
    st.builds(ErasedMessage, numbers, encoded),
)
range_files = st.builds(
    RangeFile,
    device=segments,
    start=times,
    stop=times,
    metric=st.none() | text,
    parts=st.lists(
        st.builds(
            RangePart,
            checkpoint=encoded,
            checkpoint_proof=tlog_proofs,
            keys=st.lists(included, max_size=2).map(tuple),
            topics=st.lists(text, max_size=2).map(tuple),
            messages=st.lists(range_messages, max_size=3).map(tuple),
            hashes=paths,
            cited=st.none() | encoded,
            stamped=all_stamped,
        ),
        max_size=2,
    ).map(tuple),
)
messages = st.builds(SignedMessage, text, st.binary(max_size=20), st.none() | text)
head_notes = heads.map(lambda head: sign_note(head.to_text(), LOG))
evidence = st.one_of(
    st.builds(ForkedMessages.of, messages, messages, encoded),
    st.builds(ForkedCheckpoints.of_one_size, head_notes, head_notes, st.none() | encoded),
    st.builds(ForkedCheckpoints, head_notes, head_notes, hashes, paths, st.none() | encoded),
)
seen = st.builds(
    Seen,
    number=numbers,
    checkpoint=encoded,
    received=numbers,
    counted=numbers,
    keys=text,
    claims=st.integers(0, 2**256 - 1),
    decoded=st.none() | numbers,
)
audit_memories = st.builds(
    AuditMemory,
    made=numbers,
    trust=text,
    anchor=encoded,
    collectors=st.dictionaries(segments, seen, max_size=2),
    chains=st.lists(st.none() | numbers | text, max_size=2),
    births=st.dictionaries(text, text, max_size=2),
)
monitor_states = st.builds(
    MonitorState,
    st.dictionaries(
        text,
        st.builds(
            Heads, st.none() | encoded.filter(bool), st.dictionaries(text, encoded, max_size=2)
        ),
        max_size=2,
    ),
)
log_memories = st.one_of(
    st.builds(Memory, text.filter(bool).map(str.encode), numbers), st.just(Memory())
)


@cache
def _ecdsa(curve: int, scalar: int) -> bytes:
    """A public key of P-256, P-384 or P-521, as SPKI."""
    private = ec.derive_private_key(scalar, (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())[curve])
    return private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


signers = st.builds(
    SignerKey.from_seed, key_names, hashes, st.sampled_from([ED25519, COSIGNATURE, ML_DSA_44])
)
verifiers = st.one_of(
    signers.map(lambda key: key.verifier),
    st.builds(
        lambda name, curve, scalar: VerifierKey(name, ECDSA, _ecdsa(curve, scalar)),
        key_names,
        st.integers(0, 2),
        st.integers(1, 20),
    ),
)


# -- policies ----------------------------------------------------------------------------


@st.composite
def policies(draw):
    """What `write_policy` writes: the arguments that it was given."""
    algorithms = draw(st.lists(st.sampled_from([COSIGNATURE, ML_DSA_44]), max_size=3))
    names = draw(
        st.lists(
            # A key name may hold U+007F and C2SP tlog-policy no such octet.
            # Of spaces, only U+0020 and tab divide a policy's line.
            st.lists(key_names | st.sampled_from(["\u00a0", "\u2028"]), min_size=1, max_size=3)
            .map("".join)
            .filter(
                lambda n: n not in {"none", "enough-witnesses"} and n[0] != "#" and "\x7f" not in n
            ),
            min_size=len(algorithms),
            max_size=len(algorithms),
            unique=True,
        )
    )
    urls = st.none() | st.from_regex(r"https://[a-z]{1,8}", fullmatch=True)
    witnesses = tuple(
        Witness(name, _witness(i, algorithm), draw(urls))
        for i, (name, algorithm) in enumerate(zip(names, algorithms, strict=True))
    )
    quorums = ["none", *names, *(["any", "all"] if names else []), *range(1, len(names) + 1)]
    return (
        LOG.verifier,
        draw(st.none() | st.just(OPERATOR.verifier)),
        witnesses,
        draw(st.sampled_from(quorums)),
    )


@cache
def _witness(number: int, algorithm: int) -> VerifierKey:
    return SignerKey.from_seed(f"w{number}.example", bytes([30 + number]) * 32, algorithm).verifier


def policy_arguments(data: bytes) -> tuple[Any, ...]:
    """The arguments that write this policy, read from it."""
    read = Policy.from_bytes(data)
    quorum: Any = read.quorum
    if read.groups:
        (quorum,) = (
            items_of(line)[2] for line in data.decode().split("\n") if line[:6] == "group "
        )
    quorum = int(quorum) if quorum.isdigit() and quorum not in read.witnesses else quorum
    return (read.log, read.operator, tuple(read.witnesses.values()), quorum)


# -- signed by the operator --------------------------------------------------------------

names_of_erasures = st.builds(
    lambda collector, one, other: (collector, min(one, other), max(one, other)),
    segments, numbers, numbers,
)  # fmt: skip
entries = st.one_of(
    st.builds(
        lambda kind, name, time: key_entry.enrol(
            operator=OPERATOR, kind=kind, name=name, key=HOLDER, time=time
        ),
        st.sampled_from(["device", "collector"]), segments, times,
    ),
    st.builds(
        lambda gateway, name, prior, time: key_entry.rotate(
            operator=OPERATOR, name=name, key=HOLDER, prior=prior, time=time, gateway=gateway
        ),
        segments, segments, hashes, times,
    ),
    st.builds(
        lambda gateway, name, time: key_entry.enrol(
            operator=OPERATOR, kind="device", name=name, key=HOLDER, time=time, gateway=gateway
        ),
        segments, segments, times,
    ),
    st.builds(
        lambda kind, name, prior, time: key_entry.rotate(
            operator=OPERATOR, kind=kind, name=name, key=HOLDER, prior=prior, time=time
        ),
        st.sampled_from(["device", "collector"]), segments, hashes, times,
    ),
    st.builds(
        lambda kind, name, prior, time: key_entry.revoke(
            operator=OPERATOR, kind=kind, name=name, prior=prior, time=time
        ),
        st.sampled_from(["device", "collector"]), segments, hashes, times,
    ),
    st.builds(
        lambda time: key_entry.rotate_log(
            operator=OPERATOR, former=LOG, key=NEXT_LOG, time=time
        ),
        times,
    ),
    st.builds(
        lambda name, statuses, time: key_entry.erase(
            operator=OPERATOR, collector=name[0], first=name[1], last=name[2],
            statuses=[s for s in key_entry.STATUSES if s in statuses], time=time,
        ),
        names_of_erasures, st.sets(st.sampled_from(key_entry.STATUSES)), times,
    ),
)  # fmt: skip


def _time(us: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def entry_text(said: KeyStatement) -> str:
    """A key entry's text from what it says, written out from docs/formats.md."""
    second = said.action == "rotate" and said.kind in {"collector", "log"}
    lines = [
        f"factoryledger key entry v{3 if said.gateway else 2 if second else 1}",
        f"{said.action} {said.kind} {said.name}",
        f"time {_time(said.time)}",
    ]
    if said.gateway is not None:
        lines.append(f"signed-by gateway {said.gateway}")
    if said.key is not None:
        lines.append(f"key {b64(said.key)}")
    if said.prior is not None:
        lines.append(f"prior {said.prior.hex()}")
    if said.statuses:
        lines.append(f"status {','.join(said.statuses)}")
    found = "".join(f"{line}\n" for line in lines)
    if said.former is not None:
        found += f"former {b64(said.former)}\n"
        signed = LOG.raw.sign(b"factoryledger/consent/v1\0" + found.encode())
        found += f"consent {b64(signed)}\n"
    if said.key is not None:
        holder = HOLDER if said.key == HOLDER.public_key else NEXT_LOG.raw
        signed = holder.sign(b"factoryledger/possession/v1\0" + found.encode())
        found += f"possession {b64(signed)}\n"
    return found


def read_text_of_entry(data: bytes) -> KeyStatement:
    """What an entry of this text says, once the operator has signed it as it is."""
    found = AUTHORITY.read(sign_note(data.decode(), OPERATOR))
    return KeyStatement(**{**_members(found), "hash": b""})


def _members(statement: KeyStatement) -> dict[str, Any]:
    return {name: getattr(statement, name) for name in statement.__dataclass_fields__}


entry_texts = entries.map(lambda entry: read_text_of_entry(Note.from_bytes(entry).text.encode()))
commands = st.builds(
    lambda device, fault, time: (device, fault, time),
    segments,
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20),
    times,
)


def write_command(said: tuple[str, str, int]) -> bytes:
    """A command's text."""
    device, fault, time = said
    note = sign_command(operator=OPERATOR, device=device, fault=fault, time=time)
    return Note.from_bytes(note).text.encode()


def read_command(data: bytes) -> tuple[str, str, int]:
    """What a command of this text says, once the operator has signed it as it is."""
    found = COMMANDS.check(sign_note(data.decode(), OPERATOR))
    return found.device, found.fault, found.time


# -- all of them -------------------------------------------------------------------------

VKEY = str(LOG.verifier)
annotations = st.builds(
    Correction,
    kind=st.just("annotation"),
    subject=st.builds(
        Subject, st.from_regex(r"[a-z0-9_-]{1,64}", fullmatch=True), st.integers(0, MAX), hashes
    ),
    by=st.from_regex(r"[A-Za-z]{1,40}", fullmatch=True),
    meaning=st.sampled_from(MEANINGS),
    reason=st.from_regex(r"[A-Za-z\"\\é]{1,40}", fullmatch=True),
    time=st.integers(0, 253_402_300_799_999_999),
    supersedes=st.none() | hashes,
)
"""The other kinds are in `test_correction.py`."""

FORMATS = [
    Format(
        "vkey: Ed25519 0x01, ECDSA 0x02, cosignature 0x04, ML-DSA-44 0x06", "note_key", verifiers,
        lambda key: str(key).encode(), lambda data: VerifierKey.from_text(data.decode()),
    ),
    Format(
        "private key", "note_key", signers.map(SignerKey.to_text), str.encode,
        lambda data: SignerKey.from_text(data.decode()).to_text(),
    ),
    Format("note", "note", notes, Note.to_bytes, Note.from_bytes),
    Format(
        "checkpoint", "tree_head", heads,
        lambda head: head.to_text().encode(), lambda data: Checkpoint.from_text(data.decode()),
    ),
    Format("tlog-proof", "tlog_proof", extra_proofs, TlogProof.to_bytes, TlogProof.from_bytes),
    Format(
        "path of a tile", "tile",
        st.builds(Tile, st.integers(0, 63), numbers, st.integers(1, 256)),
        lambda tile: tile.path.encode(), lambda data: Tile.from_path(data.decode()),
    ),
    Format(
        "path of a bundle", "tile", st.tuples(numbers, st.integers(1, 256)),
        lambda place: entries_path(*place).encode(), lambda data: entries_from_path(data.decode()),
    ),
    Format(
        "bundle of entries", "tile", st.lists(st.binary(max_size=9), min_size=1, max_size=9),
        pack_entries, unpack_entries,
    ),
    Format(
        "policy", "policy", policies(),
        lambda said: write_policy(*said), policy_arguments, loose=True,
    ),
    Format(
        "key entry", "key_entry", entry_texts,
        lambda said: entry_text(said).encode(), read_text_of_entry,
    ),
    Format("command", "command", commands, write_command, read_command),
    Format(
        "witness mark", "keeping.witness_mark",
        st.dictionaries(st.tuples(hashes.map(bytes.hex), key_names), st.integers(0, MAX)),
        witness_mark.to_bytes, witness_mark.from_bytes,
    ),
    Format(
        "correction", "correction", annotations,
        lambda said: said.to_text().encode(), lambda data: Correction.from_text(data.decode()),
    ),
    Format(
        "head of receipts", "receipts",
        st.builds(ReceiptHead, key_names, st.integers(1, MAX), hashes),
        lambda head: head.to_text().encode(), lambda data: ReceiptHead.from_text(data.decode()),
    ),
    Format("proof file", "proof_file", proof_files, ProofFile.to_bytes, ProofFile.from_bytes),
    Format("range file", "range_file", range_files, RangeFile.to_bytes, RangeFile.from_bytes),
    Format(
        "evidence file", "evidence_file", evidence,
        lambda said: said.to_bytes(), evidence_from_bytes,
    ),
    Format(
        "memory of a log", "reading.log_memory", log_memories,
        lambda memory: memory.to_bytes(VKEY, "o"),
        lambda data: Memory.from_bytes(data, VKEY, "o"),
    ),
    Format(
        "memory of an audit", "audit.memory", audit_memories,
        AuditMemory.to_bytes, AuditMemory.from_bytes,
    ),
    Format(
        "state of a monitor", "monitor", monitor_states,
        MonitorState.to_bytes, MonitorState.from_bytes,
    ),
    Format(
        "add-checkpoint", "keeping.add_checkpoint",
        st.builds(AddCheckpoint, numbers, paths, encoded),
        AddCheckpoint.to_bytes, AddCheckpoint.from_bytes,
    ),
]  # fmt: skip


# -- damage ------------------------------------------------------------------------------

_PIECES = [
    b"\n", b" ", b"\t", b"\r", b"\0", b"0", b"1", b"-", b"+", b"=", b"A", b"/", b'"', b",", b":",
    b"[", b"]", b"{", b"}", b"\\", b"null", b"true", b"1.0", b"1e0", b"\xc2\xa0", b"\xff",
]  # fmt: skip
_WILD = [
    None, True, False, 0, -1, 1, 1.0, 2**63, 10**30, "", "a", "\ud800", "AAAA", "AAA=", "0", "\n",
    [], [1], [None], ["a", "b", "c"], {}, {"a": 1},
]  # fmt: skip


@st.composite
def damaged(draw, data: bytes) -> bytes:
    """The bytes, changed by pieces, by lines, or by a value where they are JSON."""
    how = draw(st.sampled_from(["piece", "cut", "line", "value"]))
    if how == "value" and data.startswith((b'{"', b'{\n "')):
        return draw(_other_value(data))
    if how == "line":
        lines = data.split(b"\n")
        one, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        change = draw(st.sampled_from(["swap", "double", "drop"]))
        if change == "swap":
            lines[one], lines[other] = lines[other], lines[one]
        elif change == "double":
            lines.insert(other, lines[one])
        else:
            del lines[one]
        return b"\n".join(lines)
    start = draw(st.integers(0, len(data)))
    stop = min(len(data), start + draw(st.integers(0, 3)))
    piece = b"" if how == "cut" else draw(st.sampled_from(_PIECES))
    return data[:start] + piece + data[stop:]


@st.composite
def _other_value(draw, data: bytes) -> bytes:
    """JSON with one value of another kind, spelled as its own writer spells."""
    whole = json.loads(data)
    indent = 1 if data.startswith(b"{\n") else None
    node = whole
    for _ in range(draw(st.integers(1, 6))):
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            break
        key = draw(st.sampled_from(keys))
        if not isinstance(node[key], dict | list) or draw(st.booleans()):
            node[key] = draw(st.sampled_from(_WILD))
            break
        node = node[key]
    separators = (",", ": ") if indent else (",", ":")
    return json.dumps(whole, indent=indent, separators=separators).encode() + b"\n"
