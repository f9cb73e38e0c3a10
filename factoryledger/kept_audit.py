"""The file that keeps what an audit leaves for the next; written whole, and without findings only.

A damaged one is never an error: everything is read then, and a note says why. A file that holds
something else is: it is somebody's, and is not written over.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from anchor.audit.whole import AuditMemory, Since
from anchor.errors import Malformed
from factoryledger.errors import WrongUsage
from factoryledger.files import write_whole

_BEGINNING = b'{"version":"factoryledger audit memory'


@dataclass(frozen=True, slots=True)
class KeptAudit:
    """Where it is kept, and whether rows that an earlier audit read are left out."""

    path: Path
    only_new: bool
    clock: Callable[[], float] = time.time

    def load(self) -> tuple[Since, Sequence[str]]:
        """What there is to go on from, and a note where that is nothing though it was wanted."""
        now = int(self.clock())
        try:
            self._refuse_another_file()
            memory = AuditMemory.from_bytes(self.path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            note = f"{self.path} is not there yet: all was read"
            return Since(now, None, self.only_new), [note] if self.only_new else []
        except OSError as error:
            raise WrongUsage(f"--state: {self.path} cannot be read: {error.strerror}") from error
        except Malformed as error:
            return Since(now, None, self.only_new), [f"{self.path}: {error}; all was read"]
        return Since(now, memory, self.only_new), []

    def _refuse_another_file(self) -> None:
        with self.path.open("rb") as file:
            beginning = file.read(len(_BEGINNING))
        if not _BEGINNING.startswith(beginning):
            said = f"--state: {self.path} is no memory of an audit, and is left as it is"
            raise WrongUsage(f"{said}; name another file, or take this one away")

    def save(self, memory: AuditMemory) -> Sequence[str]:
        """Keep it for the next audit; a note where that cannot be: the outcome counts more."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, memory.to_bytes(), 0o600)
        except OSError as error:
            return [f"nothing is left for the next audit: {self.path}: {error.strerror}"]
        return []
