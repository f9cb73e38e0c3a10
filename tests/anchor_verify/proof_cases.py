"""One table of proofs and policies that are accepted and refused: for the command and the page.

Whoever verifies proof files runs all of them (`test_proof_cases.py`, `tests/watch`). Built from
seeds alone, so the same bytes each time. What a witness signs by ML-DSA-44 the page leaves
unchecked: only there its answer may be another than the command's.
"""

import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256, sha512
from pathlib import Path

from lying_collector import citing_the_future, told_truly_and_falsely
from msgspec.structs import replace as replace_struct
from verify_logs import MemorySource
from verify_world import (
    ORIGIN,
    START,
    US,
    Machine,
    World,
    foreign,
    forged,
    machines,
    malformed,
    seed,
    small_world,
)

from anchor.checkpoint import sign_checkpoint
from anchor.correction import Change, Subject
from anchor.errors import Malformed
from anchor.key_entry import enrol
from anchor.note import COSIGNATURE, ML_DSA_44, Note, Signature, SignerKey, sign_note
from anchor.policy import rotate_in_policy, write_policy
from anchor.proof_file import IncludedCorrections, IncludedEntry, ProofFile
from anchor.proving.prove import prove
from anchor.reading.log_reader import LogReader
from anchor.tlog_proof import TlogProof
from anchor.tree_head import Checkpoint
from telemetry.canonical import b64
from telemetry.message import compose
from telemetry.rows import MessageRow
from telemetry.signature import SigningKey, body_hash, seal
from telemetry.source import Source, source_member

ED = (COSIGNATURE, COSIGNATURE, COSIGNATURE)
GOLDEN = Path(__file__).parents[1] / "golden" / "0.1"
STATUSES = (
    "accepted",
    "unsigned",
    "malformed",
    "bad-signature",
    "unknown-device",
    "revoked",
    "conflict",
)
ORDER = 2**252 + 27742317777372353535851937790883648493
HOSTILE = (
    "<script>document.title='x'</script>",
    '"><img src=x onerror=alert(1)>',
    "</li></ul><iframe src=javascript:alert(1)>",
    "&lt;b&gt; {{policy}} ${alert(1)}",
    "javascript:alert(1)",
    "right\u202eto left",
    "zero\u200bwidth\ufeff",
    "line\u2028end\x7f\x9b31m",
    "\U0001f600 \u00e9 \u0301",
    "'; DROP TABLE messages; --",
    "__proto__",
    "constructor",
)


@dataclass(frozen=True)
class Case:
    """A proof file and a policy; `said` is what the command does with them.

    `valid`, `refused`, or `unreadable` (the policy). `page` is the page's word: the same, but
    `undecided` where an ML-DSA-44 cosignature decides; `same_lines` is False where it says
    fewer witnesses than the command.
    """

    name: str
    proof: bytes
    policy: bytes
    said: str
    page: str
    same_lines: bool = True


def proof_of(world: World, row: MessageRow) -> ProofFile:
    reader = LogReader(MemorySource(world.published), world.anchor.verifier)
    return prove(ledger=world.ledger, log=reader, policy=world.policy, row=row)


def one_message(kind: str, **options: object) -> tuple[World, MessageRow]:
    """A world whose last batch is one message of this status."""
    world, fleet = small_world(**options)
    prior = sha256(world.requests[0]).digest()
    sent = {
        "accepted": lambda: fleet[0].message(world.time()),
        "unsigned": lambda: foreign(1),
        "malformed": lambda: malformed(fleet[0]),
        "bad-signature": lambda: forged(fleet[0]),
        "unknown-device": lambda: machines(9)[8].message(world.time()),
        "revoked": lambda: fleet[0].message(world.time()),
        "conflict": lambda: replace(fleet[0], seq=0, prev=None).message(world.time()),
    }[kind]
    if kind == "revoked":
        world.revoke_device(fleet[0], prior)
    rows = world.collect("c0", [sent()])
    assert [row.status for row in rows] == [kind]
    world.anchor_now()
    return world, rows[0]


def proof_cases() -> list[Case]:
    """The whole table; names are unique."""
    world, _ = small_world(algorithms=ED)
    proof = proof_of(world, world.ledger.message_rows[7])
    found = [
        *_of_every_kind(),
        *_of_a_gateway(),
        *_corrected(),
        *_of_other_policies(),
        *_unchecked_here(),
        *_golden(),
        *_false_parts(world, proof),
        *_other_spellings(world, proof),
        *_false_signatures(world, proof),
        *_policies(world, proof),
        *_of_a_liar(),
    ]
    assert len({case.name for case in found}) == len(found)
    return found


