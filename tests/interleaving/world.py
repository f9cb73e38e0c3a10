"""A factory, a broker and collectors in one process, and everything that may befall them.

What happens is a list of actions with moments between them; each says what it does, whatever
the state: one that does not fit does nothing, so that a list stays a list when it is shortened.
"""

import random as random_module
from collections import Counter
from dataclasses import dataclass
from random import Random

from interleaving.befalling import Befalling
from interleaving.broker import SimulatedBroker
from interleaving.disk import SimulatedDisk
from interleaving.forging import Forging
from interleaving.ghost import Ghost
from interleaving.network import Network
from interleaving.processes import CollectorProcess, FleetProcess
from interleaving.rest import Rest
from interleaving.scheduler import Scheduler
from interleaving.store import Database
from interleaving.works import ORIGIN, START, Requests, identity, machines, operator

from collector.errors import CommitFailed
from simulator.errors import OutboxUnwritable
from telemetry.errors import BrokerUnavailable, LinkLost, SessionTakenOver

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


class World(Befalling, Forging, Rest):
    """All of it; `do` an action, `run` for a while, `calm` at the end."""

    resend_after = 3.0

    def __init__(self, seed, shape):
        self.shape = shape
        self.scheduler = Scheduler(seed)
        random_module.seed(seed)  # couriers draw their jitter there
        self.chance = Random(seed + 1).random
        self.events = Counter()
        self.origin = ORIGIN
        self.operator, self.authority = operator()
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
        self.machines = machines(shape.machines)
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
        return identity(collector)

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
