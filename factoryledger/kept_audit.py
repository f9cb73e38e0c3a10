"""The file that keeps what an audit leaves for the next; written whole, and without findings only.

One that cannot be read is never an error: everything is read then, and a note says why.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from anchor.audit.whole import AuditMemory, Since
from anchor.errors import Malformed
from factoryledger.errors import WrongUsage
from factoryledger.files import write_whole


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
            memory = AuditMemory.from_bytes(self.path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            note = f"{self.path} is not there yet: all was read"
            return Since(now, None, self.only_new), [note] if self.only_new else []
        except OSError as error:
            raise WrongUsage(f"--state: {self.path} cannot be read: {error.strerror}") from error
        except Malformed as error:
            return Since(now, None, self.only_new), [f"{self.path}: {error}; all was read"]
        return Since(now, memory, self.only_new), []

    def save(self, memory: AuditMemory) -> Sequence[str]:
        """Keep it for the next audit; a note where that cannot be: the outcome counts more."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, memory.to_bytes(), 0o600)
        except OSError as error:
            return [f"nothing is left for the next audit: {self.path}: {error.strerror}"]
        return []
