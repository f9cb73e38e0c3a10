"""A factory, a broker and collectors in one process, and everything that may befall them.

What happens is a list of actions with moments between them; each says what it does, whatever
the state: one that does not fit does nothing, so that a list stays a list when it is shortened.
"""

import asyncio
import random as random_module
from collections import Counter
from dataclasses import dataclass, field, replace
from hashlib import sha256
from random import Random

from interleaving.broker import SimulatedBroker
from interleaving.disk import SimulatedDisk
from interleaving.ghost import Ghost
from interleaving.network import Network
from interleaving.processes import LARGEST, CollectorProcess, FleetProcess
from interleaving.scheduler import Scheduler, Violation
from interleaving.store import Database

from anchor.growing import GrowingLog
from anchor.key_entry import OperatorAuthority, enrol
from anchor.note import SignerKey
from anchor.receipts import ReceiptTree
from collector.errors import CommitFailed
from collector.ports import Identity
from simulator.errors import OutboxUnwritable
from telemetry.errors import BrokerUnavailable, LinkLost, SessionTakenOver
from telemetry.message import compose, parse
from telemetry.receipt import ReceiptLeaf
from telemetry.signature import SigningKey, seal
from telemetry.topic import MachineTopic

ORIGIN = "works.test"
START = 1_764_000_000_000_000  # 2025-11-24T16:00:00Z
LIVELY = 400.0  # s in which all must have arrived, once nothing is in the way: three long waits
BUSY = 400_000  # events, for the same

# What ends a process by itself, to be started again; anything else is a defect.
_ENDS = (BrokerUnavailable, SessionTakenOver, LinkLost, CommitFailed, OutboxUnwritable)


@dataclass(frozen=True)
class Shape:
    """What a world is made of: drawn once, before anything happens."""

    machines: int = 2
    gateway: bool = False
    collectors: int = 1
    share: str = ""
    flush_count: int = 4
    outbox_limit: int = 100_000
    most_queued: int = 1000
    window: int = 20
    keeps: bool = True
    anew: bool = False
    failing_store: float = 0.0

    @classmethod
    def draw(cls, random):
        collectors = random.choice((1, 1, 2))
        return cls(
            machines=random.choice((1, 2, 3)),
            gateway=random.random() < 0.3,
            collectors=collectors,
            share="g" if collectors == 2 and random.random() < 0.7 else "",
            flush_count=random.choice((1, 3, 8)),
            outbox_limit=random.choice((100_000, 100_000, 12)),
            most_queued=random.choice((1000, 1000, 5)),
            window=random.choice((20, 3, 1)),
            keeps=random.random() < 0.5,
            anew=random.random() < 0.15,
            failing_store=random.choice((0.0, 0.0, 0.2, 0.5)),
        )


@dataclass
class Machine:
    """A machine's name, key and place."""

    name: str
    key: SigningKey
    topic: MachineTopic
    entry: bytes


@dataclass
class Requests:
    """The folder of key entries, in memory."""

    entries: list = field(default_factory=list)

    def write(self, entry):
        self.entries.append((f"{len(self.entries):016d}.entry", entry))

    def after(self, name):
        return [item for item in self.entries if item[0] > name]


