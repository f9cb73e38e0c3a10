"""What attackers meet: commands, processes, a ledger, as the tests of the commands have them."""

import importlib.util
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

HERE = Path(__file__).parent
# Tests are imported by path; the modules that they share are not, so their folders are named.
sys.path[:0] = [
    str(HERE),
    *(str(HERE.parent / part) for part in ("anchor_verify", "anchor_writer")),
]

_spec = importlib.util.spec_from_file_location("roof_fixtures", HERE.parent / "roof/conftest.py")
roof = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(roof)
command, program, await_line, alone = roof.command, roof.program, roof.await_line, roof._alone


@pytest.fixture(scope="session")
def anchored(tmp_path_factory):
    """A ledger of two machines, anchored, that no test changes: `copy` makes one to attack."""
    from factoryledger.cli import run

    folder = tmp_path_factory.mktemp("anchored")
    data, recording = folder / "d", folder / "r.jsonl"

    def call(*arguments):
        assert run([str(one) for one in arguments]) == 0

    machines = ["--machines", 2, "--duration", 6, "--seed", 7]
    call("simulate", *machines, "--out", recording)
    roof.enrol_recording(data, recording, seed=7)
    call("ingest", recording, "--data", data, "--processes", 0)
    call("anchor", "--once", "--data", data)
    call("prove", "--data", data, "-o", folder / "one.proof")
    return SimpleNamespace(data=data, recording=recording, proof=folder / "one.proof")


@pytest.fixture
def attacked(anchored, tmp_path):
    """A copy of that ledger, of one's own."""
    return Path(shutil.copytree(anchored.data, tmp_path / "attacked"))
