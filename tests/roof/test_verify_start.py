"""`verify` starts fast because it loads little: asserted by what it loads, not by a clock."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from anchor.cosignature import cosign
from anchor.note import COSIGNATURE, Note, SignerKey
from anchor.policy import Witness, write_policy
from anchor.proof_file import ProofFile
from anchor.proving.verify import verify
from factoryledger.data_dir import DataDir

# What a proof needs none of; loaded, they take several times as long as all the rest.
HEAVY = (
    "sqlalchemy", "alembic", "psycopg", "rich", "textual", "starlette", "uvicorn", "httpx",
    "structlog", "prometheus_client", "paho", "aiomqtt", "mqtt5", "uvloop", "numpy", "yaml",
    "collector", "simulator", "recorder", "watch",
)  # fmt: skip
PROGRAM = """
import json, sys
from factoryledger.cli import run
code = run(sys.argv[1:])
json.dump([int(code), sorted({name.partition(".")[0] for name in sys.modules})], sys.stderr)
"""


@pytest.mark.parametrize("kind", ["message", "range"])
def test_verify_loads_no_more_than_it_needs(command, ledger, kind):
    place = ["--data", ledger.path]
    asked = [
        "--device",
        "mill-01",
        "--from",
        "1971-01-01T00:00:00Z",
        "--to",
        "2100-01-01T00:00:00Z",
    ]
    made = command("prove", *(asked if kind == "range" else []), "-o", "p.proof", *place)
    assert made.code == 0, made.err
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, "verify", "p.proof", *map(str, place)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    code, loaded = json.loads(ran.stderr)
    assert code == 0
    assert "anchor" in loaded
    assert set(HEAVY) & set(loaded) == set()


def test_a_proof_with_three_witnesses_is_under_eight_kilobytes(command, ledger):
    """A real one, from the store, whose log's checkpoint three Ed25519 witnesses cosign."""
    place = ["--data", ledger.path]
    assert command("prove", "-o", "p.proof", *place).code == 0
    proof = ProofFile.from_bytes(Path("p.proof").read_bytes())
    folder = DataDir(ledger.path)
    keys = [SignerKey.generate(f"witness{n}.example.com", COSIGNATURE) for n in range(3)]
    note = Note.from_bytes(proof.checkpoint_proof.checkpoint)
    for key in keys:
        note = note.with_signatures(cosign(key, note.text, 1_764_000_000))
    anchored = replace(proof.checkpoint_proof, checkpoint=note.to_bytes())
    data = replace(proof, checkpoint_proof=anchored).to_bytes()
    witnesses = [Witness(key.name, key.verifier) for key in keys]
    policy = write_policy(folder.anchor.verifier, folder.operator.verifier, witnesses, "all")

    found = verify(data, DataDir(ledger.path).policy().from_bytes(policy))
    assert len(found.witnesses) == 3
    print(f"\nproof file with three witnesses: {len(data)} bytes")  # noqa: T201
    # 23 levels: ten million messages and as many entries, beside what this small log has.
    grown = len(data) + 4 * 24 * 45
    assert grown < 8 * 1024
