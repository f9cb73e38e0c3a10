"""A stranger's verifier, PyPI's `proofbundle`, on proofs of ours.

It runs in an environment of its own, where nothing of this project is installed.
"""

import json
import subprocess
from pathlib import Path

import pytest

from anchor.checkpoint import Checkpoint, sign_checkpoint
from anchor.cosignature import cosign
from anchor.merkle import consistency_path, inclusion_path, leaf_hash, tree_root
from anchor.note import Note
from anchor.tlog_proof import TlogProof

PYTHON = Path(__file__).parents[2] / ".venv-oracles" / "bin" / "python"
PROGRAM = """
import json, sys
from proofbundle.tlogproof import verify_tlog_proof
from proofbundle.checkpoint import verify_cosignature
from proofbundle.merkle import verify_consistency
answers = []
for ask in json.load(sys.stdin):
    if ask["what"] == "proof":
        answer = verify_tlog_proof(
            ask["proof"], ask["entry"].encode(), ask["log"], ask["witnesses"],
            threshold=len(ask["witnesses"]), expected_origin=ask["origin"],
        )["ok"]
    elif ask["what"] == "cosignature":
        answer = verify_cosignature(ask["note"], ask["witness"])["timestamp"]
    else:
        answer = verify_consistency(
            ask["old"], ask["size"], [bytes.fromhex(step) for step in ask["path"]],
            bytes.fromhex(ask["old_root"]), bytes.fromhex(ask["root"]),
        )
    answers.append(answer)
json.dump(answers, sys.stdout)
"""
ENTRIES = [f"entry {i}" for i in range(40)]
LEAVES = [leaf_hash(entry.encode()) for entry in ENTRIES]


def ask(questions):
    """The oracle's answers, in order."""
    if not PYTHON.exists():
        pytest.fail(
            "the strangers' verifiers are not installed: run `make oracles`, "
            "which builds .venv-oracles from requirements/oracles.lock"
        )
    run = subprocess.run(
        [PYTHON, "-I", "-c", PROGRAM],
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def cosigned(size, log_key, keys):
    head = Checkpoint(log_key.name, size, tree_root(LEAVES[:size]))
    note = Note.from_bytes(sign_checkpoint(head, log_key))
    return note.with_signatures(*(cosign(key, note.text, 1_764_000_000) for key in keys)).to_bytes()


def question(proof, entry, log_key, keys):
    return {
        "what": "proof",
        "proof": proof,
        "entry": entry,
        "log": str(log_key.verifier),
        "witnesses": [str(key.verifier) for key in keys],
        "origin": log_key.name,
    }


def test_our_proofs_are_accepted(log_key, witness_keys):
    """Sizes to 40, log signature, one Ed25519 and one ML-DSA-44 cosignature each."""
    keys = (witness_keys[0], witness_keys[2])
    questions = []
    for size in (1, 2, 3, 5, 8, 13, 21, 32, 33, 40):
        note = cosigned(size, log_key, keys)
        for index in sorted({0, size // 2, size - 1}):
            proof = TlogProof(index, inclusion_path(LEAVES[:size], index), note)
            text = proof.to_bytes().decode()
            questions.append(question(text, ENTRIES[index], log_key, keys))
    assert ask(questions) == [True] * len(questions)


def test_changed_proofs_are_refused(log_key, witness_keys):
    """A byte changed in every line of the proof, in the entry, and a missing witness."""
    keys = witness_keys[:1]
    note = cosigned(21, log_key, keys)
    text = TlogProof(6, inclusion_path(LEAVES[:21], 6), note).to_bytes().decode()
    lines = text.split("\n")
    questions = [question(text, ENTRIES[7], log_key, keys)]
    questions.append(question(text, ENTRIES[6], log_key, witness_keys[:2]))
    for number, line in enumerate(lines):
        if line:
            at = len(line) // 2
            other = "B" if line[at] != "B" else "C"
            changed = [*lines[:number], line[:at] + other + line[at + 1 :], *lines[number + 1 :]]
            questions.append(question("\n".join(changed), ENTRIES[6], log_key, keys))
    assert len(questions) > 10
    assert ask(questions) == [False] * len(questions)


def test_our_cosignatures_are_accepted(log_key, witness_keys):
    note = cosigned(8, log_key, witness_keys).decode()
    questions = [
        {"what": "cosignature", "note": note, "witness": str(key.verifier)} for key in witness_keys
    ]
    assert ask(questions) == [1_764_000_000] * 3


def test_our_consistency_paths_are_accepted_and_changed_ones_refused():
    questions, expected = [], []
    for size in range(2, 41, 3):
        for old in range(1, size, 4):
            path = [step.hex() for step in consistency_path(LEAVES[:size], old)]
            good = {
                "what": "consistency",
                "old": old,
                "size": size,
                "path": path,
                "old_root": tree_root(LEAVES[:old]).hex(),
                "root": tree_root(LEAVES[:size]).hex(),
            }
            questions += [good, {**good, "path": [*path[:-1], "00" * 32]}]
            expected += [True, False]
    assert ask(questions) == expected