def _case(name: str, proof: ProofFile | bytes, policy: bytes, said: str) -> Case:
    data = proof if isinstance(proof, bytes) else proof.to_bytes()
    return Case(name, data, policy, said, said)


# -- accepted ----------------------------------------------------------------------------


def _of_every_kind() -> Iterator[Case]:
    for kind in STATUSES:
        world, row = one_message(kind, algorithms=ED)
        whole = proof_of(world, row)
        yield _case(f"a message that is {kind}", whole, world.policy_bytes, "valid")
        erased = proof_of(world, replace(row, payload=None))
        yield _case(f"an erased one that is {kind}", erased, world.policy_bytes, "valid")
    world, fleet = small_world(algorithms=ED)
    prior = sha256(world.requests[0]).digest()
    sent = {
        **{f"a {kind}": _other_kind(fleet[0], world.time(), kind) for kind in CONTENT},
        "several scans": _other_kind(fleet[0], world.time(), "telemetry"),
        "numbers of every size": fleet[0].message(
            world.time(),
            **{f"n{i}": number for i, number in enumerate(NUMBERS)},
        ),
        "hostile metric names": fleet[0].message(
            world.time(), **{name: float(i) for i, name in enumerate(HOSTILE) if _is_plain(name)}
        ),
        "a payload with a header": fleet[1].enclosed(world.time(), b"\x08\x01<b>"),
        "a topic with a prefix": _prefixed(fleet[1].message(world.time())),
        **{f"a hostile topic {i}": (name, name.encode()) for i, name in enumerate(HOSTILE)},
    }
    rows = world.collect("c0", list(sent.values()))
    world.anchor_now()
    for _ in range(2):
        prior = world.rotate_device(fleet[0], SigningKey.from_seed(prior), prior)
    rows += world.collect("c0", [fleet[0].message(world.time())])
    world.anchor_now()
    for name, row in zip([*sent, "a key rotated twice"], rows, strict=True):
        yield _case(name, proof_of(world, row), world.policy_bytes, "valid")


NUMBERS = (0.0, -0.0, 1.0, 22.5, 1e16, 1e15, 1e22, 1e-4, 1e-5, 5e-324, 1.7976931348623157e308, 0.1)
NUMBERS += (123456789012345680.0, -1.5e-7, 1 / 3, 9007199254740993.0, 3, -7, 2**62)
CONTENT = {
    "state": {"name": "Execute", "number": 6},
    "event": {"name": "<b>maintenance</b>", "note": [1, {"deep": None}]},
    "birth": {
        "metrics": {"temperature": {"unit": "Cel", "low": -10, "high": 9.5}},
        "kind": "mill",
        "public_key": b64(seed(100)),
    },
}


def _is_plain(name: str) -> bool:
    return "\x00" not in name


def _other_kind(machine: Machine, time: int, kind: str) -> tuple[str, bytes]:
    topic = machine.topic.with_kind(kind)
    scans = '"scans":[' + ",".join(
        f'{{"time":"2025-11-24T16:00:0{i}.000000Z","readings":{{"t":{i}.50}}}}' for i in range(3)
    )
    members = {
        "device": machine.name,
        "session": machine.session,
        "seq": machine.seq,
        "prev": machine.prev,
        "anchor": machine.cited,
        "time": time,
        "key": machine.key.key_id,
    }
    content = CONTENT.get(kind)
    more = {"readings": {"t": 1.0}} if content is None else {"content": content}
    body = compose(kind=kind, **members, **more)
    body = body.replace(b'"readings":{"t":1.0}', scans.encode() + b"]")
    machine.seq += 1
    machine.prev = body_hash(body)
    return str(topic), seal(machine.key, topic, body)


