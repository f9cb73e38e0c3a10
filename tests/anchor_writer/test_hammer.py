"""The anchor killed, its storage flipped, started again, many times over one log."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def hammer(folder, seed, rounds, capsys):
    folder.mkdir()
    script = Path(__file__).with_name("hammer_process.py")
    done = subprocess.run(
        [sys.executable, str(script), str(folder), str(seed), str(rounds)],
        capture_output=True,
        text=True,
        timeout=60 + 20 * rounds,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    counts = json.loads(done.stdout)
    with capsys.disabled():
        said = ", ".join(f"{what}: {count}" for what, count in sorted(counts.items()))
        print(f"\nhammer, seed {seed}, {rounds} rounds: {said}; two heads of one log: 0")  # noqa: T201
    return counts


def test_whatever_befalls_it_never_signs_two_histories(memory_path, capsys):
    counts = hammer(memory_path / "h", 1, 60, capsys)
    assert counts["killed"] > 10
    assert counts["refused, a bit flipped"] > 0
    assert counts["sent"] > 10
    assert counts["signed heads"] > 5


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 8))
def test_for_long_it_never_signs_two_histories(memory_path, capsys, seed):
    assert hammer(memory_path / "h", seed, 400, capsys)["signed heads"] > 20
