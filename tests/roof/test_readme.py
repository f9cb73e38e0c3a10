"""The README's console blocks are run, one after the other, and compared with what it shows."""

import os
import subprocess
from pathlib import Path

import pytest
from console_blocks import path_with, pattern, steps

pytestmark = pytest.mark.e2e

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_shows_what_happens(tmp_path):
    programs = path_with(tmp_path / "bin")
    work = tmp_path / "work"
    work.mkdir()
    code = 0
    shown = list(steps(README.read_text("utf-8")))
    assert len(shown) >= 6

    for command, lines in shown:
        done = subprocess.run(
            ["/bin/sh", "-c", f"(exit {code}); {command}"],
            check=False,
            cwd=work,
            env={**os.environ, "PATH": programs},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        code = done.returncode
        assert pattern(lines).fullmatch(done.stdout), f"$ {command}\n{done.stdout}"


def test_a_readme_that_says_something_else_would_be_noticed():
    said = pattern(["stored …, held 0", "…", "no findings"])

    assert said.fullmatch("stored 17, held 0\nno findings\n")
    assert said.fullmatch("stored 17, held 0\na\nb\nno findings\n")
    assert not said.fullmatch("stored 17, held 1\nno findings\n")
    assert not said.fullmatch("stored 17, held 0\n1 finding\n")