def _of_a_gateway() -> Iterator[Case]:
    """What a gateway signed for a machine: with good and odd sources, its key rotated."""
    world, fleet = small_world(algorithms=ED)
    plc = replace(fleet[0], name="plc-1", key=SigningKey.from_seed(seed(77)), seq=0, prev=None)
    plc.gateway = "line-4"
    prior = world.enrol_device(plc)
    good = Source("press/<b>é\u202e", sha256(b"{}").hexdigest(), 2, world.time(), "source")
    sent = {
        "a gateway's": _standing_for(plc, world.time(), source_member(good, payload=b"{}")),
        "a gateway's, its own clock": _standing_for(
            plc, world.time(), source_member(replace_struct(good, clock="gateway"))
        ),
        "a gateway's, without a source": plc.message(world.time()),
        "a gateway's event": _standing_for(plc, world.time(), source_member(good), "event"),
        "a machine's with a source": _standing_for(fleet[1], world.time(), source_member(good)),
        **{
            f"a gateway's with a false source {i}": _standing_for(plc, world.time(), false)
            for i, false in enumerate(_false_sources(source_member(good)))
        },
    }
    rows = world.collect("c0", list(sent.values()))
    for name, row in zip(sent, rows, strict=True):
        assert row.status == "accepted", name
    world.rotate_device(plc, SigningKey.from_seed(seed(78)), prior)
    late = plc.message(world.time()), replace(plc, key=SigningKey.from_seed(seed(77)))
    rows += world.collect("c0", [late[0], late[1].message(world.time())])
    world.anchor_now()
    names = [*sent, "a gateway's, its key rotated", "a gateway's, under the former key"]
    for name, row in zip(names, rows, strict=True):
        yield _case(name, proof_of(world, row), world.policy_bytes, "valid")
    yield _case(
        "a gateway's, erased", proof_of(world, replace(rows[0], payload=None)),
        world.policy_bytes, "valid",
    )  # fmt: skip


def _standing_for(
    machine: Machine, time: int, source: dict[str, object], kind: str = "telemetry"
) -> tuple[str, bytes]:
    more = {"readings": {"t": 1.5}} if kind == "telemetry" else {"content": {"name": "message"}}
    body = compose(
        kind=kind, device=machine.name, session=machine.session, seq=machine.seq,
        prev=machine.prev, anchor=machine.cited, time=time, key=machine.key.key_id,
        source=source, **more,
    )  # fmt: skip
    machine.seq += 1
    machine.prev = body_hash(body)
    topic = machine.topic.with_kind(kind)
    return str(topic), seal(machine.key, topic, body)


def _false_sources(good: dict[str, object]) -> Iterator[dict[str, object]]:
    """Members that name no source, each by another thing; a message of them is accepted."""
    changes = {
        "topic": (1, "x" * 65_536),
        "sha256": ("A" * 64, "0" * 63, None),
        "size": (-1, 2.5, True, "2"),
        "received": ("yesterday", 5),
        "clock": ("wall", None),
    }
    for name, values in changes.items():
        yield {member: value for member, value in good.items() if member != name}
        for value in values:
            yield good | {name: value}


def _prefixed(message: tuple[str, bytes]) -> tuple[str, bytes]:
    return f"a//prefix/{message[0]}", message[1]


def _corrected() -> Iterator[Case]:
    """Corrections in a proof, in whatever words; each way in which one may be false."""
    world, _ = small_world(algorithms=ED)
    row = world.ledger.message_rows[7]
    first = world.correct(row)
    for number, text in enumerate(HOSTILE):
        with suppress(Malformed):
            said = {"by": text[:200], "reason": text, "unit": text}
            change = Change("temperature", row.time, "22.5", f"{number}e-1", said.pop("unit"))
            first = world.correct(row, change=change, supersedes=first, **said)
    for kind in ("annotation", "withdrawal"):
        world.correct(row, kind=kind, change=None, supersedes=first)
        first = sha256(world.pending[-1]).digest()
    world.anchor_now()
    proof, policy = proof_of(world, row), world.policy_bytes
    assert proof.corrections is not None
    yield _case("corrected", proof, policy, "valid")
    erased = replace(proof, payload=None, cited=None)
    yield _case("corrected, its payload erased", erased, policy, "valid")
    entries = proof.corrections.entries
    for name, false in {
        "corrections: the first left out": entries[1:],
        "corrections: backwards": entries[::-1],
        "corrections: one twice": (*entries, entries[-1]),
        "corrections: another index": (replace(entries[0], index=entries[1].index), *entries[1:]),
    }.items():
        made = replace(proof, corrections=replace(proof.corrections, entries=false))
        yield _case(name, made, policy, "refused")
    theirs = replace(proof.corrections, checkpoint=other_log(proof.corrections.checkpoint))
    yield _case("corrections: another log's", replace(proof, corrections=theirs), policy, "refused")
    none = proof.to_bytes().replace(b'"entries":[{', b'"entries":[],"more":[{')
    yield _case("corrections: none", none, policy, "refused")
    yield from _false_corrections()


