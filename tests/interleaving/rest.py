"""Looking at a world: what must hold between any two acts, and once nothing is in the way."""

from interleaving.processes import CollectorProcess, FleetProcess
from interleaving.scheduler import Violation

from telemetry.message import parse

LIVELY = 400.0  # s in which all must have arrived, once nothing is in the way: three long waits
BUSY = 400_000  # events, for the same


class Rest:
    """How a world is looked at, and brought to rest."""

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
                # Two batches ahead, four in the intake, and one read more: a whole window.
                most = 8 * self.shape.flush_count
                self._bounded("in flight", moment.door.in_flight, most + min(20, most))
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
        # A fleet acknowledges receipts at its looks, so a window of one drains one a look.
        for session in self.broker.sessions.values():
            session.window = min(20, session.receive_max)
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
        until = self.scheduler.now + 15.0
        while self.scheduler.now < until and not all(one.main.done() for one in collectors):
            self.run(0.25)
        self.run(0.25)
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
