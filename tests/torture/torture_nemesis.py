"""Brings a plan's strikes upon the works, and takes each away again.

Each kind of fault is a generator: it strikes, yields while it waits, and heals before it ends.
To add one, write it here, name it in `FAULTS`, and say in `torture_plan` whom it can befall.
"""

import time

from torture_damage import bad_broker_file, bad_checkpoint, broken_outbox, cut_tile, torn_outbox
from torture_databases import broken_anchor_db, broken_witness_db
from torture_waiting import lasting, waiting

SHAKE = 0.01  # the share of steps that fail
READY = 0.7  # the share of strikes that wait until their target is at work, by their amount
FREE = 30.0  # s: to wait for a target that another strike has


def kill(works, strike):
    part = works.parts[strike.target]
    part.wanted = False
    part.kill()
    yield from lasting(strike.lasts)
    part.start()


def storm(works, strike):
    """Killed and started again, so often, at whatever it has come to by then."""
    part = works.parts[strike.target]
    for _ in range(int(strike.amount)):
        part.wanted = False
        part.kill()
        part.start()
        yield from lasting(strike.lasts / strike.amount)


def pause(works, strike):
    part = works.parts[strike.target]
    part.freeze()
    yield from lasting(strike.lasts)
    part.thaw()


def cut(works, strike):
    works.network.cut(strike.target)
    yield


def slow(works, strike):
    way = works.network[strike.target]
    way.delay = strike.amount
    yield from lasting(strike.lasts)
    way.delay = 0.0


def throttle(works, strike):
    way = works.network[strike.target]
    way.rate = strike.amount
    yield from lasting(strike.lasts)
    way.rate = 0.0


def partition(works, strike):
    """Nothing passes; in half of the cases the connection is dead afterwards."""
    way = works.network[strike.target]
    way.held = True
    yield from lasting(strike.lasts)
    if strike.amount < 1 / 2:
        works.network.cut(strike.target)
        yield
    way.held = False


def disk_full(works, strike):
    disk = works.disks[strike.target]
    disk.fill()
    yield from lasting(strike.lasts)
    disk.free()


def clock(works, strike):
    """The clock jumps, and back."""
    works.clocks[strike.target].put(int(strike.amount))
    yield from lasting(strike.lasts)
    works.clocks[strike.target].put(0)


def io_error(works, strike):
    """Killed, and for a while started on a disk whose writes and syncs fail now and then."""
    part = works.parts[strike.target]
    faults = ("EIO", "ENOSPC", "kill-after", "torn")
    fault = faults[int(strike.amount * len(faults))]
    works.shake(part.name, fault, SHAKE, int(strike.amount * 10_000))
    part.kill()
    part.start()
    yield from lasting(strike.lasts)
    works.shake(part.name, "none", 0, 0)
    part.kill()
    part.start()


FAULTS = {
    "kill": kill,
    "storm": storm,
    "pause": pause,
    "cut": cut,
    "slow": slow,
    "throttle": throttle,
    "partition": partition,
    "disk-full": disk_full,
    "clock": clock,
    "io-error": io_error,
    "torn-outbox": torn_outbox,
    "broken-outbox": broken_outbox,
    "cut-tile": cut_tile,
    "bad-checkpoint": bad_checkpoint,
    "bad-broker-file": bad_broker_file,
    "broken-anchor-db": broken_anchor_db,
    "broken-witness-db": broken_witness_db,
}


# What is damaged is put right again by us, and needs room for it: no strike fills that disk.
ON_DISK = {
    "cut-tile": ["data"],
    "bad-checkpoint": ["data"],
    "torn-outbox": ["outbox"],
    "broken-outbox": ["outbox"],
    "broken-anchor-db": ["data"],
    "broken-witness-db": ["data"],
}


class Nemesis:
    """All strikes of a plan: those under way, and those that are to come."""

    def __init__(self, works, history):
        self._works, self._history = works, history
        self._coming = sorted(works.plan.strikes, key=lambda strike: strike.at)
        self._going = []
        self._held = set()

    def rest(self):
        """Begin nothing more."""
        self._coming = []

    @property
    def done(self):
        return not self._coming and not self._going

    def tick(self, elapsed):
        """Begin what is due, and go on with what is under way."""
        while self._coming and self._coming[0].at <= elapsed:
            self._going.append(self._bring(self._coming.pop(0)))
        self._going = [strike for strike in self._going if _goes_on(strike)]

    def _is_ready(self, target):
        part = self._works.parts.get(target)
        return part is None or part.ready

    def _bring(self, strike):
        target, needs = strike.target, {strike.target, *ON_DISK.get(strike.kind, ())}
        free = yield from waiting(lambda: not needs & self._held, FREE)
        if not free:
            self._history.put("skipped", kind=strike.kind, target=target)
            return
        self._held |= needs
        if strike.amount < READY:
            # On a busy machine a part would else be struck again and again while it starts.
            yield from waiting(lambda: self._is_ready(target), FREE)
        self._history.put("strike", kind=strike.kind, target=target, amount=strike.amount)
        began = time.monotonic()
        try:
            yield from FAULTS[strike.kind](self._works, strike)
        except Exception as error:  # noqa: BLE001 - the run goes on, and the checker says so
            self._history.put("broken", kind=strike.kind, target=target, said=repr(error))
        finally:
            self._held -= needs
            took = round(time.monotonic() - began, 2)
            self._history.put("healed", kind=strike.kind, target=target, took=took)


def _goes_on(strike):
    try:
        next(strike)
    except StopIteration:
        return False
    return True
