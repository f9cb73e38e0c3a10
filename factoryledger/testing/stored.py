"""What a ledger has stored, to compare with, and why it is not what was expected."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple, overload

from telemetry.topic import matches

_SHOWN = 10
_WIDTH = 80


class Message(NamedTuple):
    """A stored message; `topic` without the test's prefix, times in µs since 1970.

    `properties` is their canonical text or None; the last four are of signed messages that
    were accepted.
    """

    topic: str
    payload: bytes | None
    status: str
    received: int
    properties: str | None
    device: str | None
    session: str | None
    seq: int | None
    time: int | None


class Stored(Sequence[Message]):
    """All that is stored, in order, as it was when this was made.

    Equal to a number of messages, to a list of payloads (bytes), or of (topic, payload).
    """

    def __init__(self, messages: Sequence[Message], duplicates: int = 0, refused: int = 0) -> None:
        self._messages = tuple(messages)
        self.duplicates = duplicates
        self.refused = refused

    @property
    def statuses(self) -> Counter[str]:
        """How many there are of each status."""
        return Counter(one.status for one in self)

    @property
    def topics(self) -> list[str]:
        """The topics, each once, in order."""
        return list(dict.fromkeys(one.topic for one in self))

    @property
    def payloads(self) -> list[bytes | None]:
        """The payloads."""
        return [one.payload for one in self]

    def on(self, pattern: str) -> "Stored":
        """Give those whose topic matches a filter."""
        found = [one for one in self if matches(pattern, one.topic)]
        return Stored(found, self.duplicates, self.refused)

    def explain(self, expected: object) -> list[str]:
        """Say what differs, for `assert`."""
        if isinstance(expected, int):
            return [f"{_count(len(self))} stored, not {expected}", *self._about()]
        if not isinstance(expected, Sequence) or isinstance(expected, str | bytes):
            kinds = "a number, a list of payloads (bytes) or of (topic, payload)"
            return [f"what is stored is compared with {kinds}, not {type(expected).__name__}"]
        lines = [f"{_count(len(self))} stored, {len(expected)} expected"]
        missing = object()
        for place, (one, other) in enumerate(zip_longest(self, expected, fillvalue=missing)):
            if one is missing:
                lines.append(f"number {place} is missing: {_short(other)}")
            elif other is missing:
                lines.append(f"number {place} is one too many: {_short(one)}")
            elif _same(one, other):
                continue
            else:
                lines.append(f"number {place} is {_short(one)}, expected {_short(other)}")
            break
        return lines + self._about()

    def _about(self) -> list[str]:
        """What is there, in a few lines."""
        statuses = ", ".join(f"{count} {status}" for status, count in self.statuses.items())
        lines = [f"by status: {statuses or 'none'}"]
        lines.append(f"came again and counted once: {self.duplicates}; refused: {self.refused}")
        counts = Counter(one.topic for one in self)
        lines += [f"{count} on {topic}" for topic, count in counts.most_common(_SHOWN)]
        if len(counts) > _SHOWN:
            lines.append(f"and {len(counts) - _SHOWN} topics more")
        return lines

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[Message]:
        return iter(self._messages)

    @overload
    def __getitem__(self, place: int) -> Message: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Message]: ...
    def __getitem__(self, place: int | slice) -> Message | Sequence[Message]:
        return self._messages[place]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int):
            return len(self) == other
        if isinstance(other, Sequence) and not isinstance(other, str | bytes):
            return len(self) == len(other) and all(map(_same, self, other))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{_count(len(self))} stored>"


def _same(one: object, other: object) -> bool:
    if not isinstance(one, Message):
        return False
    if isinstance(other, Message):
        return one[:] == other[:]
    return other in (one.payload, (one.topic, one.payload))


def _short(one: object) -> str:
    said = (one.topic, one.payload) if isinstance(one, Message) else one
    text = repr(said)
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"


def _count(number: int) -> str:
    return f"{number} message{'' if number == 1 else 's'}"
