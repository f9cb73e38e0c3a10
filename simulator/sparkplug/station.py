"""An edge node with its outboxes: what it records of its line, in the order of its numbers.

Every message is in an outbox, signed, before anyone may send it. Those of the present
connection's session are queued to be sent live; a session without one (`epoch` 0) goes on
being recorded, for the ledger alone.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from simulator.chain import Entry
from simulator.edge import Edge, edges_of
from simulator.machine import Machine, RunningMachine, Scan
from simulator.sparkplug.metrics import (
    HELD,
    KIND,
    LEDGER_KEY,
    LEDGER_SESSION,
    NODE,
    definitions,
    told,
)
from simulator.sparkplug.session import EdgeSession, Said
from simulator.station import Scribe
from telemetry.canonical import b64
from telemetry.message import Cited
from telemetry.sparkplug import Plain
from telemetry.sparkplug_topic import SparkplugTopic


@dataclass(frozen=True, slots=True)
class Queued:
    """A message that is to be sent live on the connection `epoch`, if that still stands."""

    entry: Entry
    device: str | None
    epoch: int


class Behind(Protocol):
    """A machine behind an edge node, as it runs."""

    machine: Machine
    running: RunningMachine
    scribe: Scribe


class Box(Protocol):
    """What an edge node needs of an outbox."""

    @property
    def held(self) -> int:
        """Messages that no receipt has freed."""

    @property
    def public_key(self) -> bytes:
        """The key that its messages verify with."""

    @property
    def session(self) -> str:
        """The session of what it records now."""

    def enclose(
        self, topic: SparkplugTopic, payload: bytes, *, time: int, anchor: Cited | None = None
    ) -> Entry:
        """Seal and keep a message."""

    def give_up(self, time: int, anchor: Cited | None) -> None:
        """Announce as evicted what is held under a key that has ended."""


class EdgeStation:
    """One edge node; its members' beats tell it what their machines said."""

    def __init__(
        self,
        edge: Edge,
        members: Sequence[Behind],
        outboxes: Mapping[str, Box],
        cited: Callable[[], Cited | None],
        clock: Callable[[], int],
    ) -> None:
        """`outboxes` by device name, its own among them; `clock` in µs since the epoch.

        `cited` gives the newest checkpoint that its messages may name.
        """
        self.edge = edge
        self.topic = edge.sparkplug()
        self._boxes: dict[str | None, Box] = {
            None: outboxes[edge.name],
            **{machine.name: outboxes[machine.name] for machine in edge.machines},
        }
        self.session = EdgeSession(NODE, {m.name: definitions(m) for m in edge.machines})
        self.queue: deque[Queued] = deque()
        self.epoch = 0
        self.rebirth = False
        self._cited = cited
        self._clock = clock
        self._last = 0
        self._values: dict[str | None, dict[str, Plain]] = {
            device: _identity(box) for device, box in self._boxes.items()
        }
        for member in members:
            member.scribe = self
            own = self._values[member.machine.name]
            own[KIND] = member.machine.kind
            own.update(told("state", member.running.state_content()))

    @property
    def held(self) -> int:
        """Messages of the node and its devices that no receipt has freed."""
        return sum(box.held for box in self._boxes.values())

    def begin(self, epoch: int) -> None:
        """Begin a session on this connection (0: on none), or be born again on it."""
        self.epoch, self.rebirth = epoch, False
        now = self._now()
        self._values[None][HELD] = self.held
        for device, box in self._boxes.items():
            self._values[device].update(_identity(box))
        for said in self.session.begin(self._values, now // 1000):
            self._record(said, now)
        for box in self._boxes.values():
            box.give_up(now, self._cited())

    def beat(self) -> None:
        """Before the members' beats: answer a rebirth, and say what is new of the node."""
        if self.rebirth:
            self.begin(self.epoch)
        now = self._now()
        self._say(None, {HELD: self.held}, now)

    def tell(self, device: str, scan: Scan) -> None:
        """Record what a machine said in its beat: states and events in order, then readings."""
        now = self._now()
        for kind, content in scan.told:
            self._say(device, told(kind, content), now)
        self._say(device, scan.readings, now)

    def close(self) -> None:
        """No reading is made any more: the devices die, in the ledger's sight too."""
        now = self._now()
        for device in self._boxes:
            if device is not None:
                self._record(self.session.device_death(device, now // 1000), now)

    def _say(self, device: str | None, values: Mapping[str, Plain], now: int) -> None:
        said = self.session.data(device, values, now // 1000)
        self._values[device].update(values)
        if said is not None:
            self._record(said, now)

    def _record(self, said: Said, now: int) -> None:
        topic = self.topic.of(said.type, said.device)
        entry = self._boxes[said.device].enclose(
            topic, said.payload.to_bytes(), time=now, anchor=self._cited()
        )
        self.queue.append(Queued(entry, said.device, self.epoch))

    def _now(self) -> int:
        """The time in µs, never back within a session."""
        self._last = max(self._last, self._clock())
        return self._last


def edge_stations(
    members: Sequence[Behind],
    outboxes: Mapping[str, Box],
    cited: Callable[[], Cited | None],
    clock: Callable[[], int],
) -> list[EdgeStation]:
    """The edge nodes of these machines, each with its own."""
    by_name = {member.machine.name: member for member in members}
    return [
        EdgeStation(edge, [by_name[m.name] for m in edge.machines], outboxes, cited, clock)
        for edge in edges_of(member.machine for member in members)
    ]


def _identity(box: Box) -> dict[str, Plain]:
    return {LEDGER_KEY: b64(box.public_key), LEDGER_SESSION: box.session}
