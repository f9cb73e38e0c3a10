"""What an auditor of a tiled log remembers: the checkpoint seen last, and how far it came.

Pure. It belongs to one pinned key and origin, never to what a server says of itself. The
checkpoint is signed, so it is checked before it counts; how far an audit came is not, so
whoever can write it can have less read again, and never have something false believed.
"""

import json
from dataclasses import dataclass
from typing import Final, Self

from anchor.errors import Malformed

_VERSION: Final = "factoryledger log memory v1"


@dataclass(slots=True)
class Memory:
    """Of one log: the newest checkpoint that it was held to, and entries checked under it.

    `checked` is 0 unless an audit was cut off: one that came to its end starts anew.
    """

    note: bytes | None = None
    checked: int = 0

    def see(self, note: bytes) -> None:
        """Take a checkpoint that continues the one before."""
        self.note = note

    def check(self, entries: int) -> None:
        """Entries were checked and found true so far."""
        self.checked = entries

    def finish(self) -> None:
        """Let the next audit read everything again."""
        self.checked = 0

    def to_bytes(self, key: str, origin: str) -> bytes:
        """The file that keeps it, for the log of this key (as a vkey) and origin."""
        note = None if self.note is None else self.note.decode()
        members = {
            "version": _VERSION,
            "key": key,
            "origin": origin,
            "checkpoint": note,
            "checked": self.checked,
        }
        return json.dumps(members, indent=1).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes, key: str, origin: str) -> Self:
        """Read the file; Malformed unless `to_bytes` wrote it, for this key and origin."""
        try:
            read = json.loads(data)
            memory = cls(read["checkpoint"] and read["checkpoint"].encode(), read["checked"])
            about = read["key"], read["origin"]
            same = memory.to_bytes(*about) == data and type(memory.checked) is int
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Malformed("it does not say what was audited") from error
        if not same or memory.checked < 0 or (memory.checked and memory.note is None):
            raise Malformed("it does not say what was audited in the one way to say it")
        if about != (key, origin):
            raise Malformed(f"it is about the log {about[1]!r} under the key {about[0]!r}")
        return memory
