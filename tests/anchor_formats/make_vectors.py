"""Make the project's own vectors anew.

Run it in the checkout: `PYTHONPATH=. .venv/bin/python tests/anchor_formats/make_vectors.py`.
Everything that is signed by Ed25519 is deterministic, so a test makes them anew and compares:
no format can change unnoticed. ML-DSA-44 signatures are random; theirs are only verified.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path

from anchor.checkpoint import Checkpoint, sign_checkpoint
from anchor.cosignature import cosign
from anchor.growing import GrowingLog
from anchor.key_entry import enrol, erase, revoke, rotate, rotate_log
from anchor.merkle import consistency_path, inclusion_path, leaf_hash, tree_root
from anchor.note import COSIGNATURE, ML_DSA_44, Note, SignerKey
from anchor.policy import Witness, write_policy
from anchor.proof_file import IncludedEntry, ProofFile
from anchor.receipts import ReceiptTree
from anchor.tile import tiles_of
from anchor.tlog_proof import TlogProof
from telemetry.receipt import ReceiptLeaf
from telemetry.signature import SigningKey

FOLDER = Path(__file__).parent / "vectors"
ORIGIN = "vectors.example/log"
TIME = 1_764_000_000_000_000
LOG = SignerKey.from_seed(ORIGIN, sha256(b"log").digest())
RENEWED_LOG = SignerKey.from_seed(ORIGIN, sha256(b"renewed log").digest())
OPERATOR = SignerKey.from_seed(f"{ORIGIN}/operator", sha256(b"operator").digest())
COLLECTOR = SignerKey.from_seed(f"{ORIGIN}/collector/c1", sha256(b"collector").digest())
WITNESS = SignerKey.from_seed("w1.example", sha256(b"witness").digest(), COSIGNATURE)
QUANTUM = SignerKey.from_seed("w2.example", sha256(b"quantum").digest(), ML_DSA_44)
DEVICE = SigningKey.from_seed(sha256(b"device").digest())
RENEWED = SigningKey.from_seed(sha256(b"renewed").digest())
POLICY = write_policy(
    LOG.verifier, OPERATOR.verifier, [Witness("w1", WITNESS.verifier, "https://w1.example")], "w1"
)


def trees():
    """Roots and paths of small trees over leaves that hold their own index."""
    leaves = [leaf_hash(b"%d" % i) for i in range(300)]
    found = []
    for size in (1, 2, 3, 7, 8, 13, 255, 256, 257, 300):
        index, old = size * 2 // 3, size // 2 + 1
        found.append(
            {
                "size": size,
                "root": tree_root(leaves[:size]).hex(),
                "index": index,
                "inclusion": [step.hex() for step in inclusion_path(leaves[:size], index)],
                "old": old,
                "consistency": [step.hex() for step in consistency_path(leaves[:size], old)],
                "tiles": [tile.path for tile in tiles_of(size)],
            }
        )
    return found


def key_entries():
    """One of each action."""
    said = {"operator": OPERATOR, "time": TIME}
    device = enrol(kind="device", name="press-1", key=DEVICE, **said)
    collector = enrol(kind="collector", name="c1", key=COLLECTOR, **said)
    prior = sha256(device).digest()
    return [
        device,
        collector,
        rotate(name="press-1", key=RENEWED, prior=prior, **said),
        revoke(kind="device", name="press-1", prior=prior, **said),
        erase(collector="c1", first=0, last=9, **said),
        rotate(kind="collector", name="c1", key=RENEWED, prior=sha256(collector).digest(), **said),
        rotate_log(former=LOG, key=RENEWED_LOG, **said),
    ]


def receipts():
    """Three receipts of one commit."""
    leaves = [
        ReceiptLeaf("c1", f"press-{i}", "s0", ((0, i), (i + 2, 90)), bytes(32), TIME).to_bytes()
        for i in range(3)
    ]
    return ReceiptTree(COLLECTOR).seal(leaves)


def proof_file():
    """Both hops and the collector's key entry, over made-up entries."""
    records = [b'{"record":%d}' % i for i in range(5)]
    batch = GrowingLog(COLLECTOR.name, COLLECTOR).extend(records)
    entries = [key_entries()[1], batch.checkpoint, *(b"entry %d" % i for i in range(7))]
    leaves = [leaf_hash(entry) for entry in entries]
    signed = Note.from_bytes(
        sign_checkpoint(Checkpoint(ORIGIN, len(entries), tree_root(leaves)), LOG)
    )
    cosigned = signed.with_signatures(cosign(WITNESS, signed.text, TIME // 10**6)).to_bytes()
    message = inclusion_path([leaf_hash(record) for record in records], 3)
    return ProofFile(
        payload=b"payload",
        record=records[3],
        message_proof=TlogProof(3, message, batch.checkpoint),
        checkpoint_proof=TlogProof(1, inclusion_path(leaves, 1), cosigned),
        keys=(IncludedEntry(entries[0], 0, inclusion_path(leaves, 0)),),
        cited=cosigned,
    )


def build():
    """All vectors that are deterministic."""
    proof = proof_file()
    return {
        "keys": {
            "vkeys": [str(key.verifier) for key in (LOG, OPERATOR, COLLECTOR, WITNESS)],
            "private": LOG.to_text(),
        },
        "policy": POLICY.decode(),
        "trees": trees(),
        "key_entries": [entry.decode() for entry in key_entries()],
        "receipts": [receipt.decode() for receipt in receipts()],
        "cosigned": proof.checkpoint_proof.checkpoint.decode(),
        "tlog_proof": proof.checkpoint_proof.to_bytes().decode(),
        "tlog_entry": proof.message_proof.checkpoint.decode(),
        "proof_file": proof.to_bytes().decode(),
    }


def build_random():
    """What differs each time it is made: a cosignature by ML-DSA-44."""
    note = Note.from_bytes(sign_checkpoint(Checkpoint(ORIGIN, 5, sha256(b"root").digest()), LOG))
    signed = note.with_signatures(cosign(QUANTUM, note.text, TIME // 10**6))
    return {"vkey": str(QUANTUM.verifier), "cosigned": signed.to_bytes().decode()}


def write(name, vectors):
    """Write one file of vectors."""
    text = json.dumps(vectors, indent=1, ensure_ascii=True)
    (FOLDER / name).write_text(f"{text}\n", encoding="ascii")


if __name__ == "__main__":
    write("formats.json", build())
    if "--random" in sys.argv or not (FOLDER / "ml-dsa-44.json").exists():
        write("ml-dsa-44.json", build_random())
