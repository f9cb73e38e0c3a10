"""Receipts that are owed and not sent yet: paced, so that they cost little, and never late.

Pure: what is committed and a monotonic clock come in, what to sign now comes out. A *piece* is
the committed part of one machine's session that will share a receipt; it keeps a running digest
and no bodies, so that waiting costs the same for one message and for thousands. A crash loses
what waits here; the machine's resend is receipted then (docs/decisions/receipts-are-paced.md).
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from collector.batch import Receipted

SHARE: Final = 0.05  # receipts for each message stored
FREE: Final = 50.0  # receipts a second that need no message: a small factory never waits
LATEST: Final = 20.0  # seconds; below the 22.5 s after which a machine sends again
MOST_PIECES: Final = 100_000  # waiting, some 100 MB at the very worst; then the oldest go at once
_SAVED: Final = 1000.0  # receipts that a quiet time may save up
_LONGEST: Final = 4096  # messages of a piece: an outbox remembers twice as many that it let go
_MOST_RANGES: Final = 256
_MOST_TOPICS: Final = 4

_Place = tuple[str, str, str, bool]


class Piece:
    """Messages of one session in one collector's log, ascending by seq, for one receipt.

    `since` is when the first came, by the monotonic clock; `anchored_by` (microseconds) is what
    its receipt promises, and so the earliest promise of them all.
    """

    __slots__ = ("_digest", "anchored_by", "count", "place", "ranges", "since", "topics")

    def __init__(self, place: _Place, since: float, anchored_by: int) -> None:
        self.place = place
        self.since = since
        self.anchored_by = anchored_by
        self.topics: set[str] = set()
        self.ranges: list[list[int]] = []
        self.count = 0
        self._digest = sha256()

    @property
    def bodies(self) -> bytes:
        """SHA-256 over the messages' body hashes in order of seq."""
        return self._digest.digest()

    def answers(self, item: Receipted) -> bool:
        """Whether this message is in it, and it goes where that one came from."""
        seq = item.number[2]
        at = bisect_right(self.ranges, seq, key=lambda one: one[0]) - 1
        if at < 0 or seq > self.ranges[at][1]:
            return False
        if item.topic not in self.topics and len(self.topics) >= _MOST_TOPICS:
            return False
        self.topics.add(item.topic)
        return True

    def takes(self, item: Receipted) -> bool:
        """Add a message where it goes on from the last; False where another piece must begin.

        What came again goes only where it follows without a gap: an outbox lets go of all of a
        receipt or of nothing, and a stranger may repeat messages that it has long forgotten.
        """
        seq = item.number[2]
        if self.ranges:
            last = self.ranges[-1]
            if (
                seq <= last[1]
                or self.count >= _LONGEST
                or (item.topic not in self.topics and len(self.topics) >= _MOST_TOPICS)
                or (seq > last[1] + 1 and (item.again or len(self.ranges) >= _MOST_RANGES))
            ):
                return False
            if seq == last[1] + 1:
                last[1] = seq
            else:
                self.ranges.append([seq, seq])
        else:
            self.ranges.append([seq, seq])
        self.topics.add(item.topic)
        self.count += 1
        self._digest.update(item.body_hash)
        return True


@dataclass(slots=True)
class _Purse:
    """What receipts may cost: a share of the messages or a free rate, whichever is more.

    A receipt is paid from both at once, so that they do not add up.
    """

    share: float = 0.0
    free: float = FREE
    at: float | None = None

    def earn(self, messages: int) -> None:
        self.share = min(_SAVED, self.share + SHARE * messages)

    def tick(self, now: float) -> None:
        if self.at is not None:
            self.free = min(FREE, self.free + FREE * max(0.0, now - self.at))
        self.at = now

    def affords(self, receipts: int) -> bool:
        return max(self.share, self.free) >= receipts

    def pay(self, receipts: int) -> None:
        self.share = max(0.0, self.share - receipts)
        self.free = max(0.0, self.free - receipts)


@dataclass(slots=True)
class Pending:
    """All pieces that wait, oldest first, and at most `most` of them from one `due` on."""

    most: int = MOST_PIECES
    _waiting: deque[Piece] = field(default_factory=deque)
    _open: dict[_Place, Piece] = field(default_factory=dict)
    _purse: _Purse = field(default_factory=_Purse)

    def __len__(self) -> int:
        return len(self._waiting)

    def stored(self, messages: int) -> None:
        """Take note of messages that a commit has stored, foreign ones too: they pay."""
        self._purse.earn(messages)

    def add(self, committed: Iterable[Receipted], *, now: float, anchored_by: int) -> None:
        """Owe receipts for these, which are committed; they promise `anchored_by` at the latest."""
        for item in committed:
            device, session, _ = item.number
            place = (device, session, item.collector, item.again)
            if item.again and self._is_owed(place, item):
                continue
            piece = self._open.get(place)
            if piece is None or not piece.takes(item):
                piece = self._open[place] = Piece(place, now, anchored_by)
                self._waiting.append(piece)
                piece.takes(item)
            piece.anchored_by = min(piece.anchored_by, anchored_by)

    def due(self, now: float, *, room: int) -> list[Piece]:
        """Give what is to be receipted now, oldest first: what is paid for, late or too much.

        At most `room` receipts: those that the connection can take.
        """
        self._purse.tick(now)
        taken: list[Piece] = []
        while self._waiting:
            first = self._waiting[0]
            receipts = len(first.topics)
            pressing = now - first.since >= LATEST or len(self._waiting) > self.most
            if receipts > room or not (pressing or self._purse.affords(receipts)):
                break
            self._purse.pay(receipts)
            room -= receipts
            taken.append(self._pop())
        return taken

    def rest(self, *, room: int) -> list[Piece]:
        """Give what waits, whatever it costs: nothing comes after it."""
        taken: list[Piece] = []
        while self._waiting and (room := room - len(self._waiting[0].topics)) >= 0:
            taken.append(self._pop())
        return taken

    def _is_owed(self, place: _Place, item: Receipted) -> bool:
        """Whether a receipt that is still to go will do for what has come again."""
        first_time = self._open.get((*place[:3], False))
        once_more = self._open.get(place)
        return any(p is not None and p.answers(item) for p in (first_time, once_more))

    def _pop(self) -> Piece:
        piece = self._waiting.popleft()
        if self._open.get(piece.place) is piece:
            del self._open[piece.place]
        return piece
