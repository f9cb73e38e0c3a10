"""The README's console blocks are run, one after the other, and compared with what it shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

README = Path(__file__).parents[2] / "README.md"
GAP = "…"


def blocks():
    return re.findall(r"```console\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


def steps():
    """Each command with the lines that the README shows for it."""
    for block in blocks():
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *lines = step.splitlines()
            yield command, lines


def pattern(lines):
    """What a command's output has to match: `…` is some text, alone on a line some lines."""
    parts = []
    for line in lines:
        if line.strip() == GAP:
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append(".+?".join(re.escape(part) for part in line.split(GAP)) + r"\n")
    return re.compile("".join(parts))


@pytest.fixture
def programs(tmp_path):
    """A PATH with this checkout's command, and an sqlite3 that every Python has."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, code in (
        ("factoryledger", "from factoryledger.cli import main; main()"),
        (
            "sqlite3",
            (
                "import contextlib, sqlite3, sys\n"
                "with contextlib.closing(sqlite3.connect(sys.argv[1])) as store, store:\n"
                "    store.execute(sys.argv[2])"
            ),
        ),
    ):
        path = folder / name
        path.write_text(f"#!{sys.executable}\n{code}\n")
        path.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_the_readme_shows_what_happens(tmp_path, programs):
    work = tmp_path / "work"
    work.mkdir()
    code = 0
    shown = list(steps())
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
