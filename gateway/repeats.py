"""What of a source was signed already: it sends again what it saw no acknowledgement for.

MQTT resends under the same packet identifier, marked DUP. A message is known again by that
number and the SHA-256 of topic and payload. Bounded: the newest so many. Kept in a file beside
the outboxes, written after they are durable: what is in it is signed, what is signed and not in
it is at worst marked as a possible repeat. Edge: the file.
"""

from collections import OrderedDict
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Final

from anchor.keeping.durable import Durable
from gateway.heard import Heard

REMEMBERED: Final = 1024
_LENGTH: Final = 34
_REWRITE: Final = 16


class Repeats:
    """The newest messages that were signed and have a number of their source's."""

    def __init__(self, file: Path | None, remembered: int = REMEMBERED) -> None:
        """Take over what the file holds; a torn last entry is no entry."""
        self._file, self._remembered = file, remembered
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._written = 0
        if file is not None and file.exists():
            data = file.read_bytes()
            for at in range(0, len(data) - _LENGTH + 1, _LENGTH):
                self._add(data[at : at + _LENGTH])
        self._rewrite()

    def known(self, heard: Heard) -> bool:
        """Whether it was signed: it came again, and this one is remembered."""
        return heard.again and _key(heard) in self._known

    def remember(self, signed: Iterable[Heard]) -> None:
        """Take note of what is signed and durable; a power cut may forget the newest of it."""
        keys = [_key(heard) for heard in signed if heard.number]
        for key in keys:
            self._add(key)
        if self._file is None or not keys:
            return
        if self._written + len(keys) > _REWRITE * self._remembered:
            self._rewrite()
            return
        with self._file.open("ab") as file:
            file.write(b"".join(keys))
        self._written += len(keys)

    def forget(self) -> None:
        """Know nothing any more: a source's session is new, and so are its numbers."""
        self._known.clear()
        self._rewrite()

    def _add(self, key: bytes) -> None:
        self._known.pop(key, None)
        self._known[key] = None
        if len(self._known) > self._remembered:
            self._known.popitem(last=False)

    def _rewrite(self) -> None:
        if self._file is None:
            return
        Durable().replace(self._file, b"".join(self._known))
        self._written = len(self._known)


def _key(heard: Heard) -> bytes:
    topic = heard.topic.encode(errors="replace")
    digest = sha256(len(topic).to_bytes(4, "big") + topic + heard.payload).digest()
    return heard.number.to_bytes(2, "big") + digest
