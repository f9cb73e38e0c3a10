"""The units for systemd: commands that are there, and nothing that systemd does not know."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from factoryledger.cli import app

UNITS = sorted((Path(__file__).parents[2] / "docs" / "systemd").glob("*.service"))
PLACE = "/usr/local/bin/factoryledger"


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_it_starts_a_command_with_options_that_it_has(unit):
    (line,) = re.findall(rf"^ExecStart={PLACE} (.*)$", unit.read_text(), re.MULTILINE)
    name, *arguments = line.split()
    assert unit.stem == f"factoryledger-{name}"
    command = typer.main.get_command(app).commands[name]
    with command.make_context(name, arguments) as context:
        given = {key for key, value in context.params.items() if value is not None}
    assert "metrics" in given


def test_there_is_one_for_each_part_that_runs_for_long():
    assert {unit.stem for unit in UNITS} == {
        f"factoryledger-{name}" for name in ("collect", "anchor", "witness", "web", "gateway")
    }


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_systemd_takes_it_and_finds_it_confined(unit, tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not here")
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace(PLACE, sys.executable))
    verified = subprocess.run(
        [analyze, "verify", "--man=no", copy], capture_output=True, text=True, check=False
    )
    said = [line for line in verified.stderr.splitlines() if unit.name in line]
    assert said == []
    judged = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=30", copy],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout[-2000:]
