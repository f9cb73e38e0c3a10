"""The outbox as a state machine: crashes at any byte, receipts in any order and forged.

The model: what was durable before a crash must be there after it; what was not may be lost,
but only from the end; what a good receipt freed is gone, at most until a crash; a message
is never made up.
"""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from simulator.outbox import Outbox
from telemetry.message import parse
from telemetry.receipt import ReceiptLeaf, as_ranges, bodies_digest
from telemetry.signature import SigningKey
from telemetry.topic import MachineTopic

KEY = SigningKey.from_seed(bytes(32))
TOPIC = MachineTopic("", "works", "north", "machining", "line-1", "mill-01", "telemetry")


def leaf_for(entries):
    entries = sorted(entries, key=lambda entry: entry.seq)
    return ReceiptLeaf(
        collector="c",
        device="mill-01",
        session=entries[0].session,
        ranges=as_ranges(entry.seq for entry in entries),
        bodies=bodies_digest(entry.body_hash for entry in entries),
        anchored_by=0,
    )


class OutboxUnderCrashes(RuleBasedStateMachine):
    limit = 100_000

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp(prefix="outbox-"))
        self.path = self.folder / "mill-01.outbox"
        self.everything = {}  # place: entry, all that was ever recorded
        self.held = []  # in order
        self.synced = 0  # how many of all recorded are durable
        self.order = []  # places, as recorded
        self.durable_size = 0
        self.last = None
        self.evicted = 0
        self.sessions = 0
        self._open()

    def _open(self):
        # Random sessions would make Hypothesis's runs differ from each other.
        self.sessions += 1
        self.outbox = Outbox(
            "mill-01",
            KEY,
            TOPIC,
            self.folder,
            session=f"session-{self.sessions:04d}",
            limit=self.limit,
            compact_at=4_000,
        )
        self.durable_size = self.path.stat().st_size

    @rule(count=st.integers(1, 12))
    def record(self, count):
        for _ in range(count):
            evicted = self.outbox.evicted
            entry = self.outbox.record("telemetry", time=0, readings={"n": float(len(self.order))})
            if self.outbox.evicted != evicted:
                number = self.outbox.evicted - evicted
                del self.held[:number]
                event = next(e for e in reversed(self.outbox._held.values()) if e.kind == "event")
                self._recorded(event)
            self._recorded(entry)

    def _recorded(self, entry):
        assert parse(entry.payload, entry.kind).prev == self.last
        self.last = entry.body_hash
        self.everything[entry.place] = entry
        self.order.append(entry.place)
        self.held.append(entry.place)

    @rule()
    def sync(self):
        self.outbox.sync()
        self.synced = len(self.order)
        self.durable_size = self.path.stat().st_size

    @rule(data=st.data())
    def receipt(self, data):
        """For some messages of one session, freed ones among them."""
        durable = [self.everything[p] for p in self.order[: self.synced]][-60:]
        if not durable:
            return
        session = data.draw(st.sampled_from(sorted({e.session for e in durable})))
        mine = [e for e in durable if e.session == session]
        places = st.lists(st.integers(0, len(mine) - 1), min_size=1, unique=True)
        chosen = [mine[n] for n in data.draw(places)]
        known = all(e.place in self.outbox._held or e.place in self.outbox._gone for e in chosen)
        freed = {e.place for e in self.outbox.release(leaf_for(chosen))}
        expected = {e.place for e in chosen if e.place in self.held} if known else set()
        assert freed == expected
        self.held = [place for place in self.held if place not in freed]

    @rule(data=st.data())
    def forged_receipt(self, data):
        if not self.order:
            return
        entry = self.everything[self.order[data.draw(st.integers(0, len(self.order) - 1))]]
        leaf = leaf_for([entry])
        change = data.draw(st.sampled_from(["bodies", "ranges", "session"]))
        forged = {
            "bodies": ReceiptLeaf("c", "mill-01", leaf.session, leaf.ranges, bytes(32), 0),
            "ranges": ReceiptLeaf(
                "c", "mill-01", leaf.session, ((entry.seq, entry.seq + 1),), leaf.bodies, 0
            ),
            "session": ReceiptLeaf("c", "mill-01", "other", leaf.ranges, leaf.bodies, 0),
        }[change]
        assert not self.outbox.release(forged)

    @rule(data=st.data())
    def power_cut(self, data):
        """Cut the file anywhere beyond what was durable, with garbage for lost blocks."""
        content = self._crashed()
        size = data.draw(st.integers(self.durable_size, len(content)))
        kept = bytearray(content[:size])
        if size > self.durable_size and data.draw(st.booleans()):
            start = data.draw(st.integers(self.durable_size, size - 1))
            stop = data.draw(st.integers(start, size))
            kept[start:stop] = bytes(stop - start)
        self.path.write_bytes(kept)
        if data.draw(st.booleans()):
            (self.folder / "mill-01.outbox.tmp").write_bytes(content[: size // 2])
        self._after_crash(at_least=self.synced)

    @rule()
    def kill(self):
        """The process is gone, the system is not: what was written is there."""
        self._crashed()
        self._after_crash(at_least=len(self.order), nothing_lost=True)

    @rule()
    def close_and_open(self):
        self.outbox.close()
        self._after_crash(at_least=len(self.order), nothing_lost=True)

    def _crashed(self):
        """The file's bytes as a kill leaves them; the descriptors go with the process."""
        content = self.path.read_bytes()
        self.outbox._journal.close()
        return content

    def _after_crash(self, at_least, nothing_lost=False):
        before = set(self.held)
        self._open()
        recorded = self.outbox.recorded
        assert at_least <= recorded <= len(self.order)
        assert [e.place for e in self.outbox.waiting()] == list(self.outbox._held)
        survived = set(self.order[:recorded])
        now = set(self.outbox._held)
        # Nothing held is lost; after a power cut, what a receipt freed may be back.
        assert before & survived <= now
        if nothing_lost:
            assert before == now
        assert now <= survived
        for place, entry in self.outbox._held.items():
            assert entry == self.everything[place]
        del self.order[recorded:]
        self.held = [place for place in self.order if place in now]
        self.synced = recorded
        self.last = self.everything[self.order[-1]].body_hash if self.order else None
        self.everything = {place: self.everything[place] for place in self.order}

    @invariant()
    def counts_add_up(self):
        assert self.outbox.recorded == len(self.order)
        assert list(self.outbox._held) == self.held
        assert self.outbox.recorded == (
            self.outbox.receipted + self.outbox.evicted + self.outbox.held
        )

    def teardown(self):
        if hasattr(self, "outbox"):
            self.outbox.close()
            shutil.rmtree(self.folder)


class FullOutboxUnderCrashes(OutboxUnderCrashes):
    limit = 15


STEPS = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestOutboxUnderCrashes = OutboxUnderCrashes.TestCase
TestOutboxUnderCrashes.settings = STEPS
TestFullOutboxUnderCrashes = FullOutboxUnderCrashes.TestCase
TestFullOutboxUnderCrashes.settings = STEPS