class World:
    """All of it; `do` an action, `run` for a while, `calm` at the end."""

    resend_after = 3.0

    def __init__(self, seed, shape):
        self.shape = shape
        self.scheduler = Scheduler(seed)
        random_module.seed(seed)  # couriers draw their jitter there
        self.chance = Random(seed + 1).random
        self.events = Counter()
        self.origin = ORIGIN
        self.operator, self.authority = _operator()
        self.requests = Requests()
        self.database = Database()
        self.ghost = Ghost(self.scheduler, self.events)
        self.broker = SimulatedBroker(
            self.scheduler, self.events, most_queued=shape.most_queued, window=shape.window,
            keeps=shape.keeps, anew=shape.anew,
        )  # fmt: skip
        self.network = Network(self.scheduler, self.broker)
        self.failing_store = self.slow_store = 0.0
        self.puts = 0
        self.ending = False
        self._ids = self._sessions = self._forged = 0
        self._plain = 0
        self._published = []  # signed messages that came to the broker, to be sent once more
        self.broker.published = self._note
        self.machines = _machines(shape.machines)
        for machine in self.machines:
            self.requests.write(machine.entry)
        # A gateway's machines are one process, others one each: so they die one by one.
        behind = [self.machines] if shape.gateway else [[m] for m in self.machines]
        self.fleets = {f"fleet-{n}": machines for n, machines in enumerate(behind)}
        self.disks = {
            name: SimulatedDisk(self.scheduler.random, self.events) for name in self.fleets
        }
        self.processes = {}
        for name in (*self.fleets, *(f"collector-{n}" for n in range(shape.collectors))):
            self._start(name)
        self.scheduler.run(0.5)
        self.failing_store = shape.failing_store

    # --- what the product asks of its world --------------------------------------------
    def wall(self, process):
        return START + int(self.scheduler.now * 1_000_000) + process.skew

    def new_id(self):
        self._ids += 1
        self.events["new collector id"] += 1
        return f"c0ffee{self._ids:010x}"

    def identity_for(self, collector):
        return _identity(collector)

    def trouble(self, error):
        """A connection's trouble, as it is told to people."""
        text = str(error)
        found = [words for words in _TROUBLES if words in text]
        self.events[f"trouble: {found[0] if found else 'another'}"] += 1

    def elapse(self, seconds, process):
        if seconds:
            self.scheduler.elapse(seconds, process, "committing")
        elif not process.alive:
            self.scheduler.elapse(0, process, "committing")

    # --- processes ---------------------------------------------------------------------
    def _start(self, name):
        before = self.processes.get(name)
        if before is not None and before.alive:
            return
        self.events[f"started {name.partition('-')[0]}"] += 1
        if name in self.fleets:
            self._sessions += 1
            process = FleetProcess(
                self, name, self.fleets[name], limit=self.shape.outbox_limit,
                gateway=self.shape.gateway, serial=self._sessions,
            )  # fmt: skip
        else:
            process = CollectorProcess(
                self, name, share=self.shape.share, flush_count=self.shape.flush_count
            )
        process.skew = 0 if before is None else before.skew
        self.processes[name] = process
        process.main.add_done_callback(lambda task: self._ended(process, task))

    def _ended(self, process, task):
        """A process ends by itself: it was told to, or its broker or store was not there."""
        error = None if task.cancelled() else task.exception()
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if error is not None and not isinstance(error, _ENDS):
            self.scheduler.fail(error)
        self.events[f"ended: {type(error).__name__}" if error else "ended well"] += 1
        self.scheduler.at(self.scheduler.now, None, lambda: self._bury(process, arrives=True))
        if not self.ending:
            self.scheduler.later(0.5, None, lambda: self._start(process.name))

    def count(self, process):
        """Take down what a process has counted, before it is gone."""
        if isinstance(process, CollectorProcess):
            self.events["sessions lost"] += process.account.sessions_lost
            return
        for courier in process.couriers:
            self.events["sent again"] += courier.resent
            self.events["came to nobody"] += courier.refused
        self.events["receipt distrusted"] += process.trust.refused

    def _bury(self, process, *, arrives):
        if process.alive:
            self.events[f"killed while {process.doing}"] += 1
            self.count(process)
            process.kill()
            for connection in self.network.of(process):
                connection.orphan(arrives=arrives)

    # --- actions -----------------------------------------------------------------------
    def plan(self, seconds, action, a, b):
        """Have an action done so late, with two numbers from 0 to 1 that say to whom and how.

        It may come while a worker is in the middle of something.
        """

        def do():
            self.events[f"did {action}"] += 1
            getattr(self, f"do_{action}")(a, b)

        self.scheduler.later(seconds, None, do)

    def _fleet(self, a):
        return self.processes[f"fleet-{int(a * len(self.fleets))}"]

    def _collector(self, a):
        return self.processes[f"collector-{int(a * self.shape.collectors)}"]

    def _any(self, a):
        names = sorted(self.processes)
        return self.processes[names[int(a * len(names))]]

    def do_record(self, a, b):
        fleet = self._fleet(a)
        if fleet.alive:
            fleet.record(int(b * 8), 1 + int(b * 40) % 5, self.wall(fleet))

    def do_plain(self, a, b):
        """Something that is no machine's, often the same bytes."""
        if self.broker.up:
            self._plain += 1
            value = int(a * 3) if b < 0.5 else self._plain
            self.broker.publish("plain/thermometer", b"%d" % value)
            self.events["plain published"] += 1

    def do_kill(self, a, b):
        """Kill -9: the disk keeps what was written; the network may still carry what was."""
        process = self._any(a)
        if process.alive:
            self.events[f"killed {process.name.partition('-')[0]}"] += 1
            self._bury(process, arrives=b < 0.5)
            self.scheduler.later(5 * b, None, lambda: self._start(process.name))

    def do_power_cut(self, a, b):
        """A fleet's machine loses its power: what was not synced is gone."""
        process = self._fleet(a)
        self.events["power cut"] += 1
        self._bury(process, arrives=b < 0.5)
        self.disks[process.name].cut_power()
        self.scheduler.later(5 * b, None, lambda: self._start(process.name))

    def do_stop(self, a, b):
        """SIGTERM to a collector."""
        process = self._collector(a)
        if process.alive and process.service is not None and not process.stop.is_set():
            self.events["stopped collector"] += 1
            self.scheduler.at(self.scheduler.now, process, process.stop.set)

    def do_broker_crash(self, a, b):
        if self.broker.up:
            self.events["broker killed"] += 1
            self.broker.crash()
            self.scheduler.later(0.1 + 5 * b * b, None, self.broker.start)

    def do_forget(self, a, b):
        """The broker is restarted in a moment without its sessions, while commits are slow.

        It gives packet ids anew, and old ones are still on their way to be acknowledged.
        """
        if self.broker.up:
            self.events["broker forgets"] += 1
            self.do_slow_store(0.8, 0.1 + b)
            keeps, self.broker.keeps = self.broker.keeps, False
            self.broker.crash()
            self.broker.keeps = keeps
            self.broker.start()
            self.do_record(a, a)

    def do_save(self, a, b):
        self.broker.save()

    def do_expire(self, a, b):
        self.broker.expire()

    def do_cut(self, a, b):
        for connection in self.network.of(self._any(a)):
            self.events["connection cut"] += 1
            connection.cut()

    def do_swallow(self, a, b):
        """Half open: nothing passes, nobody is told; or only one way."""
        for connection in self.network.of(self._any(a)):
            self.events["connection half open"] += 1
            connection.swallow(up=b < 0.7, down=b > 0.3)

    def do_refuse(self, a, b):
        """Nothing lets this process through, for a while."""
        name = self._any(a).name
        self.network.refuses.add(name)
        self.events["kept out"] += 1
        self.do_cut(a, b)
        self.scheduler.later(8 * b, None, lambda: self.network.refuses.discard(name))

    def do_freeze(self, a, b):
        process = self._any(a)
        if process.alive:
            self.events["frozen"] += 1
            process.frozen_until = self.scheduler.now + 20 * b * b

    def do_slow(self, a, b):
        self.network.slow = (1.0, 1.0, 30.0, 200.0)[int(b * 4)]

    def do_slow_store(self, a, b):
        """Commits take seconds, for a while."""
        self.slow_store = 4 * b
        self.events["slow store"] += 1

        def quick():
            self.slow_store = 0.0

        self.scheduler.later(5 * a, None, quick)

    def do_clock(self, a, b):
        """A wall clock jumps, hours back or on."""
        self.events["clock jumped"] += 1
        self._any(a).skew += int((b - 0.5) * 4e10)

    def do_window(self, a, b):
        """The broker takes fewer or more at once, and queues less or more."""
        self.broker.most_queued = (3, 5, 1000)[int(b * 3)]

    def do_replay(self, a, b):
        """Somebody sends what a machine had sent, once more."""
        if self._published and self.broker.up:
            message = self._published[int(a * len(self._published))]
            self.events["message replayed"] += 1
            self.broker.publish(message.topic, message.payload)

    def do_forge(self, a, b):
        """Somebody takes a machine's next numbers, with a key that is nobody's."""
        if not self.broker.up:
            return
        self._forged += 1
        machine = self.machines[int(a * len(self.machines))]
        session = max((s for d, s, _ in self.ghost.recorded if d == machine.name), default="0" * 16)
        body = compose(
            kind="telemetry", device=machine.name, session=session, seq=int(b * 20), prev=None,
            anchor=None, time=START + self._forged, key=machine.key.key_id,
            readings={"temperature": 1.0},
        )  # fmt: skip
        self.events["message forged"] += 1
        self.broker.publish(str(machine.topic), seal(_FORGER, machine.topic, body))

    def do_clone(self, a, b):
        """A machine's own key signs something else under a number that is stored already."""
        stored = sorted(self.ghost.stored)
        if stored and self.broker.up:
            device, session, seq = stored[int(a * len(stored))]
            machine = next(one for one in self.machines if one.name == device)
            self._forged += 1
            body = compose(
                kind="telemetry", device=device, session=session, seq=seq, prev=None, anchor=None,
                time=START + self._forged, key=machine.key.key_id,
                readings={"temperature": float(self._forged)},
            )  # fmt: skip
            self.broker.publish(str(machine.topic), seal(machine.key, machine.topic, body))

    def do_disk_fails(self, a, b):
        """A disk is full in the middle of a write, or fsync says that it failed, for a while."""
        disk = self.disks[self._fleet(a).name]
        disk.failing = "write" if b < 0.5 else "sync"

        def mend():
            disk.failing = None

        self.scheduler.later(b, None, mend)

    def do_busy(self, a, b):
        """The broker refuses who connects, for a while; those who are there lose their way."""
        self._for_a_while("busy", 4 * b)
        self.do_cut(a, b)

    def do_full(self, a, b):
        """The broker refuses what is published, for a while."""
        self._for_a_while("full", 3 * b)

    def _for_a_while(self, what, seconds):
        setattr(self.broker, what, True)
        self.scheduler.later(seconds, None, lambda: setattr(self.broker, what, False))

    def do_twin(self, a, b):
        self.broker.displace(a)

    def do_garble(self, a, b):
        self.broker.garble(a)

    def do_odd(self, a, b):
        """Something too large, of a machine that nobody knows, or signed and no message."""
        if not self.broker.up:
            return
        self._forged += 1
        topic, stranger = self.machines[0].topic, replace(self.machines[0].topic, machine="lathe")
        body = b'{"device":"lathe","session":"%016x","seq":0,' % self._forged
        kinds = (
            ("plain/large", b"%d" % self._forged + bytes(LARGEST)),
            (str(stranger), seal(_FORGER, stranger, compose(
                kind="telemetry", device="lathe", session=f"{self._forged:016x}", seq=0, prev=None,
                anchor=None, time=START, key=_FORGER.key_id, readings={"temperature": 1.0},
            ))),
            (str(topic), seal(_FORGER, topic, body)),
        )  # fmt: skip
        self.broker.publish(*kinds[int(a * 3)])

    def do_old_receipt(self, a, b):
        """A receipt comes late, or twice, or to a machine of another name."""
        receipts = self.ghost.receipts
        if receipts and self.broker.up:
            topic, payload = receipts[int(a * len(receipts))]
            if b > 0.8:
                topic = str(self.machines[0].topic.with_kind("receipt"))
            self.events["receipt doubled"] += 1
            self.broker.publish(topic, payload)

    def do_false_receipt(self, a, b):
        """A receipt for what is in an outbox: by a stranger's key, or a collector's that lies."""
        fleet = self._fleet(a)
        outbox = fleet.outboxes[int(b * 997) % len(fleet.outboxes)]
        held = list(outbox._held.values())
        if not (held and self.broker.up and self.ghost.collectors):
            return
        last = held[int(b * 31) % len(held)]
        known = min(self.ghost.collectors)
        leaf = ReceiptLeaf(
            collector=known, device=outbox.device, session=last.session,
            ranges=((max(0, last.seq - int(b * 5)), last.seq),),
            bodies=sha256(repr((a, b)).encode()).digest(), anchored_by=START,
        )  # fmt: skip
        tree = _identity(known).receipts if a * 7 % 1 < 0.6 else ReceiptTree(_STRANGER)
        self.events["receipt forged or lying"] += 1
        for machine in self.machines:
            if machine.name == outbox.device:
                topic = str(machine.topic.with_kind("receipt"))
                self.broker.publish(topic, tree.seal([leaf.to_bytes()])[0])

    def _note(self, message):
        if message.payload in self.ghost.places:
            self._published.append(message)
            del self._published[:-100]

    # --- looking -----------------------------------------------------------------------
    def run(self, seconds):
        self.scheduler.run(seconds)
        self.look()

    def look(self):
        """What must hold between any two actions: nothing grows without bounds."""
        for process in self.processes.values():
            if not process.alive:
                continue
            if isinstance(process, FleetProcess):
                for courier in process.couriers:
                    self._bounded("outbox", courier.outbox.held, self.shape.outbox_limit + 2)
                    out = courier._delivery
                    self._bounded("window", len(out._out) + len(out._bounced), 4096)
                    self._bounded("queue", len(out._queue) - out._left, courier.outbox.held + 4096)
            elif process.service is not None:
                moment = process.service._look()
                self.events["reading paused"] += moment.paused
                most = 8 * self.shape.flush_count
                self._bounded("in flight", moment.door.in_flight, most + self.shape.window)
                self._bounded("unanswered", moment.unanswered, 10_000)
                self._bounded("receipts owed", len(process.ledger._pending), 2_000)
        self._bounded("events", len(self.scheduler), 20_000)
        if self.scheduler.failure is not None:
            raise self.scheduler.failure

    def _bounded(self, what, found, most):
        if found > most:
            self.ghost.violate("bounded", f"{what}: {found}, at most {most}")

    # --- the end -----------------------------------------------------------------------
    def calm(self):
        """Take all out of the way: everything must arrive, within bounds; then look at it."""
        self.network.slow, self.failing_store, self.slow_store = 1.0, 0.0, 0.0
        self.network.refuses.clear()
        self.broker.start()
        self.broker.busy = self.broker.full = False
        for disk in self.disks.values():
            disk.failing = None
        self.broker.most_queued, self.broker.window = 1000, 20
        for process in self.processes.values():
            process.frozen_until = 0.0
        for connection in self.network.connections:
            if not (connection.up and connection.down):
                connection.cut()
        self._rest()
        self._check_foreign()
        self._check_store()

    def _rest(self):
        began, steps = self.scheduler.now, self.scheduler.steps
        while not self._at_rest():
            self.run(1.0)
            waited = self.scheduler.now - began
            if waited > LIVELY or self.scheduler.steps - steps > BUSY:
                raise Violation(f"liveness: {waited:g} s, {self._standing()}")
        self.events["seconds to rest"] += int(self.scheduler.now - began)

    def _check_foreign(self):
        """What nobody signed arrives too, once nothing is in the way."""
        self._plain += 1
        payload = b"at rest %d" % self._plain
        self.broker.publish("plain/thermometer", payload)
        self.run(1.0)
        self._rest()
        if not self.ghost.payloads[payload]:
            self.ghost.violate("stored in the end", payload)

    def end(self):
        """Every collector is told to stop: it ends well, and owes the broker nothing."""
        self.ending = True
        collectors = [p for p in self.processes.values() if isinstance(p, CollectorProcess)]
        for process in collectors:
            self.scheduler.at(self.scheduler.now, process, process.stop.set)
        self.run(15.0)
        for process in collectors:
            if not process.main.done():
                self.ghost.violate("stop", f"{process.name} does not end")
        flying = {s.name: list(s.flying) for s in self.broker.sessions.values() if s.flying}
        if any("collector" in name for name in flying):
            self.ghost.violate("stop", f"not acknowledged: {flying}")
        self.look()

    def _at_rest(self):
        ready = all(
            p.alive and not p.main.done() and self._stands(p) for p in self.processes.values()
        )
        boxes = [b for p in self.processes.values() if p.name in self.fleets for b in p.outboxes]
        quiet = all(not b.held and not b.dirty for b in boxes)
        done = all(not s.queue and not s.flying for s in self.broker.sessions.values())
        return ready and quiet and done and not self.ghost.owing()

    def _stands(self, process):
        """Whether a process is connected in its own eyes and, a collector, in the broker's."""
        return process.connected and (process.name in self.fleets or self.broker.hears(process))

    def _standing(self):
        held = {
            b.device: b.held
            for p in self.processes.values()
            if p.name in self.fleets
            for b in p.outboxes
        }
        queues = {s.name: (len(s.queue), len(s.flying)) for s in self.broker.sessions.values()}
        dead = [p.name for p in self.processes.values() if not p.alive or p.main.done()]
        return f"held {held}, queued {queues}, away {dead}, owing {self.ghost.owing()[:5]}"

    def _check_store(self):
        """The store itself, not what was told of it."""
        rows = self.database.rows(
            "SELECT device, session, seq, count(*) FROM messages WHERE status = 'accepted' "
            "GROUP BY 1, 2, 3"
        )
        found = {tuple(row[:3]) for row in rows}
        for row in rows:
            if row[3] != 1:
                self.ghost.violate("stored at most once", row)
        if found != set(self.ghost.stored):
            self.ghost.violate("store", "its rows are not those that were committed")
        if missing := self.ghost.owing():
            self.ghost.violate("stored in the end", missing)
        accepted = self.database.rows("SELECT payload FROM messages WHERE status = 'accepted'")
        said = [
            parse(payload, "telemetry" if b'"readings"' in payload else "event")
            for (payload,) in accepted
        ]
        self.ghost.check_chains((m.device, m.session, m.seq, m.prev) for m in said)
        if self.scheduler.failure is not None:
            raise self.scheduler.failure

    def close(self):
        """Let go of every process, unseen."""
        for process in self.processes.values():
            self.count(process)
            if process.alive:
                process.kill()


