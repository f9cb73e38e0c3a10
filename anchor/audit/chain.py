"""Each machine's chain of messages: what is missing, what breaks off, what was cloned.

Messages come in any order. Memory grows with sessions, gaps and breaks, not with messages:
of a run without gaps only its two ends are kept.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple, Self

from anchor.ports import Ledger
from anchor.reading.row_record import named_message
from telemetry.rows import MessageRow


@dataclass(frozen=True, slots=True)
class Link:
    """A message's `prev` that no message of its own session answers for; and its row's place."""

    prev: bytes
    collector: str
    position: int
    seq: int
    session: str
    key: str


@dataclass(frozen=True, slots=True)
class Fork:
    """Two messages of one device that name one predecessor."""

    device: str
    link: Link
    against: tuple[str, int]
    """Collector and position of the other message."""


class Run(NamedTuple):
    """Messages of one session, each the next number after the one before, and naming it.

    `link` is what the first of them names, `body` the last one's body hash; `begins` and
    `ends` are the positions of these two.
    """

    device: str
    session: str
    first: int
    last: int
    link: Link | None
    body: bytes
    begins: int
    ends: int


@dataclass(slots=True)
class _Session:
    highest: int = -1
    count: int = 0
    # The ends of runs: by seq, a last message's body hash and a first one's link.
    tails: dict[int, bytes] = field(default_factory=dict)
    heads: dict[int, Link | None] = field(default_factory=dict)


@dataclass(slots=True)
class Chains:
    """All machines' chains; `add` each accepted message, then ask."""

    breaks: int = 0
    _sessions: dict[tuple[str, str], _Session] = field(default_factory=dict)
    _loose: dict[str, list[Link]] = field(default_factory=dict)

    def add(self, row: MessageRow, body: bytes, prev: bytes | None, *, known: bool) -> None:
        """Take an accepted row; `known` is False where the payload, and so `prev`, is erased."""
        assert row.device is not None
        assert row.session is not None
        assert row.seq is not None
        session = self._sessions.setdefault((row.device, row.session), _Session())
        session.highest = max(session.highest, row.seq)
        session.count += 1
        link = None
        if known and prev is not None:
            link = Link(prev, row.collector, row.position, row.seq, row.session, row.key or "")
        self._join_left(session, row.device, row.seq, link, known=known)
        self._join_right(session, row.device, row.seq, body)

    def takes(self, runs: Sequence[Run]) -> bool:
        """Whether nothing that is known ends or begins inside of these runs."""
        return not any(self._cuts(run) for run in runs if run.first != run.last)

    def extend(self, runs: Sequence[Run]) -> None:
        """Take runs that it `takes`, no two of which overlap; as if message by message."""
        events = [(run.begins, False, run) for run in runs]
        events += [(run.ends, True, run) for run in runs]
        # Each at its own place, so that what is found is found in the same order.
        events.sort(key=itemgetter(0, 1))
        for _, is_end, run in events:
            session = self._sessions.setdefault((run.device, run.session), _Session())
            if is_end:
                self._join_right(session, run.device, run.last, run.body)
            else:
                session.highest = max(session.highest, run.last)
                session.count += run.last + 1 - run.first
                self._join_left(session, run.device, run.first, run.link, known=True)

    def _cuts(self, run: Run) -> bool:
        session = self._sessions.get((run.device, run.session))
        if session is None:
            return False
        inside = range(run.first, run.last)
        if len(session.heads) + len(session.tails) < len(inside):
            return any(seq - 1 in inside for seq in session.heads) or any(
                seq in inside for seq in session.tails
            )
        return any(seq + 1 in session.heads or seq in session.tails for seq in inside)

    def _join_left(
        self, session: _Session, device: str, seq: int, link: Link | None, *, known: bool
    ) -> None:
        before = session.tails.pop(seq - 1, None)
        if before is None:
            session.heads[seq] = link
        elif known:
            self._meet(device, before, link)

    def _join_right(self, session: _Session, device: str, seq: int, body: bytes) -> None:
        if seq + 1 in session.heads:
            link = session.heads.pop(seq + 1)
            if link is not None:
                self._meet(device, body, link)
        else:
            session.tails[seq] = body

    def _meet(self, device: str, body: bytes, link: Link | None) -> None:
        """Two neighbours of one session: the second must name the first."""
        if link is None or link.prev != body:
            self.breaks += 1
            if link is not None:
                self._loose.setdefault(device, []).append(link)

    def remembered(self) -> Any:
        """All of it, as JSON has it; before `forks` is asked."""
        sessions = [
            [
                *name,
                session.highest,
                session.count,
                [[seq, body.hex()] for seq, body in session.tails.items()],
                [[seq, link and _plain(link)] for seq, link in session.heads.items()],
            ]
            for name, session in self._sessions.items()
        ]
        loose = {device: [*map(_plain, links)] for device, links in self._loose.items()}
        return [self.breaks, sessions, loose]

    @classmethod
    def from_remembered(cls, read: Any) -> Self:
        """Go on with what `remembered` gave."""
        breaks, sessions, loose = read
        chains = cls(breaks)
        for device, session, highest, count, tails, heads in sessions:
            chains._sessions[device, session] = _Session(
                highest,
                count,
                {seq: bytes.fromhex(body) for seq, body in tails},
                {seq: link and _link(link) for seq, link in heads},
            )
        chains._loose.update({device: [*map(_link, links)] for device, links in loose.items()})
        return chains

    @property
    def sessions(self) -> int:
        """How many sessions there were."""
        return len(self._sessions)

    @property
    def gaps(self) -> int:
        """How many numbers are missing inside of sessions."""
        return sum(max(0, s.highest + 1 - s.count) for s in self._sessions.values())

    def forks(self, stores: Sequence[Ledger]) -> Iterator[Fork]:
        """Every pair that names one predecessor; settles what `breaks` counts.

        Streams the claims once if a link is still loose after sessions are joined.
        """
        seen, loose = dict[tuple[str, bytes], Link](), False
        tails = self._tails()
        for device, link in self._starts():
            first = seen.setdefault((device, link.prev), link)
            if first is not link:
                yield Fork(device, link, (first.collector, first.position))
            if (device, link.prev) not in tails:
                loose = True
                self.breaks += link.seq == 0
        if loose:
            for ledger in stores:
                yield from self._in_the_middle(ledger, stores, seen)

    def _tails(self) -> set[tuple[str, bytes]]:
        """The body hashes that runs end in: what another session may go on from."""
        return {
            (device, body)
            for (device, _), session in self._sessions.items()
            for body in session.tails.values()
        }

    def _starts(self) -> Iterator[tuple[str, Link]]:
        """Links that no message of their own session answers for."""
        unnamed = Counter[str]()
        for (device, _), session in self._sessions.items():
            for seq, link in session.heads.items():
                if link is not None:
                    yield device, link
                elif seq == 0:
                    unnamed[device] += 1
        for device, links in self._loose.items():
            for link in links:
                yield device, link
        # A machine's very first message names nothing; every further such one is a break.
        self.breaks += sum(count - 1 for count in unnamed.values())

    def _in_the_middle(
        self, ledger: Ledger, stores: Sequence[Ledger], seen: dict[tuple[str, bytes], Link]
    ) -> Iterator[Fork]:
        """Links to a message that has a successor in its own session."""
        for device, session, seq, _, _, body in ledger.claims():
            link = seen.get((device, body)) if _is_claim(device, body) else None
            if link is None or (link.session, link.seq) == (session, _next(seq)):
                continue
            successor = _found(stores, device, session, _next(seq))
            message = named_message(successor) if successor else None
            if successor and message and message.prev == link.prev:
                yield Fork(device, link, (successor.collector, successor.position))


def _plain(link: Link) -> list[Any]:
    return [link.prev.hex(), link.collector, link.position, link.seq, link.session, link.key]


def _link(read: list[Any]) -> Link:
    prev, *rest = read
    return Link(bytes.fromhex(prev), *rest)


def _found(stores: Sequence[Ledger], device: str, session: str, seq: int) -> MessageRow | None:
    rows = (ledger.find(device, session, seq) for ledger in stores)
    return next((row for row in rows if row is not None), None)


def _is_claim(device: object, body: object) -> bool:
    return type(device) is str and type(body) is bytes


def _next(seq: object) -> int:
    return seq + 1 if type(seq) is int and seq < 2**63 - 1 else -1
