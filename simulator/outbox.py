"""The outbox: gives a message its number, signs it, keeps it until a receipt frees it.

Nothing is published before it is durable, and a PUBACK frees nothing: only a receipt whose
digest equals what the outbox computes from its own bytes does. It is bounded: when full,
the oldest are evicted, counted, and announced in a signed `event`.
"""

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any, Final

from simulator.chain import Chain, Entry, Place
from simulator.errors import OutboxDamaged
from simulator.outbox_file import FileJournal, Journal, MemoryJournal
from simulator.outbox_frame import Content, Gone, Head
from telemetry.message import Cited
from telemetry.receipt import ReceiptLeaf, as_ranges, bodies_digest
from telemetry.signature import SigningKey
from telemetry.sparkplug_topic import SparkplugTopic
from telemetry.topic import MachineTopic

LIMIT: Final = 100_000
LIMIT_BYTES: Final = 64 * 1024 * 1024
COMPACT_AT: Final = 1024 * 1024
# Hashes of messages that are gone already. A resend that crosses with a receipt is
# receipted again, together with what is still held: without them that could not be checked,
# and those would have to be sent once more.
REMEMBERED: Final = 8192


class Outbox:
    """One machine's outbox, in a file under `directory`, or in memory where that is None.

    Every opening is a new session; its first `prev` is the last body hash of the one before.
    `sync` may run in another thread; all else belongs to one.
    """

    __slots__ = (
        "_chain", "_compact_at", "_durable", "_ended", "_fresh", "_given_up", "_gone", "_held",
        "_held_bytes", "_journal", "_limit", "_limit_bytes", "_lock", "_remembered", "device",
        "evicted", "recorded",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - limits are arguments, so that tests reach them
        self,
        device: str,
        key: SigningKey,
        topic: MachineTopic,
        directory: Path | None = None,
        *,
        session: str | None = None,
        limit: int = LIMIT,
        limit_bytes: int = LIMIT_BYTES,
        compact_at: int = COMPACT_AT,
        remembered: int = REMEMBERED,
        journal: Journal | None = None,
        ended: Collection[str] = (),
    ) -> None:
        """Open it; OutboxInUse, OutboxDamaged or OutboxUnwritable say why that failed.

        A `journal` takes the place of the one in `directory`, or in memory. `ended` are the ids
        of those of this machine's keys that count no more.
        """
        self.device = device
        self.evicted = 0
        self.recorded = 0
        self._limit, self._limit_bytes, self._compact_at = limit, limit_bytes, compact_at
        self._remembered = remembered
        self._ended, self._given_up = ended, set[Place]()
        self._lock = Lock()
        self._held: dict[Place, Entry] = {}
        self._held_bytes = 0
        self._gone: dict[Place, bytes] = {}
        # The newest recorded, oldest first, that `ready` has not given yet.
        self._fresh: list[Entry] = []
        if journal is None:
            journal = _MEMORY if directory is None else FileJournal(device, directory)
        self._journal: Journal = journal
        try:
            last = self._load()
        except BaseException:
            self._journal.close()
            raise
        self._durable = self.recorded
        chosen = secrets.token_hex(8) if session is None else session
        self._chain = Chain(key=key, topic=topic, session=chosen, prev=last)

    @property
    def session(self) -> str:
        """The session of what it records now."""
        return self._chain.session

    @property
    def chain(self) -> Chain:
        """What it seals with: for whoever plays a thief of the machine's key."""
        return self._chain

    @property
    def public_key(self) -> bytes:
        """The key that its messages verify with."""
        return self._chain.public_key

    @property
    def dirty(self) -> bool:
        """Whether something recorded is not durable yet."""
        return self._durable < self.recorded

    @property
    def instant(self) -> bool:
        """Whether what it records needs no `sync`: it lives in memory alone."""
        return self._journal.instant

    @property
    def held(self) -> int:
        """Messages that no receipt has freed."""
        return len(self._held)

    @property
    def receipted(self) -> int:
        """Messages that receipts freed, since the outbox began."""
        return self.recorded - self.evicted - len(self._held)

    def record(  # noqa: PLR0913 - the members of a body
        self,
        kind: str,
        *,
        time: int,
        readings: Mapping[str, float] | None = None,
        content: dict[str, Any] | None = None,
        anchor: Cited | None = None,
        source: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Seal and keep a message; not to be published before `ready` gives it.

        `time` in µs. OutboxUnwritable where the disk did not take it: then it is not recorded.
        """
        with self._lock:
            self._make_room(time, anchor)
            entry = self._chain.seal(
                kind, time=time, readings=readings, content=content, anchor=anchor, source=source
            )
            self._keep(entry, [entry])
            return entry

    def enclose(
        self, topic: SparkplugTopic, payload: bytes, *, time: int, anchor: Cited | None = None
    ) -> Entry:
        """As `record`, for a Sparkplug payload, which its signed header goes with."""
        with self._lock:
            self._make_room(time, anchor)
            entry = self._chain.enclose(topic, payload, time=time, anchor=anchor)
            self._keep(entry, [entry])
            return entry

    def take_key(self, key: SigningKey, ended: Collection[str] = ()) -> None:
        """Go on under another key, in a new session; what is held stays as it was signed."""
        with self._lock:
            before, self._ended = self._chain, ended
            self._chain = Chain(
                key=key, topic=before.topic, session=secrets.token_hex(8), prev=before.prev
            )

    def give_up(self, time: int, anchor: Cited | None) -> None:
        """Announce as evicted what is held under a key that has ended; nothing where none is.

        It is still sent, as evidence, but no receipt will ever free it: `drop` does, once it was
        delivered. The event comes first: torn between, it says too much, never too little.
        """
        if not self._held or self._chain.key.key_id in self._ended:
            return  # nothing to say it with, as long as it is shut out itself
        with self._lock:
            void = [
                entry
                for entry in self._held.values()
                if entry.place not in self._given_up and entry.key_id in self._ended
            ]
            if not void:
                return
            event = self._chain.seal(
                "event", time=time, content=_evicted(_as_gone(void)), anchor=anchor
            )
            self._keep(event, [event])
            self._given_up.update(entry.place for entry in void)

    def drop(self, entry: Entry) -> bool:
        """Let go of a delivered message that was given up; whether it was."""
        if entry.place not in self._given_up or entry.place not in self._held:
            return False
        with self._lock:
            self._journal.append(_as_gone([entry]))
            self._forget([entry])
            self._given_up.discard(entry.place)
            self.evicted += 1
        return True

    def sync(self) -> None:
        """Make all that is recorded durable, and compact the file where that pays.

        Blocks on the disk: call it from a thread. `ready` then gives the messages.
        """
        with self._lock:
            recorded = self.recorded
        self._journal.sync()
        with self._lock:
            self._durable = max(self._durable, recorded)
            size = self._journal.size
            if size > self._compact_at and size > 2 * self._held_bytes:
                self._compact()

    def ready(self) -> list[Entry]:
        """Messages that became durable since the last call, oldest first."""
        if not self._fresh:
            return []
        safe = len(self._fresh) - (self.recorded - self._durable)
        taken, self._fresh = self._fresh[:safe], self._fresh[safe:]
        return [entry for entry in taken if entry.place in self._held]

    def waiting(self) -> Iterator[Entry]:
        """Every durable message that no receipt has freed, oldest first."""
        unsafe = {entry.place for entry in self._fresh}
        return iter([e for e in self._held.values() if e.place not in unsafe])

    def holds(self, entry: Entry) -> bool:
        """Whether this message is still waiting for its receipt."""
        return entry.place in self._held

    def release(self, leaf: ReceiptLeaf) -> Sequence[Entry]:
        """Let go of what a checked receipt covers; nothing unless all of it matches."""
        if leaf.device != self.device or not self._matches(leaf):
            return ()
        with self._lock:
            freed = [self._held[p] for p in _places(leaf) if p in self._held]
            if freed:
                # Not synced: lost, it is only sent and receipted once more.
                self._journal.append([Gone(leaf.session, as_ranges(e.seq for e in freed))])
                self._forget(freed)
            return freed

    def close(self) -> None:
        """Make what is recorded durable and close the file."""
        self._journal.close()

    def _load(self) -> bytes | None:
        """Take over what the file holds; gives the last body hash."""
        framed = self._journal.load()
        if not framed:
            return None
        head = framed[0].content
        assert isinstance(head, Head)
        if head.device != self.device:
            raise OutboxDamaged(f"the outbox file of {self.device} is that of {head.device}")
        self.recorded, self.evicted, last = head.recorded, head.evicted, head.last
        for one in framed[1:]:
            if isinstance(one.content, Gone):
                self._leave(one.content)
            elif isinstance(one.content, Entry):
                self._hold(one.content)
                if one.end > framed[0].durable:
                    self.recorded, last = self.recorded + 1, one.content.body_hash
        return last

    def _keep(self, entry: Entry, contents: list[Content]) -> None:
        """Write contents down with `entry` among them, and go on after it.

        First the journal: if that fails, number and hash are still free for the next try.
        """
        self._journal.append(contents)
        self._chain.advance(entry)
        self._hold(entry)
        self.recorded += 1
        self._fresh.append(entry)
        if self._journal.instant:
            self._durable = self.recorded

    def _make_room(self, time: int, anchor: Cited | None) -> None:
        if len(self._held) >= self._limit or self._held_bytes >= self._limit_bytes:
            self._evict(time, anchor)

    def _evict(self, time: int, anchor: Cited | None) -> None:
        """Make room: the oldest sixteenth goes, and an event says which.

        Event and eviction are one write, the event first: torn between the two, the
        messages are still held, so the event says too much, never too little.
        """
        # Two at the least: the event takes a place itself, and so does what comes after it.
        oldest = list(islice(self._held.values(), 2 + self._limit // 16))
        gone = _as_gone(oldest)
        event = self._chain.seal("event", time=time, content=_evicted(gone), anchor=anchor)
        self._keep(event, [event, *gone])
        self._forget(oldest)
        self.evicted += len(oldest)

    def _compact(self) -> None:
        head = Head(self.device, self.recorded, self.evicted, self._chain.prev)
        self._journal.rewrite(head, self._held.values())
        self._durable = self.recorded

    def _matches(self, leaf: ReceiptLeaf) -> bool:
        """Whether the leaf's digest is that of our own bytes."""
        covered = sum(last - first + 1 for first, last in leaf.ranges)
        if covered > len(self._held) + len(self._gone):
            return False
        hashes = [self._hash(place) for place in _places(leaf)]
        known = [one for one in hashes if one is not None]
        return len(known) == len(hashes) and bodies_digest(known) == leaf.bodies

    def _hash(self, place: Place) -> bytes | None:
        entry = self._held.get(place)
        return self._gone.get(place) if entry is None else entry.body_hash

    def _hold(self, entry: Entry) -> None:
        self._held[entry.place] = entry
        self._held_bytes += _size(entry)

    def _forget(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            del self._held[entry.place]
            self._held_bytes -= _size(entry)
            self._gone[entry.place] = entry.body_hash
        if len(self._gone) > 2 * self._remembered:
            # Seldom and many: taking one from the front of a dict looks at all that went before.
            newest = list(self._gone.items())[-self._remembered :]
            self._gone = dict(newest) if self._remembered else {}

    def _leave(self, gone: Gone) -> None:
        places = [(gone.session, n) for first, last in gone.ranges for n in range(first, last + 1)]
        left = [self._held[place] for place in places if place in self._held]
        self._forget(left)
        self.evicted += len(left) if gone.evicted else 0


_MEMORY: Final = MemoryJournal()


def _as_gone(entries: Sequence[Entry]) -> list[Gone]:
    """Entries that leave without a receipt, by session."""
    sessions = list(dict.fromkeys(entry.session for entry in entries))
    return [
        Gone(s, as_ranges(e.seq for e in entries if e.session == s), evicted=True) for s in sessions
    ]


def _evicted(gone: Sequence[Gone]) -> dict[str, Any]:
    """What the event says that announces them."""
    announced = [{"session": g.session, "ranges": [list(r) for r in g.ranges]} for g in gone]
    count = sum(last - first + 1 for g in gone for first, last in g.ranges)
    return {"name": "evicted", "count": count, "evicted": announced}


def _size(entry: Entry) -> int:
    return len(entry.payload) + len(entry.header or "")


def _places(leaf: ReceiptLeaf) -> Iterator[Place]:
    return ((leaf.session, n) for first, last in leaf.ranges for n in range(first, last + 1))
