"""One part of the demo as a process of its own: started, watched, stopped, started again.

Edge: processes and their log files. A part ends when the demo does, however that ends: its
standard input is a pipe from the demo, and it stops at the end of that input.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from factoryledger.errors import NotThere
from factoryledger.running import STOP_WITH_INPUT

# A part that dies as soon as it starts is started again ever more slowly.
_FIRST_DELAY = 0.2
_LAST_DELAY = 5.0
_STEADY = 10.0


@dataclass
class Part:
    """A command of this program that runs until it is told to stop."""

    name: str
    arguments: Sequence[str]
    folder: Path
    restarts: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _started: float = 0.0
    _delay: float = _FIRST_DELAY
    _due: float | None = None
    _log_start: int = field(default=0)

    @property
    def log(self) -> Path:
        """What it said, over all starts."""
        return self.folder / f"{self.name}.log"

    @property
    def output(self) -> Path:
        """What it printed as its result."""
        return self.folder / f"{self.name}.out"

    @property
    def pid(self) -> int | None:
        """Its process's id while it runs."""
        return self._process.pid if self.running and self._process else None

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def ready(self) -> bool:
        """Whether it has said so since it was started last."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return b": ready" in log.read(65536)

    def start(self) -> None:
        """Start its process; it knows of no terminal, so Ctrl-C reaches the demo alone."""
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log, self.output.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                [sys.executable, "-m", "factoryledger", *self.arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=log,
                start_new_session=True,
                env={**os.environ, STOP_WITH_INPUT: "1"},
            )
        self._started = time.monotonic()
        self._due = None

    def revive(self) -> bool:
        """Start it again if it died, after a growing delay; True when this call started it."""
        if self.running:
            return False
        now = time.monotonic()
        if self._due is None:
            steady = now - self._started > _STEADY
            self._delay = _FIRST_DELAY if steady else min(2 * self._delay, _LAST_DELAY)
            self._due = now + self._delay
        if now < self._due:
            return False
        self.start()
        self.restarts += 1
        return True

    def check_ready(self) -> None:
        """NotThere, with what it said last, unless it is ready."""
        if not self.ready:
            raise NotThere(f"{self.name} did not start: {self.last_words()} (see {self.log})")

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        if self._process is not None and self.running:
            self._process.send_signal(signal.SIGTERM)

    def end(self, timeout: float) -> int:
        """Stop it, by force after `timeout`, and give its exit code."""
        if self._process is None:
            return 0
        self.ask_to_stop()
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        return code

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def last_words(self) -> str:
        """The last line that it wrote to its log."""
        lines = self.log.read_text("utf-8", "replace").splitlines() if self.log.exists() else []
        return lines[-1] if lines else "it said nothing"