def _false_corrections() -> Iterator[Case]:
    """Entries of a log whose operator, or whose anchor, is false."""
    nowhere = Subject("c0", 6, bytes(32))
    cases: dict[str, dict[str, object]] = {
        "of another message": {"kind": "annotation", "change": None, "subject": nowhere},
        "of what was not stored": {"change": Change("temperature", START, "22.4", "1")},
        "superseding nothing": {"supersedes": bytes(32)},
        "by another operator": {},
    }
    spellings = {
        "a value that is stored": (b"value 19.75", b"value 22.50"),
        "no number": (b"value 19.75", b"value 0x10"),
        "an unseen character": (b"probe", b"\\u200bprobe"),
        "a space at the end": (b'DEV-17"', b'DEV-17 "'),
        "another escape": (b"\\u00fc", b"\\u00FC"),
        "another meaning": (b"authorship", b"surely"),
        "a line more": (b"meaning", b"mood good\nmeaning"),
        "a newer version": (b"correction v1", b"correction v2"),
    }
    for name, (there, instead) in spellings.items():
        yield from _false_correction(name, lambda text, t=there, i=instead: text.replace(t, i))
    for name, said in cases.items():
        yield from _false_correction(name, None, **said)


def _false_correction(
    name: str, spelled: Callable[[bytes], bytes] | None, **said: object
) -> Iterator[Case]:
    world, _ = small_world(algorithms=ED)
    row = world.ledger.message_rows[7]
    world.correct(row)
    good, operator = world.pending.pop(), world.operator
    if name == "by another operator":
        world.operator = SignerKey.from_seed(f"{ORIGIN}/operator", seed(4))
    if spelled is None:
        world.correct(row, **said)
    else:
        text = Note.from_bytes(good).text.encode()
        assert spelled(text) != text
        world.pending.append(sign_note(spelled(text).decode(), operator))
    entry = world.pending[-1]
    world.anchor_now()
    view = LogReader(MemorySource(world.published), world.anchor.verifier).view
    place, anchored = world.entries.index(entry), proof_of(world, row)
    made = IncludedCorrections(
        checkpoint=world.checkpoint or b"",
        path=view.inclusion(anchored.checkpoint_proof.index, view.size),
        entries=(IncludedEntry(entry, place, view.inclusion(place, view.size)),),
    )
    proof = replace(anchored, corrections=made)
    yield _case(f"corrections: {name}", proof, world.policy_bytes, "refused")


def _of_other_policies() -> Iterator[Case]:
    options = (
        {"witnesses": 0},
        {"witnesses": 1},
        {"witnesses": 3, "quorum": "any"},
        {"witnesses": 3, "quorum": 2},
        {"witnesses": 3, "quorum": "all"},
        {"witnesses": 2, "quorum": "none"},
        {"witnesses": 2, "quorum": "w1"},
    )
    for option in options:
        world, _ = small_world(algorithms=ED, **option)
        for place in (0, 4, 7):
            proof = proof_of(world, world.ledger.message_rows[place])
            yield _case(f"message {place} under {option}", proof, world.policy_bytes, "valid")
            bare = replace(proof, cited=None)
            if proof.cited:
                yield _case(f"without what it cites {option}", bare, world.policy_bytes, "valid")


def _unchecked_here() -> Iterator[Case]:
    """Witness w1 signs by ML-DSA-44."""
    for quorum, page in (("all", "undecided"), ("any", "valid"), ("none", "valid")):
        world, _ = small_world(quorum=quorum)
        proof = proof_of(world, world.ledger.message_rows[7])
        case = Case(
            f"ML-DSA-44, quorum {quorum}", proof.to_bytes(), world.policy_bytes, "valid", page
        )
        yield replace(case, same_lines=False)
    world, _ = small_world(quorum="w0")
    proof = proof_of(world, world.ledger.message_rows[7])
    note = Note.from_bytes(proof.checkpoint_proof.checkpoint)
    key = world.witnesses["w1"].verifier
    assert key.algorithm == ML_DSA_44
    line = note.line_of(key)
    assert line is not None
    for what, value in (("cut", line.value[:-1]), ("of a late time", b"\xff" + line.value[1:])):
        false = note.with_signatures(Signature(key.name, key.id, value)).to_bytes()
        yield _case(f"ML-DSA-44 {what}", _anchored_by(proof, false), world.policy_bytes, "refused")


