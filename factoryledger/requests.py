"""The folder of key entries that wait to be applied (docs/formats.md, Key entry).

Rule: a name never sorts before one that was there already, so a collector that asks for
what comes after the last name it applied misses nothing, whoever writes at the same time.
"""

import re
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from factoryledger.files import locked, write_all

_TICK = 3_000_000_000
"""Nanoseconds; the coarsest file system's clock ticks every two seconds."""
_NAME = re.compile(r"([0-9]{16})-[0-9a-f]{16}\.entry")


class RequestFolder:
    """Key entries as files, in the order in which they were written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, str] | None = None

    def write(self, entry: bytes) -> str:
        """Put an entry into the folder and give its file's name; durable on return.

        An entry that is there already keeps its place.
        """
        return self.write_all([entry])[0]

    def write_all(self, entries: Sequence[bytes]) -> list[str]:
        """Put entries into the folder, in this order, and give their files' names."""
        self._path.mkdir(parents=True, exist_ok=True)
        with locked(self._path / ".lock"):
            names = self._names()
            there = {name[17:33]: name for name in names}
            newest = int(names[-1][:16]) if names else 0
            # Lifted above the newest: a clock that went back must not hide the entry from a
            # collector that is past that name.
            at = max(time.time_ns() // 1000, newest + 1)
            new: dict[str, bytes] = {}
            for entry in entries:
                digest = sha256(entry).hexdigest()[:16]
                if digest not in there:
                    there[digest] = f"{at + len(new):016d}-{digest}.entry"
                    new[there[digest]] = entry
            write_all(self._path, new)
        return [there[sha256(entry).hexdigest()[:16]] for entry in entries]

    def after(self, name: str) -> Sequence[tuple[str, bytes]]:
        """Give all whole entries whose file name sorts after `name`, in that order.

        Cheap where nothing has come since: a collector asks before each batch.
        """
        changed = self._changed()
        if self._seen is not None and self._seen[0] == changed and name >= self._seen[1]:
            return []
        names = self._names()
        # Within a tick of the file system's clock a second change would not be seen.
        settled = changed is not None and time.time_ns() - changed > _TICK
        self._seen = (changed, names[-1] if names else "") if settled and changed else None
        return [(found, (self._path / found).read_bytes()) for found in names if found > name]

    def _changed(self) -> int | None:
        """When something last came into the folder or left it, in nanoseconds; None without it."""
        try:
            return self._path.stat().st_mtime_ns
        except FileNotFoundError:
            return None

    def _names(self) -> list[str]:
        """Names of whole entries, oldest first."""
        if not self._path.is_dir():
            return []
        return sorted(path.name for path in self._path.iterdir() if _NAME.fullmatch(path.name))
