"""What an onlooker who sees everything knows, and the invariants that he holds it to.

Nothing here is told to the product. A violated invariant is noted, and raised by the scheduler
once no code of the product is on the stack that could catch it.
"""

from collections import Counter, defaultdict, deque

import mqtt5
from interleaving.scheduler import Violation

from telemetry.receipt import Receipt, ReceiptLeaf, bodies_digest

_STORED = (
    "accepted", "unsigned", "bad-signature", "unknown-device", "revoked", "malformed", "conflict",
)  # fmt: skip


class Ghost:
    """The one who sees everything."""

    def __init__(self, scheduler, events):
        self._scheduler = scheduler
        self._events = events
        self.recorded = {}  # (device, session, seq): payload, as the outbox gave it
        self.places = {}  # and the other way round
        self.durable = set()  # those of them that were on a disk, once
        self.evicted = set()
        self.freed = set()
        self.stored = {}  # (device, session, seq): body hash and collector, of accepted rows
        self.payloads = Counter()  # rows by payload
        self.collectors = {}  # id: _Log
        self.acknowledged = defaultdict(set)  # foreign payload: the broker's numbers
        self._first = {}  # (device, session): the highest number that was published
        self.receipts = deque(maxlen=64)  # topic and payload of those seen, to be sent again

    def violate(self, name, what):
        self._scheduler.fail(Violation(f"{name}: {what}"))

    # --- machines ----------------------------------------------------------------------
    def record(self, device, entry):
        place = (device, *entry.place)
        self.recorded[place] = entry.payload
        self.places[entry.payload] = place

    def is_ready(self, device, entries, is_durable):
        """An outbox gives these to be published."""
        for entry in entries:
            self.durable.add((device, *entry.place))
            if not is_durable(entry.payload):
                self.violate("published before durable", (device, *entry.place))

    def reopened(self, outbox, is_durable):
        """An outbox is opened again: what it must not have lost is there."""
        self.is_ready(outbox.device, outbox._held.values(), is_durable)
        for place in self.durable:
            left = place in self.freed or place in self.evicted
            if place[0] == outbox.device and not left and place[1:] not in outbox._held:
                self.violate("lost by the outbox", place)

    def evicts(self, device, entries):
        """An outbox had no room for these."""
        self.evicted.update((device, *entry.place) for entry in entries)
        self._events["evicted"] += len(entries)

    def publishes(self, packet):
        """A machine's PUBLISH leaves its process."""
        place = self.places.get(packet.payload)
        if place is None:
            return
        if place not in self.durable:
            self.violate("published before durable", place)
        where, highest = place[:2], self._first.get(place[:2], -1)
        if place[2] > highest:
            if not self._left(where, highest + 1, place[2]):
                self.violate("order", f"{place} is published first, after {highest}")
            self._first[where] = place[2]

    def _left(self, where, first, last):
        """Whether those between had left the outbox, or were never there."""
        return all(
            (*where, n) in self.evicted or (*where, n) in self.freed for n in range(first, last)
        )

    def lets_go(self, device, entries, leaf):
        """A receipt freed these from an outbox, or none."""
        covered = [(device, leaf.session, n) for a, b in leaf.ranges for n in range(a, b + 1)]
        if not self.evicted.isdisjoint(covered):
            self._events["receipt for what was evicted"] += 1
        if not entries:
            known = all(self.stored.get(place) for place in covered)
            self._events[f"receipt frees nothing: {'again' if known else 'it lies'}"] += 1
        for entry in entries:
            place = (device, *entry.place)
            self.freed.add(place)
            if self.stored.get(place, (None,))[0] != entry.body_hash:
                self.violate("let go without being stored", f"{place} by {leaf}")

    # --- collectors --------------------------------------------------------------------
    def committed(self, commit):
        """A commit stands in the store."""
        batch = commit.batch
        self._events["refused"] += len(commit.refusals)
        if batch is not None:
            log = self.collectors.setdefault(batch.collector, _Log())
            if (batch.number, batch.start) != (log.number, log.size):
                self.violate("log", f"batch {batch.number} at {batch.start} after {log}")
            if batch.size != len(commit.messages):
                self.violate("log", f"batch {batch.number} says {batch.size} messages")
            log.number, log.size = batch.number + 1, batch.start + batch.size
            for place, row in enumerate(commit.messages, batch.start):
                self._stored(log, place, row)
        self._conserved(commit.counters, commit.collector)

    def check_order(self, process, commit):
        """Rows come in the order in which their messages arrived in this process."""
        for row in commit.messages:
            try:
                process.placed = process.seen.index(row[5], process.placed) + 1
            except ValueError:
                self.violate("order", f"{process.name} stores {row[5][:80]} out of turn")

    def _stored(self, log, place, row):
        _, position, received, _, _, payload, _, device, session, seq, _, status = row[:12]
        hashed = row[-1]
        if position != place or received < log.floor:
            self.violate("log", f"row {position} at {place}, received {received} < {log.floor}")
        log.floor = received
        self.payloads[payload] += 1
        self._events[f"stored {status}"] += 1
        if status == "accepted":
            number = (device, session, seq)
            if number in self.stored:
                self.violate("stored at most once", number)
            if self.recorded.get(number) != payload:
                self.violate("stored what nobody recorded", number)
            self.stored[number] = hashed, row[0]

    def _conserved(self, counters, collector):
        stored = sum(counters.get(status, 0) for status in _STORED)
        ended = stored + counters.get("duplicates", 0) + counters.get("refused", 0)
        if counters and counters.get("received", 0) != ended + counters.get("in_flight", 0):
            self.violate("conservation", f"{collector}: {dict(counters)}")

    def collector_says(self, connection, packet):
        """A packet leaves a collector's process."""
        kind = type(packet)
        if kind is mqtt5.PubAckPacket:
            self._acknowledges(connection, packet.packet_id)
        elif kind is mqtt5.PublishPacket and packet.topic.endswith("/receipt"):
            self._receipts(packet)

    def _acknowledges(self, connection, number):
        message = connection.given.pop(number, None)
        if message is None:
            self.violate("acknowledged across connections", f"packet id {number}")
            return
        payload = message.payload
        if message.topic == "plain/large" and self._events["refused"]:
            return
        numbers = self.acknowledged[payload]
        numbers.add(message.number)
        signed = payload in self.places
        if self.payloads[payload] < (1 if signed else len(numbers)):
            self.violate("acknowledged before committed", payload[:60])

    def _receipts(self, packet):
        self.receipts.append((packet.topic, packet.payload))
        leaf = ReceiptLeaf.from_bytes(Receipt.from_bytes(packet.payload).leaf)
        self._events["receipt sent"] += 1
        numbers = [n for first, last in leaf.ranges for n in range(first, last + 1)]
        rows = [self.stored.get((leaf.device, leaf.session, n)) for n in numbers]
        if None in rows or bodies_digest(row[0] for row in rows) != leaf.bodies:
            self.violate("receipted before committed", leaf)
        elif {row[1] for row in rows} != {leaf.collector}:
            self.violate("receipt for another log", leaf)
        if any(place in self.freed for place in ((leaf.device, leaf.session, n) for n in numbers)):
            self._events["receipt sent once more"] += 1

    # --- the end -----------------------------------------------------------------------
    def owing(self):
        """What was durable once, was not given up, and is not stored."""
        return [p for p in self.durable if p not in self.stored and p not in self.evicted]

    def check_chains(self, rows):
        """No two messages name the same one before them: (device, session, seq, prev)."""
        seen = {}
        for device, session, seq, prev in rows:
            if prev is not None and seen.setdefault((device, prev), (session, seq)) != (
                session,
                seq,
            ):
                self.violate("fork", f"{device}: {seen[device, prev]} and {(session, seq)}")


class _Log:
    """How far one collector's log has come."""

    def __init__(self):
        self.number = self.size = self.floor = 0

    def __repr__(self):
        return f"batch {self.number - 1}, size {self.size}"