def _of_a_liar() -> Iterator[Case]:
    for name, proof, policy, said in told_truly_and_falsely():
        yield _case(name, proof, policy, said)
    yield _case("citing: the future", *citing_the_future(), "refused")


def _golden() -> Iterator[Case]:
    policy = (GOLDEN / "policy").read_bytes()
    whole = (GOLDEN.parent / "gateway" / "message.proof").read_bytes()
    pinned = (GOLDEN.parent / "gateway" / "pinned").read_bytes()
    yield _case("golden gateway's proof", whole, pinned, "valid")
    for name in ("message.proof", "stamped.proof"):
        whole = (GOLDEN / name).read_bytes()
        yield _case(f"golden {name}", whole, policy, "valid")
        # What is in a ledger's receipt, nobody reads who has not pinned that ledger.
        end = whole.find(b'"receipt":"') if b'"receipt":"' in whole else len(whole)
        for at in range(5, end, len(whole) // 40):
            flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
            yield _case(f"golden {name} changed at {at}", flipped, policy, "refused")
        # Another case of a letter: in base64 another byte, in hexadecimal another spelling.
        for at in range(20, end, len(whole) // 25):
            flipped = whole[:at] + whole[at : at + 1].swapcase() + whole[at + 1 :]
            if flipped != whole:
                yield _case(f"golden {name} case changed at {at}", flipped, policy, "refused")
    for at in range(0, len(policy) - 1, len(policy) // 25):
        flipped = policy[:at] + bytes([policy[at] ^ 0x80]) + policy[at + 1 :]
        yield _case(
            f"golden policy changed at {at}",
            (GOLDEN / "message.proof").read_bytes(),
            flipped,
            "unreadable",
        )


# -- refused -----------------------------------------------------------------------------


def _anchored_by(proof: ProofFile, checkpoint: bytes) -> ProofFile:
    return replace(proof, checkpoint_proof=replace(proof.checkpoint_proof, checkpoint=checkpoint))


def changed_notes(note: bytes) -> dict[str, bytes]:
    """A signed checkpoint with one thing in it said otherwise."""
    origin, size, root = note.split(b"\n")[:3]
    flipped = bytes([root[0] ^ 1]) + root[1:]
    return {
        "origin": note.replace(origin + b"\n", origin + b"x\n", 1),
        "size": note.replace(b"\n" + size + b"\n", b"\n%d\n" % (int(size) + 1), 1),
        "root": note.replace(root, flipped, 1),
        "key name": note.replace(b"\xe2\x80\x94 " + origin, b"\xe2\x80\x94 " + origin + b"x", 1),
        "bytes after it": note + b"\n",
    }


def changed_proofs(proof: TlogProof) -> dict[str, TlogProof]:
    """A tlog-proof with one thing in it said otherwise."""
    path, note = proof.path, proof.checkpoint
    found = {
        "index up": replace(proof, index=proof.index + 1),
        "index down": replace(proof, index=proof.index - 1),
        "path cut": replace(proof, path=path[1:]),
        "path longer": replace(proof, path=(*path, bytes(32))),
        "path flipped": replace(proof, path=(sha256(path[0]).digest(), *path[1:])),
    }
    if len(path) > 1:
        found["path turned round"] = replace(proof, path=path[::-1])
    return found | {k: replace(proof, checkpoint=n) for k, n in changed_notes(note).items()}


def _false_parts(world: World, proof: ProofFile) -> Iterator[Case]:
    policy, other = world.policy_bytes, proof_of(world, world.ledger.message_rows[8])
    for name in ("message_proof", "checkpoint_proof"):
        for what, changed in changed_proofs(getattr(proof, name)).items():
            yield _case(f"{name}: {what}", replace(proof, **{name: changed}), policy, "refused")
        extra = replace(getattr(proof, name), extra=b"x")
        yield _case(f"{name}: extra data", replace(proof, **{name: extra}), policy, "refused")
    payload = proof.payload or b""
    for at, changed in enumerate((b"", payload + b" ", payload[:-1], b"\x01" + payload[1:])):
        yield _case(f"another payload {at}", replace(proof, payload=changed), policy, "refused")
    yield _case("the next one's payload", replace(proof, payload=other.payload), policy, "refused")
    yield _case("the next one's record", replace(proof, record=other.record), policy, "refused")
    first, second = proof.keys
    for what, keys in {
        "none": (),
        "no device's": (first,),
        "no collector's": (second,),
        "turned round": (second, first),
        "one twice": (first, second, second),
        "more than there may be": (first, *(second,) * 1000),
        "index": (replace(first, index=first.index + 1), second),
        "path cut": (first, replace(second, path=second.path[1:])),
        "path longer": (first, replace(second, path=(*second.path, bytes(32)))),
        "a newline more": (first, replace(second, entry=second.entry + b"\n")),
        "a thief's": (replace(first, entry=_thiefs_entry(world)), second),
    }.items():
        yield _case(f"key entries: {what}", replace(proof, keys=keys), policy, "refused")
    notes = [world.published[p] for p in sorted(world.published) if p.startswith("checkpoints/")]
    for at, note in enumerate(note for note in notes if note != proof.cited):
        yield _case(f"another cited checkpoint {at}", replace(proof, cited=note), policy, "refused")
    none = proof_of(world, world.ledger.message_rows[0])
    yield _case("a citation that is none", replace(none, cited=notes[0]), policy, "refused")


def _thiefs_entry(world: World) -> bytes:
    thief = SignerKey.from_seed(f"{ORIGIN}/operator", seed(66))
    key = world.collectors["c0"].key
    return enrol(operator=thief, kind="collector", name="c0", key=key.raw, time=START * US)


def _other_spellings(world: World, proof: ProofFile) -> Iterator[Case]:
    policy, data = world.policy_bytes, proof.to_bytes()
    swapped = json.loads(data)
    spellings = {
        "nothing": b"",
        "an object": b"{}",
        "a list": b"[]",
        "null": b"null",
        "no UTF-8": b"\xff",
        "too little": b'{"factoryledger":"proof","version":2}\n',
        "too deep": b"[" * 10_000,
        "another version": data.replace(b'"version":1', b'"version":3', 1),
        "version 2 without receipts": data.replace(b'"version":1', b'"version":2', 1),
        "version as a float": data.replace(b'"version":1', b'"version":1.0', 1),
        "version true": data.replace(b'"version":1', b'"version":true', 1),
        "no newline": data[:-1],
        "a newline more": data + b"\n",
        "a byte more": data + b"\x00",
        "a space": data.replace(b",", b", ", 1),
        "carriage return": data.replace(b"\n", b"\r\n"),
        "byte-order mark": b"\xef\xbb\xbf" + data,
        "a member twice": data.replace(b'"version":1,', b'"version":1,"version":1,', 1),
        "a member more": data.replace(b'"cited":', b'"more":1,"cited":', 1),
        "another order": json.dumps(dict(reversed(swapped.items())), separators=(",", ":")).encode()
        + b"\n",
        "escaped otherwise": data.replace(b"proof", b"\\u0070roof", 1),
        "a lone surrogate": data.replace(b"c2sp.org", b"\\ud800sp.org", 1),
        "index with a zero": data.replace(b"index ", b"index 0", 1),
        "index as a float": re.sub(rb'"index":(\d+)', rb'"index":\1.0', data, count=1),
        "an index beyond 64 bits": re.sub(rb'"index":\d+', rb'"index":9223372036854775808', data),
        "unused bits in the payload": _unused_bits(data, proof.payload or b""),
    }
    for name, changed in spellings.items():
        assert changed != data, name
        yield _case(f"spelling: {name}", changed, policy, "refused")


def _unused_bits(data: bytes, payload: bytes) -> bytes:
    """The payload's base64 with an unused bit set; padded with spaces before it, if need be."""
    text = b64(payload)
    if not text.endswith("="):
        return data.replace(text.encode(), text.encode() + b"====", 1)
    return data.replace(text.encode(), _bits_set(text).encode(), 1)


def _bits_set(text: str) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    bare = text.rstrip("=")
    last = alphabet[alphabet.index(bare[-1]) | 1]
    changed = bare[:-1] + last + "=" * (len(text) - len(bare))
    assert b64decode(changed) == b64decode(text)
    return changed


def _false_signatures(world: World, proof: ProofFile) -> Iterator[Case]:
    policy = world.policy_bytes
    note = proof.checkpoint_proof.checkpoint
    read = Note.from_bytes(note)
    log, *witnesses = read.signatures
    scalar, prefix = _secret(seed(2))
    assert prefix
    text = read.text.encode()
    value = int.from_bytes(log.value[32:], "little")
    public = world.anchor.public_key
    identity = (1).to_bytes(32, "little")
    false = {
        "S beyond the order": log.value[:32] + (value + ORDER).to_bytes(32, "little"),
        "R is the identity": identity + _answer(identity, public, text, scalar),
        "R is the identity, not canonical": _with_r(2**255 - 18, public, text, scalar),
        "R is of order 4": _with_r(0, public, text, scalar),
        "all zero": bytes(64),
        "cut": log.value[:-1],
        "longer": log.value + b"\x00",
        "another's": witnesses[0].value[8:],
    }
    for name, changed in false.items():
        line = Signature(log.name, log.id, changed)
        forged_note = Note(read.text, (line, *witnesses)).to_bytes()
        yield _case(f"signature: {name}", _anchored_by(proof, forged_note), policy, "refused")
    changes = {
        "unused bits": note.replace(
            b64(log.id + log.value).encode(), _bits_set(b64(log.id + log.value)).encode()
        ),
        "the log's line twice": Note(read.text, (log, log, *witnesses)).to_bytes(),
        "a witness's line twice": Note(read.text, (log, *witnesses, witnesses[0])).to_bytes(),
        "no log's line": Note(read.text, tuple(witnesses)).to_bytes(),
        "below the quorum": Note(read.text, (log, witnesses[0])).to_bytes(),
        "a witness's time": Note(
            read.text,
            (log, witnesses[0], replace(witnesses[1], value=b"\x00" * 8 + witnesses[1].value[8:])),
        ).to_bytes(),
        "a witness's of 73 bytes": Note(
            read.text, (log, witnesses[0], replace(witnesses[1], value=witnesses[1].value + b"x"))
        ).to_bytes(),
        "another log of the name": other_log(note),
        "65 lines": Note.from_bytes(note).to_bytes()
        + b"".join(b"\xe2\x80\x94 stranger%d AAAAAAA=\n" % i for i in range(62)),
    }
    for name, changed_note in changes.items():
        data = _anchored_by(proof, changed_note)
        yield _case(f"note: {name}", data, policy, "refused")
    strangers = tuple(Signature(f"stranger{i}", b"abcd", b"x") for i in range(61))
    many = Note(read.text, (log, *witnesses, *strangers)).to_bytes()
    yield _case("note: 64 lines", _anchored_by(proof, many), policy, "valid")


def _secret(of: bytes) -> tuple[int, bytes]:
    """The scalar of a seed, RFC 8032 section 5.1.5, and the prefix."""
    hashed = sha512(of).digest()
    number = int.from_bytes(hashed[:32], "little")
    return (number & ((1 << 254) - 8)) | (1 << 254), hashed[32:]


def _answer(r: bytes, public: bytes, text: bytes, scalar: int) -> bytes:
    """The S that fits an R of order one: the equation holds, and anyone's R would do."""
    challenge = int.from_bytes(sha512(r + public + text).digest(), "little") % ORDER
    return (challenge * scalar % ORDER).to_bytes(32, "little")


def _with_r(number: int, public: bytes, text: bytes, scalar: int) -> bytes:
    r = number.to_bytes(32, "little")
    return r + _answer(r, public, text, scalar)


def other_log(note: bytes) -> bytes:
    """The same head, signed by a key of the right name that is not the pinned one."""
    lines = note.split(b"\n")
    key = SignerKey.from_seed(ORIGIN, seed(77))
    return sign_checkpoint(Checkpoint(ORIGIN, int(lines[1]), b64decode(lines[2])), key)


def _policies(world: World, proof: ProofFile) -> Iterator[Case]:
    policy = world.policy_bytes
    log, operator = world.anchor.verifier, world.operator.verifier
    w0, w1 = (world.witnesses[name].verifier for name in ("w0", "w1"))
    others = {
        "another operator's": SignerKey.from_seed(f"{ORIGIN}/operator", seed(4)).verifier,
        "another log's": SignerKey.from_seed(ORIGIN, seed(5)).verifier,
    }
    yield _case(
        "policy: another operator's",
        proof,
        write_policy(log, others["another operator's"], [], "none"),
        "refused",
    )
    yield _case(
        "policy: another log's",
        proof,
        write_policy(others["another log's"], operator, [], "none"),
        "refused",
    )
    new_key = SignerKey.from_seed(ORIGIN, seed(6)).verifier
    size = int(proof.checkpoint_proof.checkpoint.split(b"\n")[1])
    for until, said in ((size, "valid"), (size - 1, "refused")):
        rotated = rotate_in_policy(policy, new_key, until)
        yield _case(f"policy: rotated at {until - size}", proof, rotated, said)
    head = f"# factoryledger-operator {operator}\nlog {log}\n"
    keys = f"witness w0 {w0}\nwitness w1 {w1} https://w1.example/\n"
    texts = {
        "groups in groups": (
            f"{head}{keys}group a any w0 w1\ngroup b 1 a\nquorum b\n",
            "valid",
        ),
        "tabs, comments, spaces": (
            f"#hello\n#\tworld\n\n{head}\t {keys}quorum\tw1 \n".replace(
                "witness w0", "witness\t w0"
            ),
            "valid",
        ),
        "names that are no UTF-8": (
            f"{head}witness \udcff {w0}\nquorum \udcff\n",
            "valid",
        ),
        "no newline at its end": (f"{head}{keys}quorum w0", "unreadable"),
        "no quorum": (f"{head}{keys}", "unreadable"),
        "two quorums": (f"{head}{keys}quorum w0\nquorum w0\n", "unreadable"),
        "no operator": (f"log {log}\nquorum none\n", "unreadable"),
        "two logs": (f"{head}log {new_key}\nquorum none\n", "unreadable"),
        "two operators": (
            f"{head}# factoryledger-operator {operator}\nquorum none\n",
            "unreadable",
        ),
        "a word": (f"{head}trust me\nquorum none\n", "unreadable"),
        "an unknown name": (f"{head}{keys}quorum w2\n", "unreadable"),
        "a threshold too high": (f"{head}{keys}group g 3 w0 w1\nquorum g\n", "unreadable"),
        "a threshold of none": (f"{head}{keys}group g 0 w0 w1\nquorum g\n", "unreadable"),
        "in two groups": (f"{head}{keys}group g 1 w0\ngroup h 1 w0\nquorum g\n", "unreadable"),
        "a witness twice": (f"{head}{keys}witness w2 {w0}\nquorum w0\n", "unreadable"),
        "the log as a witness": (
            f"{head}witness w0 {_as_witness(world.anchor, 'w')}\nquorum w0\n",
            "unreadable",
        ),
        "a log's key as a witness": (f"{head}witness w0 {new_key}\nquorum w0\n", "unreadable"),
        "a carriage return": (f"{head}{keys}quorum w0\r\n", "unreadable"),
        "a key of small order": (
            f"{head}witness w0 {_vkey(identity_key())}\nquorum w0\n",
            "unreadable",
        ),
        "a key that is no point": (
            f"{head}witness w0 {_vkey(b'2' + bytes(31))}\nquorum w0\n",
            "unreadable",
        ),
        "a key not canonical": (
            f"{head}witness w0 {_vkey((2**255 - 16).to_bytes(32, 'little'))}\nquorum w0\n",
            "unreadable",
        ),
        "an id in capitals": (
            head.replace(log.id.hex(), log.id.hex().upper()) + "quorum none\n",
            "unreadable",
        ),
        "nothing": ("", "unreadable"),
        "the proof": (proof.to_bytes().decode(), "unreadable"),
    }
    for name, (text, said) in texts.items():
        yield _case(f"policy: {name}", proof, text.encode("utf-8", "surrogateescape"), said)


def identity_key() -> bytes:
    """The point of order one."""
    return (1).to_bytes(32, "little")


def _as_witness(key: SignerKey, name: str) -> str:
    return _vkey(key.public_key, name)


def _vkey(key: bytes, name: str = "w") -> str:
    """A witness's vkey of these bytes, whatever they are."""
    material = bytes([COSIGNATURE]) + key
    key_id = sha256(name.encode() + b"\n" + material).digest()[:4]
    return f"{name}+{key_id.hex()}+{b64(material)}"