_TROUBLES = (
    "no answer to PINGREQ", "does another client call itself", "another client", "reset",
    "closed the connection", "Connection refused", "no broker answers", "killed",
)  # fmt: skip
_FORGER = SigningKey.from_seed(sha256(b"forger").digest())
_STRANGER = SignerKey.from_seed(f"{ORIGIN}/collector/c0ffee0000000001", sha256(b"x").digest())


def _cached(make):
    known = {}

    def get(*key):
        if key not in known:
            known[key] = make(*key)
        return known[key]

    return get


class _Authority(OperatorAuthority):
    """Remembers what it has read: a signature that was good stays so."""

    def __init__(self, verifier):
        super().__init__(verifier)
        self._known = {}

    def read(self, entry):
        if entry not in self._known:
            self._known[entry] = super().read(entry)
        return self._known[entry]


@_cached
def _operator():
    key = SignerKey.from_seed(f"{ORIGIN}/operator", bytes(32))
    return key, _Authority(key.verifier)


@_cached
def _identity(collector):
    origin = f"{ORIGIN}/collector/{collector}"
    key = SignerKey.from_seed(origin, sha256(collector.encode()).digest())
    return Identity(
        origin=origin,
        vkey=str(key.verifier),
        key_entry=enrol(
            operator=_operator()[0], kind="collector", name=collector, key=key, time=START
        ),
        receipts=ReceiptTree(key),
        log=lambda size, tile: GrowingLog.resume(origin, key, size, tile),
    )


@_cached
def _machines(count):
    found = []
    for number in range(count):
        name = f"mill-{number}"
        key = SigningKey.from_seed(number.to_bytes(32, "big"))
        topic = MachineTopic("", "acme", "north", "hall", "line-1", name, "telemetry")
        entry = enrol(
            operator=_operator()[0], kind="device", name=name, key=key, time=START + number
        )
        found.append(Machine(name, key, topic, entry))
    return found


__all__ = ["Shape", "World", "asyncio"]
