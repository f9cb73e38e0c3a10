"""A small factory on loopback and its page: the demo's parts, and `factoryledger web` beside them.

For the page's tests, and for the pictures of it in the README.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PROGRAM = (sys.executable, "-m", "factoryledger")
LONGEST = 60.0


@dataclass(frozen=True)
class Factory:
    """A factory that runs: its data folder and its broker's address; `end` ends it."""

    data: Path
    broker: str
    running: "subprocess.Popen[str]"

    def end(self) -> None:
        """Let it end by itself: the broker is gone then, and the data stays."""
        self.running.terminate()
        self.running.communicate(timeout=LONGEST)


@contextmanager
def factory(data: Path, machines: int) -> Iterator[Factory]:
    """Run the demo, from when all its parts are ready."""
    arguments = ("demo", "--data", data, "--machines", machines, "--duration", 600)
    with _running(*arguments) as running:
        _await_line(running.stderr, "demo: ready after")
        said = (data / "demo" / "simulate.log").read_text()
        found = re.search(r"mqtt://127\.0\.0\.1:\d+", said)
        assert found is not None, said
        yield Factory(data, found[0], running)


@contextmanager
def web(place: Factory, **environment: str) -> Iterator[str]:
    """Run the page's server on a free port; gives its address."""
    arguments = ("web", "--port", 0, "--broker", place.broker, "--data", place.data)
    with _running(*arguments, **environment) as running:
        line = _await_line(running.stderr, "web on ")
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found is not None, line
        yield found[0]


@contextmanager
def _running(*arguments: object, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    mine = {k: v for k, v in os.environ.items() if not k.startswith("FACTORYLEDGER_")}
    running = subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**mine, **environment},
    )
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate()


def _await_line(stream: IO[str] | None, text: str) -> str:
    assert stream is not None
    said = []
    for line in stream:
        said.append(line)
        if text in line:
            return line
    raise AssertionError(f"{text!r} never came: {''.join(said)}")
