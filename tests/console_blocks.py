"""Console blocks of pages: commands with what a page shows for them, run and compared.

`$ ` begins a command; what follows it is what it prints, with `…` for some text, or, alone on
a line, for some lines.
"""

import os
import re
import signal
import subprocess
import sys
import uuid

GAP = "…"
SQLITE = """import contextlib, sqlite3, sys
with contextlib.closing(sqlite3.connect(sys.argv[1])) as store, store:
    for row in store.execute(sys.argv[2]):
        print(*row, sep="|")"""


def steps(text):
    """Each command of a page's console blocks with the lines that the page shows for it."""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
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


def path_with(folder):
    """A PATH with this checkout's command, its Python, and an sqlite3 that every Python has."""
    folder.mkdir()
    run = f"#!{sys.executable}\n"
    for name, code in (
        ("factoryledger", f"{run}from factoryledger.cli import main; main()"),
        ("sqlite3", f"{run}{SQLITE}"),
        ("python", f'#!/bin/sh\nexec {sys.executable} "$@"'),
    ):
        path = folder / name
        path.write_text(f"{code}\n")
        path.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


class Shell:
    """One shell for all commands of a page, so that what runs behind them stays known to it.

    Leaving it ends whatever is left of what it started.
    """

    def __init__(self, folder, path, **environment):
        self._process = subprocess.Popen(
            ["/bin/sh"],
            cwd=folder,
            env={**os.environ, "PATH": path, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def run(self, command):
        """What a command prints, errors included; `$?` of it is the next one's."""
        end = uuid.uuid4().hex
        print(
            command, f'__code=$?; echo "{end}"; (exit $__code)', sep="\n", file=self._process.stdin
        )
        self._process.stdin.flush()
        said = []
        for line in self._process.stdout:
            if line.endswith(f"{end}\n"):
                said.append(line.removesuffix(f"{end}\n"))
                return "".join(said)
            said.append(line)
        raise AssertionError(f"the shell ended in: {command}\n{''.join(said)}")
