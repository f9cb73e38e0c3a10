"""An audit of one tiled log that can be cut off at any point and goes on from there.

What is remembered stands in one file for each pinned key, origin and place; it is checked
before it counts (`anchor.reading.log_memory`), and written whole or not at all.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from anchor.errors import AnchorError, Malformed
from anchor.note import VerifierKey
from anchor.reading.log_audit import LogAudit, audit_log
from anchor.reading.log_memory import Memory
from anchor.reading.log_reader import LogReader
from factoryledger.errors import WrongUsage
from factoryledger.files import write_whole
from factoryledger.progress import bar
from factoryledger.running import say

_SAVE_EVERY = 2.0


@dataclass
class KeptMemory:
    """A log's memory and the file that holds it; `named` if the user gave the file.

    `former` are the log's former keys, each with the file of what was seen under it.
    """

    path: Path
    key: VerifierKey
    origin: str
    named: bool
    former: Sequence[tuple[Path, VerifierKey]] = ()
    memory: Memory = field(default_factory=Memory)
    clock: Callable[[], float] = time.monotonic
    _saved: float = 0.0
    _silent: bool = False

    def load(self, reader: LogReader) -> None:
        """Take what the file remembers, once the log's key is found to have signed it.

        Where it remembers nothing of this key, what was seen under a former one counts.
        """
        failures = list[tuple[Path, AnchorError]]()
        for path, key in ((self.path, self.key), *self.former):
            try:
                self.memory = self._read(path, key, reader)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except AnchorError as error:
                failures.append((path, error))
                continue
            return
        if failures:
            path, failure = failures[0]
            raise WrongUsage(
                f"{path} cannot be used: {failure}. Name another file with --state, or remove "
                "it, and with it what it remembers of this log"
            ) from failure

    def _read(self, path: Path, key: VerifierKey, reader: LogReader) -> Memory:
        memory = Memory.from_bytes(path.read_bytes(), str(key), self.origin)
        if memory.note is not None and reader.open(memory.note).size < memory.checked:
            raise Malformed("it has checked more entries than its checkpoint has")
        return memory

    def advance(self) -> None:
        """Save what was checked, now and then."""
        now = self.clock()
        if now - self._saved >= _SAVE_EVERY:
            self._saved = now
            self.save()

    def save(self) -> None:
        """Write it down; where the default place cannot be written, say so once and go on."""
        if self.memory.note is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, self.memory.to_bytes(str(self.key), self.origin), 0o600)
        except OSError as error:
            if self.named:
                raise
            if not self._silent:
                self._silent = True
                say(f"nothing is remembered of this audit: {self.path}: {error.strerror}")


def default_state(place: str, key: VerifierKey, origin: str) -> Path:
    """Where an audit of this log at this place is remembered unless the user says where."""
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    where = place if "://" in place else str(Path(place).resolve())
    name = sha256("\0".join((str(key), origin, where)).encode()).hexdigest()[:32]
    return Path(home).expanduser() / "factoryledger" / "tlog-audit" / f"{name}.json"


def audit(reader: LogReader, kept: KeptMemory) -> LogAudit:
    """Check a log, showing a bar; cut off at any point, it is remembered how far it came."""
    kept.load(reader)
    with bar("entries") as show:

        def progress(done: int, total: int) -> None:
            show(done, total)
            kept.advance()

        try:
            return audit_log(reader, progress, memory=kept.memory)
        except BaseException:
            if kept.memory.checked:
                say(f"{kept.memory.checked} entries are checked: the same command goes on there")
            raise
        finally:
            kept.save()
