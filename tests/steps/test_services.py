"""A service whose disk fails ends: with exit code 3, a sentence, and no answer that rests on it."""

import subprocess
import sys
from pathlib import Path

import pytest
from library import preloaded

PROCESS = Path(__file__).with_name("service_process.py")


@pytest.mark.parametrize(
    ("what", "answers"), [("witness", ["503"]), ("ledger", []), ("ledger-once", [])]
)
def test_a_failed_fsync_ends_it(library, memory_path, what, answers):
    done = subprocess.run(
        [sys.executable, str(PROCESS), what, str(memory_path)],
        env=preloaded(library),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    *answered, code, sentence = done.stdout.splitlines()
    assert answered == answers
    assert code == "3"
    assert "did not reach the disk" in sentence
