"""The product's parts as simulated processes: a fleet with its outboxes, a collector.

They are put together here as `simulator.crew` and `collector.service` put them together; what
they do is theirs.
"""

import asyncio
from functools import partial
from pathlib import Path
from types import SimpleNamespace

from interleaving.scheduler import Process
from interleaving.store import SharedStore, UnreliableShelf

from anchor.receipts import ReceiptVerifier
from collector.account import Account
from collector.limits import Gate, Limits
from collector.panel import Panel
from collector.patience import Patience
from collector.resume import Resume
from collector.service import Service
from simulator.courier import Courier
from simulator.crew import _send
from simulator.fleet import _keep_durable
from simulator.herald import Herald
from simulator.outbox import Outbox
from simulator.outbox_file import FileJournal
from simulator.trust import Trust
from simulator.uplink import gateway_uplinks, machine_uplink
from simulator.wire import Wire
from telemetry.address import NOBODY, Address
from telemetry.backoff import Backoff
from telemetry.bundle import Bundle
from telemetry.link import Link
from telemetry.topic import factory_filters, shared

ADDRESS = Address("broker", 1883)
FOLDER = Path("/outboxes")
LARGEST = 4096  # bytes of a payload that a collector takes


class WatchedOutbox(Outbox):
    """The outbox, with the ghost looking at what it does."""

    __slots__ = ("_ghost", "_is_durable")

    def watch(self, ghost, is_durable):
        self._ghost, self._is_durable = ghost, is_durable

    def record(self, kind, **what):
        entry = super().record(kind, **what)
        self._ghost.record(self.device, entry)
        return entry

    def ready(self):
        entries = super().ready()
        self._ghost.is_ready(self.device, entries, self._is_durable)
        return entries

    def release(self, leaf):
        entries = super().release(leaf)
        self._ghost.lets_go(self.device, entries, leaf)
        return entries

    def _evict(self, time, anchor):
        before = dict(self._held)
        super()._evict(time, anchor)
        self._ghost.evicts(self.device, [e for p, e in before.items() if p not in self._held])
        for place, entry in self._held.items():
            if place not in before:  # the event that says so
                self._ghost.record(self.device, entry)


class WatchedLink(Link):
    """The link, with its arrivals and acknowledgements counted."""

    def acknowledge(self, arrivals):
        self.events["acknowledged too late: connection gone"] += sum(
            one.epoch != self.epoch or not self.connected for one in arrivals
        )
        super().acknowledge(arrivals)

    def _arrived(self, arrivals):
        for one in arrivals:
            if one.duplicate:
                known = "recognised" if one.again else "taken as new"
                self.events[f"redelivery {known}"] += 1
        self.seen += [one.payload for one in arrivals]
        super()._arrived(arrivals)


class NoCheckpoints:
    """A fleet that hears of no checkpoint."""

    def check(self, note):
        raise ValueError("no checkpoint here")


