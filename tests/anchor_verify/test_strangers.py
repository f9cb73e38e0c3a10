"""Strangers' tools on what we publish: proofbundle, aics-tlog and openssl, none of them ours.

Each accepts ours and refuses it changed; where one differs from us, the input is in `DIFFERENT`.
"""

import shutil
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from strangers import ask
from test_prove_verify import proof_of
from verify_world import World, small_world

from anchor.checkpoint import sign_checkpoint
from anchor.cosignature import cosign
from anchor.errors import AnchorError
from anchor.merkle import EMPTY_ROOT, inclusion_path, leaf_hash, tree_root
from anchor.note import COSIGNATURE, ML_DSA_44, Note, Signature, SignerKey, VerifierKey, sign_note
from anchor.policy import Policy, Witness
from anchor.proving.verify import verify_tlog
from anchor.tlog_proof import TlogProof
from anchor.tree_head import Checkpoint
from factoryledger.proving import write_tlog_proofs
from telemetry.signature import split
from telemetry.topic import MachineTopic

STRANGERS = ("proofbundle", "aics-tlog")
HOPS = ("message", "checkpoint")


@pytest.fixture(scope="module")
def world() -> World:
    return small_world()[0]


@pytest.fixture(scope="module")
def hops(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `prove --tlog-proofs` writes, under one witness with Ed25519 and one with ML-DSA-44."""
    folder = tmp_path_factory.mktemp("hops")
    file = proof_of(world, world.ledger.message_rows[7])
    write_tlog_proofs(file, world.policy_bytes, folder)
    return folder


def ours(folder: Path, hop: str) -> bool:
    parts = [(folder / f"{hop}.{end}").read_bytes() for end in ("tlog-proof", "entry", "policy")]
    try:
        verify_tlog(parts[0], parts[1], Policy.from_bytes(parts[2]))
    except AnchorError:
        return False
    return True


@pytest.mark.parametrize("who", STRANGERS)
def test_both_hops_of_a_proof_are_accepted(who: str, hops: Path) -> None:
    assert ask(who, [(str(hops), hop) for hop in HOPS]) == [True, True]


@pytest.mark.parametrize("who", STRANGERS)
def test_both_hops_changed_are_refused(who: str, hops: Path, tmp_path: Path) -> None:
    """A byte in every line of the proof and in the entry; the witnesses' lines left out."""
    asked = []
    for hop in HOPS:
        proof = (hops / f"{hop}.tlog-proof").read_text()
        lines = proof.split("\n")
        changed = {
            f"line {number}": "\n".join([*lines[:number], other_letter(line), *lines[number + 1 :]])
            for number, line in enumerate(lines)
            # aics-tlog ignores the line of a witness that it cannot know.
            if line and "w1 " not in line
        }
        changed["no witness"] = "\n".join(line for line in lines if "witness.example" not in line)
        for name, text in changed.items():
            if text != proof:
                asked.append((copy(hops, hop, tmp_path / f"{hop}-{name}", proof=text), hop))
        entry = bytearray((hops / f"{hop}.entry").read_bytes())
        entry[5] ^= 1
        asked.append((copy(hops, hop, tmp_path / f"{hop}-entry", entry=bytes(entry)), hop))
    assert len(asked) > 15
    assert not any(ours(Path(folder), hop) for folder, hop in asked)
    assert [answer for answer in ask(who, asked) if answer is True] == []


def other_letter(line: str) -> str:
    at = len(line) * 2 // 3
    return line[:at] + ("B" if line[at] != "B" else "C") + line[at + 1 :]


def copy(
    hops: Path, hop: str, folder: Path, *, proof: str | None = None, entry: bytes | None = None
) -> str:
    folder.mkdir()
    for end in ("tlog-proof", "entry", "policy"):
        shutil.copy(hops / f"{hop}.{end}", folder)
    if proof is not None:
        (folder / f"{hop}.tlog-proof").write_text(proof)
    if entry is not None:
        (folder / f"{hop}.entry").write_bytes(entry)
    return str(folder)


def test_our_log_is_audited_from_its_folder(world: World, tmp_path: Path) -> None:
    """Every tile, bundle and entry, and each kept checkpoint's consistency with the newest."""
    world.write_log(tmp_path)
    given = [str(tmp_path), str(world.anchor.verifier), [entry.hex() for entry in world.entries]]
    size, tiles, bundles, same = ask("aics-tlog, a log", given)
    assert (size, same) == (len(world.entries), True)
    assert min(tiles, bundles) >= 1
    for path in ("tile/0/000.p/*", "tile/entries/000.p/*", "checkpoint"):
        file = max(tmp_path.glob(path), key=lambda found: found.stat().st_size)
        good = file.read_bytes()
        file.write_bytes(good[:40] + bytes([good[40] ^ 1]) + good[41:])
        assert isinstance(ask("aics-tlog, a log", given), str), path
        file.write_bytes(good)


# -- openssl -----------------------------------------------------------------------------

SPKI = bytes.fromhex("302a300506032b6570032100")
"""RFC 8410: what stands before the 32 bytes of an Ed25519 public key."""


def openssl(public_key: bytes, message: bytes, signature: bytes, folder: Path) -> bool:
    pem = b64encode(SPKI + public_key).decode()
    (folder / "key.pem").write_text(
        f"-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\n"
    )
    (folder / "message").write_bytes(message)
    (folder / "signature").write_bytes(signature)
    call = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "key.pem"]
    done = subprocess.run(
        [*call, "-in", "message", "-sigfile", "signature"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    return "Verified Successfully" in done.stdout and done.returncode == 0


def signed_things(world: World) -> dict[str, tuple[bytes, bytes, bytes]]:
    """Public key, message and signature, put together without our verifier."""
    assert world.checkpoint is not None
    text, _, lines = world.checkpoint.decode().partition("\n\n")
    text += "\n"
    signatures = {}
    for line in Note.from_bytes(world.checkpoint).signatures:
        signatures[line.name] = line.value
    assert lines.count("\n") == 3
    witness = world.witnesses["w0"].verifier
    stamped = signatures[witness.name]
    time = int.from_bytes(stamped[:8], "big")
    row = next(row for row in world.ledger.message_rows if row.status == "accepted")
    found = split(row.payload or b"")
    place = MachineTopic.parse(row.topic)
    assert found is not None
    assert place is not None
    statement = next(
        world.authority.read(entry)
        for entry in world.entries
        if sha256(entry).digest() == row.entry
    )
    body, signature = found
    message = b"\0".join([b"factoryledger/telemetry/v1", row.topic.encode(), body])
    assert statement.key is not None
    return {
        "checkpoint": (
            world.anchor.public_key,
            text.encode(),
            signatures[world.anchor.name],
        ),
        "cosignature": (
            witness.public_key,
            f"cosignature/v1\ntime {time}\n{text}".encode(),
            stamped[8:],
        ),
        "message of a machine": (statement.key, message, b64decode(signature)),
    }


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")
@pytest.mark.parametrize("what", ["checkpoint", "cosignature", "message of a machine"])
def test_openssl_verifies_what_we_sign(what: str, world: World, tmp_path: Path) -> None:
    key, message, signature = signed_things(world)[what]
    assert openssl(key, message, signature, tmp_path)
    for changed in (message[:-2] + b"?" + message[-1:], message + b"\n", message[1:]):
        assert not openssl(key, changed, signature, tmp_path)
    assert not openssl(key, message, bytes([signature[0] ^ 1]) + signature[1:], tmp_path)
    other = SignerKey.from_seed("x", bytes(32)).public_key
    assert not openssl(other, message, signature, tmp_path)


# -- where strangers differ --------------------------------------------------------------

LOG = SignerKey.from_seed("example.org/log", bytes(32))
SPACED = SignerKey.from_seed("example.org/log", b"\7" * 32)
W = SignerKey.from_seed("witness.example/w", b"\3" * 32, COSIGNATURE)
Q = SignerKey.from_seed("witness.example/q", b"\4" * 32, ML_DSA_44)
OTHER = SignerKey.from_seed("other.example", b"\5" * 32, COSIGNATURE)
ENTRIES = [b"entry %d" % i for i in range(7)]
LEAVES = list(map(leaf_hash, ENTRIES))
HEAD = Checkpoint(LOG.name, 7, tree_root(LEAVES))
PATH = inclusion_path(LEAVES, 3)


@dataclass(frozen=True)
class Case:
    """A proof of entry 3 under a policy; `due` is who accepts it, of ours and the strangers.

    None where aics-tlog, which reads no tlog-proof, has no say.
    """

    name: str
    note: bytes
    due: tuple[bool, bool, bool | None]
    witnesses: tuple[VerifierKey, ...] = ()
    log: VerifierKey = LOG.verifier
    change: Callable[[bytes], bytes] = bytes
    index: int = 3
    quorum: str = "w0"
    path: tuple[bytes, ...] = PATH


def note_of(*more: Signature, text: str = HEAD.to_text()) -> bytes:
    """Written out, so that it may be what ours would not write."""
    lines = [f"\u2014 {s.name} {b64encode(s.id + s.value).decode()}\n" for s in more]
    return sign_note(text, LOG) + "".join(lines).encode()


def line(key: SignerKey, time: int = 100, text: str = HEAD.to_text()) -> Signature:
    return cosign(key, text, time)


def false(key: SignerKey) -> Signature:
    good = line(key)
    return replace(good, value=good.value[:-1] + bytes([good.value[-1] ^ 1]))


def cases() -> list[Case]:
    yes, no = True, False
    everybody, nobody = (yes, yes, yes), (no, no, no)
    extended = HEAD.to_text() + "extension\n"
    w = (W.verifier,)
    stranger = Signature("x", b"1234", b"5")
    return [
        Case("plain", note_of(), everybody),
        Case("one witness", note_of(line(W)), everybody, w),
        Case("a witness that did not sign", note_of(), nobody, w),
        Case("lines of strangers, one of them twice", note_of(stranger, stranger), everybody),
        Case("extension line", sign_note(extended, LOG), (no, yes, yes)),
        Case("extra data", note_of(), everybody, change=lambda p: p.replace(
            b"@v1\n", b"@v1\nextra eA==\n")),
        Case("a known key's line twice", note_of(line(W), line(W, 200)), (no, yes, no), w),
        Case("a known witness's false line, no quorum", note_of(false(W)), (no, yes, no), w,
             quorum="none"),
        Case("sixteen lines of strangers", note_of(*[replace(stranger, id=b"%04d" % i)
             for i in range(15)]), everybody),
        Case("the log's line twice", note_of(LOG.sign(HEAD.to_text())), (no, yes, no)),
        Case("cosignature of time 0, Ed25519", note_of(line(W, 0)), everybody, w),
        Case("cosignature of time 0, ML-DSA-44", note_of(line(Q, 0)), everybody, (Q.verifier,)),
        Case("the log as its own witness", note_of(line(SignerKey.from_seed(
            LOG.name, b"\6" * 32, COSIGNATURE))), (no, no, yes), (SignerKey.from_seed(
                LOG.name, b"\6" * 32, COSIGNATURE).verifier,)),
        Case("65 signatures", note_of(*[replace(stranger, id=b"%04d" % i) for i in range(64)]),
             (no, yes, yes)),
        Case("a hash with loose bits", note_of(), (no, no, None), change=lambda p: loosened(p, 2)),
        Case("a signature with loose bits", note_of(line(W)), (no, yes, no), w,
             change=lambda p: loosened(p, -2)),
        Case("index with a zero before", note_of(), (no, no, None), change=lambda p: p.replace(
            b"index 3", b"index 03")),
        Case("a newline more at the end", note_of(), nobody, change=lambda p: p + b"\n"),
        Case("carriage returns", note_of(), nobody, change=lambda p: p.replace(b"\n", b"\r\n")),
        Case("a hash more", note_of(), nobody, path=(*PATH, bytes(32))),
        Case("empty tree", sign_checkpoint(Checkpoint(LOG.name, 0, EMPTY_ROOT), LOG), nobody,
             path=(), index=0),
    ]  # fmt: skip


def loosened(proof: bytes, number: int) -> bytes:
    """A line's base64 with an unused bit of its last character set."""
    lines = proof.split(b"\n")
    digits = lines[number].rstrip(b"=")
    padding = lines[number][len(digits) :]
    assert padding
    lines[number] = digits[:-1] + bytes([digits[-1] + 1]) + padding
    return b"\n".join(lines)


def test_where_strangers_differ_from_us(tmp_path: Path, capsys: Any) -> None:
    """Each input, and who accepts it; a difference that is not in the table is a failure."""
    found = {}
    for number, case in enumerate(cases()):
        folder = tmp_path / str(number)
        folder.mkdir()
        proof = TlogProof(case.index, case.path, case.note).to_bytes()
        (folder / "hop.tlog-proof").write_bytes(case.change(proof))
        (folder / "hop.entry").write_bytes(ENTRIES[3])
        known = [Witness(f"w{i}", key) for i, key in enumerate(case.witnesses)]
        lines = [f"log {case.log}", *(f"witness {w.name} {w.key}" for w in known)]
        lines.append(f"quorum {case.quorum if known else 'none'}")
        (folder / "hop.policy").write_text("".join(f"{each}\n" for each in lines))
        found[case.name] = ours(folder, "hop")
    asked = [(str(tmp_path / str(number)), "hop") for number in range(len(found))]
    said = {who: [answer is True for answer in ask(who, asked)] for who in STRANGERS}
    rows = {
        case.name: (
            found[case.name], said["proofbundle"][at],
            None if case.due[2] is None else said["aics-tlog"][at],
        )
        for at, case in enumerate(cases())
    }  # fmt: skip
    words = {True: "accepts", False: "refuses", None: "has no say"}
    lines = [
        f"{name:40} ours {words[row[0]]}, proofbundle {words[row[1]]}, aics-tlog {words[row[2]]}"
        for name, row in rows.items()
    ]
    with capsys.disabled():
        print("", *lines, sep="\n")  # noqa: T201 - for people to see
    assert rows == {case.name: case.due for case in cases()}
