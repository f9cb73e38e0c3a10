"""The factory floor: every machine heard, in the order in which they spoke last. Pure, bounded.

Topics come from whoever may publish: so many machines are kept, and of more it is only said
that there are some. A machine's name is at one place; who says it elsewhere takes it over only
once it is silent where it was.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from telemetry.canonical import is_segment
from telemetry.sparkplug_topic import SparkplugTopic
from telemetry.topic import MachineTopic
from watch.floor.alarms import Alarm
from watch.floor.heard import Heard, hear
from watch.floor.machine import Machine, Scan
from watch.floor.sparkplug import KINDS, NAMESPACE, Births, hear_device, place_of
from watch.floor.standing import Checking, Judge

MOST_MACHINES: Final = 5000
_ALL_SCANS: Final = 200_000
_LONGEST_RING: Final = 600
_SHORTEST_RING: Final = 30
_KEPT_ALARMS: Final = 500
_COUNTED_STRANGERS: Final = 10_000
_FORGOTTEN_AFTER: Final = 300_000_000
_MOVED_AFTER: Final = 30_000_000
_LONGEST_TOPIC: Final = 512
DIES: Final = Heard("unsigned")


class Floor:
    """All machines. `on_alarms` and `on_scans` are told what came, while somebody looks.

    With a `judge` a machine that signs is taken at its own words alone.
    """

    def __init__(self, most: int = MOST_MACHINES, judge: Judge | None = None) -> None:
        self.checking = Checking(judge)
        self.machines: OrderedDict[str, Machine] = OrderedDict()
        self.version = 0
        self.messages = 0
        self.ended: deque[Alarm] = deque(maxlen=_KEPT_ALARMS)
        self.on_alarms: Callable[[Sequence[Alarm]], None] | None = None
        self.on_scans: Callable[[str, Sequence[Scan]], None] | None = None
        self._most = most
        self._strangers = set[int]()
        self._births = Births(most)
        self._nodes: dict[str, set[str]] = {}

    @property
    def not_shown(self) -> int:
        """How many machines there are beyond those kept, as far as they are counted."""
        return len(self._strangers)

    @property
    def lasting(self) -> list[Alarm]:
        """All alarms that last, the oldest first."""
        found = [alarm for machine in self.machines.values() for alarm in machine.board.lasting]
        return sorted(found, key=lambda alarm: alarm.since)

    def changed(self, since: int) -> Iterator[Machine]:
        """The machines that a version after this one changed, the newest change first."""
        for machine in reversed(self.machines.values()):
            if machine.version <= since:
                return
            yield machine

    def hear(  # noqa: PLR0913 - a message, and when it came
        self,
        topic: str,
        payload: bytes,
        now: int,
        *,
        retained: bool = False,
        header: bytes = b"",
        properties: str | None = None,
    ) -> None:
        """Take a message of any topic; one that is no machine's says nothing here.

        `header` is what travels beside a payload that is not JSON (`telemetry.header`), among
        the `properties`, whose canonical text this is.
        """
        self.messages += 1
        if len(topic) > _LONGEST_TOPIC or not payload:
            return
        if NAMESPACE in topic:
            self._hear_sparkplug(topic, payload, header, properties, now)
            return
        where = MachineTopic.parse(topic)
        if where is None or where.kind == "receipt":
            return
        root = topic[: -len(where.kind)]
        said = self.checking.checked(hear(payload), topic, payload, properties, now)
        self._take(where, root, said, now, retained=retained)

    def _hear_sparkplug(
        self, topic: str, payload: bytes, header: bytes, properties: str | None, now: int
    ) -> None:
        place = SparkplugTopic.parse(topic)
        if place is None or place.type not in KINDS:
            return
        node = f"{place.prefix}/{NAMESPACE}{place.group}/{place.node}/".removeprefix("/")
        if place.device is None:
            for device in list(self._nodes.get(node, ())):
                machine = self.machines.get(device)
                if machine is not None and machine.root.startswith(node):
                    self._take(machine.topic.with_kind("death"), machine.root, DIES, now)
            return
        if not is_segment(place.device):
            return
        root = f"{node}{place.device}/"
        if place.type == "DBIRTH":
            self._births.born(root, payload)
        said = hear_device(place, payload, header, self._births.of(root))
        said = self.checking.checked(said, topic, payload, properties, now)
        self._take(place_of(place), root, said, now)
        if place.device in self.machines:
            self._nodes.setdefault(node, set()).add(place.device)

    def _take(
        self, where: MachineTopic, root: str, said: Heard, now: int, *, retained: bool = False
    ) -> None:
        machine = self.machines.get(where.machine) or self._new(where, root, now)
        if machine is None:
            return
        if machine.root != root:
            alarms, moved = self._elsewhere(machine, where, root, now)
            self._tell(machine, alarms)
            if not moved:
                return
        ring = self._ring()
        alarms, scans = machine.hear(where.kind, said, now, retained=retained, ring=ring)
        self._tell(machine, alarms)
        if not scans:
            return
        machine.read = self.version
        if self.on_scans is not None:
            self.on_scans(machine.device, scans)

    def tick(self, now: int) -> None:
        """Notice silence; once a second or so."""
        for machine in list(self.machines.values()):
            alarms = machine.tick(now)
            if alarms:
                self._tell(machine, alarms)

    def unheard(self) -> None:
        """Take note that the broker was away: what it said meanwhile is not missing here."""
        for machine in self.machines.values():
            machine.unheard()

    def _tell(self, machine: Machine, alarms: Sequence[Alarm]) -> None:
        self.version += 1
        machine.version = self.version
        self.machines.move_to_end(machine.device)
        if not alarms:
            return
        self.ended.extend(alarm for alarm in alarms if alarm.until is not None)
        if self.on_alarms is not None:
            self.on_alarms(alarms)

    def _new(self, where: MachineTopic, root: str, now: int) -> Machine | None:
        if len(self.machines) >= self._most and not self._forget_one(now):
            if len(self._strangers) < _COUNTED_STRANGERS:
                self._strangers.add(hash(root))
            return None
        self._strangers.discard(hash(root))
        machine = Machine(where, root)
        self.machines[where.machine] = machine
        return machine

    def _forget_one(self, now: int) -> bool:
        oldest = next(iter(self.machines.values()))
        if oldest.heard is not None and now - oldest.heard < _FORGOTTEN_AFTER:
            return False
        del self.machines[oldest.device]
        self._births.forget(oldest.root)
        node = oldest.root.rpartition("/")[0].rpartition("/")[0] + "/"
        if node in self._nodes:
            self._nodes[node].discard(oldest.device)
            if not self._nodes[node]:
                del self._nodes[node]
        return True

    def _elsewhere(
        self, machine: Machine, where: MachineTopic, root: str, now: int
    ) -> tuple[list[Alarm], bool]:
        if machine.heard is None or now - machine.heard > _MOVED_AFTER:
            machine.topic, machine.root = where, root
            return machine.board.end("elsewhere", now), True
        return machine.board.begin("elsewhere", f"its name is used on {root} too", now), False

    def _ring(self) -> int:
        share = _ALL_SCANS // max(1, len(self.machines))
        return max(_SHORTEST_RING, min(_LONGEST_RING, share))