class FleetProcess(Process):
    """Some machines, their outboxes on one disk, and their connections."""

    def __init__(self, world, name, machines, *, limit, gateway, serial):
        super().__init__(world.scheduler, name)
        self._world = world
        self.loop.connect = world.network.connector(self, lambda _, packet: self._watch(packet))
        self.verifier = ReceiptVerifier(world.operator.verifier, world.origin)
        self.trust = Trust(self.verifier, NoCheckpoints())
        wire = Wire(ADDRESS, lambda _: NOBODY, "", world.resend_after)
        self.outboxes = [self._open(machine, limit, serial) for machine in machines]
        self.couriers = [
            Courier(
                SimpleNamespace(topic=machine.topic), outbox, self.trust, wire,
                clock=lambda: world.scheduler.now,
            )
            for machine, outbox in zip(machines, self.outboxes, strict=True)
        ]  # fmt: skip
        self.herald = Herald(self.trust, wire, f"herald-{name}")
        self.uplinks = (
            gateway_uplinks(self.couriers, wire, "line")
            if gateway
            else [machine_uplink(courier, wire) for courier in self.couriers]
        )
        self.dirty = self.group = None
        self.main = self.spawn(self._run())

    def _open(self, machine, limit, serial):
        disk = self._world.disks[self.name]
        disk.failing = None  # who cannot open its outbox is no process
        elapse = partial(self._elapse, machine.name)
        journal = FileJournal(machine.name, FOLDER, disk.mount(self, elapse))
        outbox = WatchedOutbox(
            machine.name, machine.key, machine.topic, session=f"{serial:016x}", limit=limit,
            compact_at=4096, remembered=64, journal=journal,
        )  # fmt: skip
        path = FOLDER / f"{machine.name}.outbox"
        is_durable = partial(disk.durable, path)
        outbox.watch(self._world.ghost, is_durable)
        self._world.ghost.reopened(outbox, is_durable)
        return outbox

    def _elapse(self, device):
        """A disk takes its time, where a thread of its own waits for it with nothing locked."""
        for outbox in getattr(self, "outboxes", ()):
            if outbox.device == device and not outbox._lock.locked() and not self.main.done():
                scheduler = self._world.scheduler
                seconds = scheduler.random.choice((0, 0.001, 0.05))
                if seconds:
                    scheduler.elapse(seconds, self, "syncing")

    async def _run(self):
        backoff = Backoff(first=0.1, limit=2.0, chance=self._world.chance)
        self.bundle = Bundle(
            ADDRESS, backoff=backoff, look_every=0.75, connect_timeout=3.0,
            on_trouble=self._world.trouble,
        )  # fmt: skip
        self.dirty = asyncio.Event()
        self.herald.strand = self.bundle.add(self.herald.opening, self.herald)
        for uplink in self.uplinks:
            uplink.strand = self.bundle.add(uplink.opening, uplink)
        async with self.bundle, asyncio.TaskGroup() as group:
            self.group = group
            group.create_task(self.bundle.run())
            group.create_task(_keep_durable(self.couriers, self.dirty))
            self.dirty.set()
            await asyncio.Event().wait()

    def record(self, number, count, now):
        """A machine makes readings, as at a beat."""
        courier = self.couriers[number % len(self.couriers)]

        async def beat():
            for _ in range(count):
                reading = float(self._world.scheduler.steps)
                courier.outbox.record("telemetry", time=now, readings={"temperature": reading})
            _send([courier], self.dirty.set)

        def in_its_loop():
            if self.group is not None and not self.main.done():
                beating = beat()
                try:
                    self.group.create_task(beating)
                except RuntimeError:  # it is ending
                    beating.close()

        self.scheduler.at(self.scheduler.now, self, in_its_loop)

    @property
    def connected(self):
        """Whether it has come to stand since it began."""
        return self.group is not None

    def _watch(self, packet):
        if hasattr(packet, "payload"):
            self._world.ghost.publishes(packet)


class CollectorProcess(Process):
    """A collector on the world's store; `stop` is what SIGTERM sets."""

    def __init__(self, world, name, *, share, flush_count):
        super().__init__(world.scheduler, name)
        self._world = world
        self.loop.connect = world.network.connector(self, world.ghost.collector_says)
        self._share, self._flush_count = share, flush_count
        self.stop = asyncio.Event()
        self.service = self.ledger = None
        self.account = Account()
        self.seen = []  # payloads that arrived, in order
        self.placed = 0  # how many of them are stored, or were passed over
        self.main = self.spawn(self._run())

    @property
    def connected(self):
        """Whether it hears what is published now."""
        return self.service is not None and self.service._link.connected

    async def _run(self):
        world = self._world
        store = SharedStore(world.database, self)
        patience = Patience(pause=self._wait)
        opened = Resume(
            store, world.identity_for, world.authority, world.requests,
            shelf=UnreliableShelf(store, self, world), patience=patience,
            monotonic=lambda: world.scheduler.now,
        ).live(new_id=world.new_id, anchored_size=None)  # fmt: skip
        self.ledger = opened.ledger
        self.ledger.gate = gate = Gate(Limits(payload=LARGEST), lambda: world.scheduler.now)
        async with Panel(0, opened.ledger.statements) as panel:
            self.service = Service(
                opened,
                self._link,
                self,
                panel,
                gate,
                filters=[shared(f, self._share) for f in (*factory_filters(), "plain/#")],
                prefix="",
                flush_count=self._flush_count,
                flush_seconds=0.25,
                anchored_within=60.0,
                now=lambda: world.wall(self),
                session_expiry=0xFFFFFFFF,
                recorded_clock=False,
                births=None,
                account=self.account,
                give_up=patience.lose,
                last_tries=10.0,
            )  # fmt: skip
            await self.service.run(self.stop, None, None)
        store.close()

    def _link(self, **how):
        world = self._world
        link = WatchedLink(
            ADDRESS, backoff=Backoff(first=0.1, limit=2.0, chance=world.chance), keep_alive=10,
            connect_timeout=3.0, on_trouble=world.trouble, **how,
        )  # fmt: skip
        link.events, link.seen = world.events, self.seen
        return link

    def _wait(self, seconds):
        """The worker waits between tries; False: not for nothing."""
        self._world.events["patience"] += 1
        if self.scheduler.depth >= 3:
            # Nobody would move: as if the next try came at once, and a store came back.
            self._world.find_store()
            return False
        self.scheduler.elapse(seconds, self, "committing")
        return False
