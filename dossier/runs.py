"""A session's messages, as runs of numbers that stand in one proof, joined into what is missing.

Pure. A package proves a long time in several files; each brings the message before and the one
after of its own, so that two files that follow one another share messages, and the machine's own
chain (`prev`) leads from one to the next.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from anchor.range_verified import Proved
from dossier.errors import Untrue

_EDGE = 64


class Run(NamedTuple):
    """Messages `first` to `last` without a gap; body hashes near both ends, by number.

    `prev` is what the first one names (32 bytes), None where it names none or is erased.
    """

    first: int
    last: int
    prev: bytes | None
    erased: bool
    bodies: dict[int, bytes]


@dataclass(slots=True)
class Session:
    """The runs of one session, from as many files as there are."""

    name: str
    runs: list[Run] = field(default_factory=list)

    def take(self, messages: Sequence[Proved]) -> None:
        """Take what one file proves of it, in order of number."""
        start = 0
        for at in range(1, len(messages) + 1):
            if at == len(messages) or messages[at].seq != messages[at - 1].seq + 1:
                self.runs.append(_run(messages[start:at]))
                start = at

    def joined(self) -> "Joined":
        """What they add up to; Untrue where two files hold two messages of one number."""
        ordered = sorted(self.runs, key=lambda run: (run.first, run.last))
        missing, broken, last = list[tuple[int, int]](), list[int](), ordered[0]
        for run in ordered[1:]:
            self._check_same(last, run)
            if run.first > last.last + 1:
                missing.append((last.last + 1, run.first - 1))
            elif _follows_on(last, run) and run.prev != last.bodies.get(last.last):
                broken.append(run.first)
            if run.last >= last.last:
                last = run
        first = ordered[0]
        return Joined(self.name, first, last, tuple(missing), tuple(broken))

    def _check_same(self, one: Run, other: Run) -> None:
        shared = range(max(one.first, other.first), min(one.last, other.last) + 1)
        if len(shared) > _EDGE:
            raise Untrue(f"two files hold the same messages of session {self.name}")
        for seq in shared:
            if one.bodies.get(seq) != other.bodies.get(seq):
                raise Untrue(f"session {self.name} has two messages of number {seq}")


class Joined(NamedTuple):
    """A session's first and last run, what is missing between, where `prev` does not fit."""

    name: str
    first: Run
    last: Run
    missing: tuple[tuple[int, int], ...]
    broken: tuple[int, ...]


class Numbers:
    """Numbers that mostly come in order, counted once each."""

    def __init__(self) -> None:
        self._runs = list[list[int]]()

    def add(self, number: int) -> None:
        """Take one."""
        if self._runs and self._runs[-1][0] <= number <= self._runs[-1][1] + 1:
            self._runs[-1][1] = max(self._runs[-1][1], number)
        else:
            self._runs.append([number, number])

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.runs())

    def runs(self) -> Iterator[tuple[int, int]]:
        """First and last of those that follow on one another."""
        begun: tuple[int, int] | None = None
        for first, last in sorted(self._runs):
            if begun is None:
                begun = first, last
            elif first <= begun[1] + 1:
                begun = begun[0], max(begun[1], last)
            else:
                yield begun
                begun = first, last
        if begun is not None:
            yield begun


def _follows_on(one: Run, other: Run) -> bool:
    """Whether the numbers do, and the other's first message can say what it follows."""
    return other.first == one.last + 1 and not other.erased


def _run(messages: Sequence[Proved]) -> Run:
    first, last = messages[0], messages[-1]
    near = messages if len(messages) <= 2 * _EDGE else (*messages[:_EDGE], *messages[-_EDGE:])
    return Run(
        first=first.seq,
        last=last.seq,
        prev=None if first.message is None else first.message.prev,
        erased=first.message is None,
        bodies={one.seq: one.body for one in near},
    )
