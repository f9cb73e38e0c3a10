"""Strangers' verifiers, each in an environment where nothing of this project is installed.

They are given files, and read proofs, policies and logs in their own way: the small programs
here only hand over what is in them.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
COMMON = '''
import json, sys
from pathlib import Path

def lines_of(policy, first):
    return [line.split() for line in policy.splitlines() if line.split()[:1] == [first]]

def keys_of(policy):
    """The log's vkey, the witnesses' vkeys, how many are due: all, or none."""
    witnesses = [words[2] for words in lines_of(policy, "witness")]
    none = lines_of(policy, "quorum") == [["quorum", "none"]]
    return lines_of(policy, "log")[0][1], witnesses, 0 if none else len(witnesses)

def answers(judge):
    given = json.load(sys.stdin)
    said = []
    for folder, hop in given:
        read = lambda end: (Path(folder) / f"{hop}.{end}").read_bytes()
        try:
            said.append(judge(read("tlog-proof").decode(), read("entry"), read("policy").decode()))
        except (ValueError, ProofError) as error:
            said.append(f"{type(error).__name__}: {error}")
    json.dump(said, sys.stdout)
'''
PROOFBUNDLE = (
    COMMON
    + """
from proofbundle.errors import ProofBundleError as ProofError
from proofbundle.tlogproof import verify_tlog_proof

def judge(proof, entry, policy):
    log, witnesses, due = keys_of(policy)
    return verify_tlog_proof(
        proof, entry, log, witnesses, threshold=due, expected_origin=log.split("+")[0]
    )["ok"]

answers(judge)
"""
)
AICS = (
    COMMON
    + """
import base64
from aics_tlog import parse_note, parse_vkey, verify_checkpoint, verify_leaf_inclusion

ProofError = TypeError

def judge(proof, entry, policy):
    log, witnesses, due = keys_of(policy)
    log, witnesses = parse_vkey(log), [parse_vkey(each) for each in witnesses]
    # It has no reader of tlog-proofs, and knows no ML-DSA-44.
    head, _, note = proof.partition("\\n\\n")
    magic, *rest = head.split("\\n")
    if magic != "c2sp.org/tlog-proof@v1":
        raise ValueError(magic)
    index, *path = [line for line in rest if not line.startswith("extra ")]
    known = [each for each in witnesses if each.key_type == 4]
    found = verify_checkpoint(
        parse_note(note), log, known, quorum=min(due, len(known)), expected_origin=log.name
    )
    steps = [base64.b64decode(step, validate=True) for step in path]
    place = int(index.removeprefix("index "))
    return found.ok and verify_leaf_inclusion(entry, place, found.size, steps, found.root)

answers(judge)
"""
)
AICS_LOG = (
    COMMON
    + """
from aics_tlog import (
    FileSystemTileReader, audit_tiles, consistency_proof_from_tiles, parse_note, parse_vkey,
    read_entry, verify_checkpoint, verify_consistency,
)

folder, vkey, entries = json.load(sys.stdin)
key = parse_vkey(vkey)
found = verify_checkpoint(
    parse_note((Path(folder) / "checkpoint").read_bytes()), key, expected_origin=key.name
)
if not found.ok:
    print(json.dumps(found.error)), sys.exit()
reader = FileSystemTileReader(folder)
try:
    report = audit_tiles(reader, found.size, found.root)
except (ValueError, OSError) as error:
    print(json.dumps(str(error))), sys.exit()
same = [read_entry(reader, i, found.size).hex() for i in range(found.size)] == entries
for path in (Path(folder) / "checkpoints").iterdir():
    old = verify_checkpoint(parse_note(path.read_bytes()), key)
    path = consistency_proof_from_tiles(reader, old.size, found.size)
    same = same and verify_consistency(old.size, found.size, old.root, found.root, path)
print(json.dumps([report.size, report.tiles, report.bundles, same]))
"""
)
PROGRAMS = {
    "proofbundle": (".venv-oracles", PROOFBUNDLE),
    "aics-tlog": (".venv-witness", AICS),
    "aics-tlog, a log": (".venv-witness", AICS_LOG),
}


def ask(who: str, given: Any) -> Any:
    """What a stranger's verifier says of what it is given."""
    environment, program = PROGRAMS[who]
    python = ROOT / environment / "bin" / "python"
    if not python.exists() and environment == ".venv-witness":
        pytest.skip("no aics-tlog: `make witness` builds .venv-witness, of Python 3.12")
    if not python.exists():
        pytest.fail("no proofbundle: `make oracles` builds .venv-oracles")
    done = subprocess.run(
        [python, "-I", "-c", program],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
