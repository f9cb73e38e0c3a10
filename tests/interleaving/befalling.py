"""What befalls a world: its processes, its broker, its network, disks, clocks and store."""

ALWAYS = 2.0  # before the commit, whatever is drawn


class Befalling:
    """Acts of a world; each is given two numbers from 0 to 1 that say to whom and how."""

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
        """Commits take seconds, for a while; or the store is away, for longer."""
        if b > 0.85:
            self._lose_store(20 * a)
            return
        self.slow_store = 4 * b
        self.events["slow store"] += 1

        def quick():
            self.slow_store = 0.0

        self.scheduler.later(5 * a, None, quick)

    def _lose_store(self, seconds):
        before, self.failing_store = self.failing_store, ALWAYS
        self.events["store away"] += 1

        def back():
            if self.failing_store == ALWAYS:
                self.failing_store = before if before != ALWAYS else 0.0

        self.find_store = back
        self.scheduler.later(seconds, None, back)

    def find_store(self):
        """A store that is away is back; one that was not, stays as it is."""

    def do_clock(self, a, b):
        """A wall clock jumps, hours back or on."""
        self.events["clock jumped"] += 1
        self._any(a).skew += int((b - 0.5) * 4e10)

    def do_window(self, a, b):
        """The broker takes fewer or more at once, and queues less or more."""
        self.broker.most_queued = (3, 5, 1000)[int(b * 3)]

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
