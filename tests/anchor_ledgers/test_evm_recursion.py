"""py_ecc, which comes with eth-account, may not raise the whole process's recursion limit."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("web3")

ROOT = Path(__file__).parents[2]
# Those through which all others of ours come to eth-account.
MODULES = (
    *("anchor.ledgers.evm.asking", "anchor.ledgers.evm.ledger", "anchor.ledgers.evm.history"),
    "factoryledger.deploying",
)
SCRIPT = """
import importlib, sys
limit = sys.getrecursionlimit()
importlib.import_module(sys.argv[1])
assert sys.getrecursionlimit() == limit, sys.getrecursionlimit()
from anchor.errors import Malformed
from anchor.proof_file import ProofFile
try:
    ProofFile.from_bytes(b"[" * 100_000)
except Malformed as error:
    print(error)
"""


@pytest.mark.parametrize("module", MODULES)
def test_a_deep_file_is_malformed_whatever_was_imported(module):
    """In a process of its own: without a limit it would not live to say so."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, module],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "recursion" in done.stdout
