"""A recording of the fleet without a broker: simulated clock, everything from the seed.

The same machines, seed, duration and interval give the same bytes. Start time, sessions and
keys come from the seed too: whoever reads the seed can sign as these machines, so the
recording's origin says that its keys are for tests.
"""

import hashlib
import json
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from simulator.chain import Chain, Entry
from simulator.crew import Tally
from simulator.edge import edges_of
from simulator.faults.afflicted import Afflicted
from simulator.faults.schedule import ON_THE_WAY, Occurrence, by_device
from simulator.faults.street import Street
from simulator.machine import Machine, RunningMachine, start_plant
from simulator.machines.kind import Readings
from simulator.signing import Draft, Item, Signatory, signed
from simulator.sparkplug.recording import RecordedEdge
from simulator.station import Scribe
from telemetry.recording import Header, Line, Writer
from telemetry.signature import SigningKey
from telemetry.sparkplug_topic import sparkplug_filters
from telemetry.topic import SIGNED_KINDS, factory_filters

START: Final = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z, microseconds since the epoch


def test_key(seed: int, device: str) -> SigningKey:
    """The key of a device in a recording made from this seed: anyone can derive it."""
    return SigningKey.from_seed(_derived("key", seed, device))


test_key.__test__ = False  # type: ignore[attr-defined]  # for pytest: a key, not a test


def _session(seed: int, device: str) -> str:
    """The session of a device in a recording made from this seed."""
    return _derived("session", seed, device).hex()[:16]


def write_recording(  # noqa: PLR0913 - all keywords
    *,
    machines: Sequence[Machine],
    seed: int,
    duration: float,
    out: Path,
    interval: float = 1.0,
    begin: int = START,
    speed: float = math.inf,
    faults: Sequence[Occurrence] = (),
    processes: int = 0,
) -> Tally:
    """Write `duration` simulated seconds from `begin` (µs) to the file `out`.

    What the recording has counts as delivered: all, but for what `faults` keep from it.
    `speed` simulated seconds a second, and signed by so many `processes` beside this one:
    whatever they are, the bytes are the same. OSError from the disk, as it is.
    """
    header = Header(
        origin=f"simulated, test keys, seed {seed}",
        topics=(*factory_filters(), *(sparkplug_filters() if edges_of(machines) else ())),
        clock="simulated",
        started=begin,
    )
    recorders = _recorders(machines, seed, begin, faults)
    edges = _edges(recorders, seed)
    items = _items(recorders, edges, begin, _times(begin, duration, interval, speed), interval)
    signatories = [Signatory(one.chain.key.seed, one.machine.topic) for one in recorders]
    with out.open("wb") as file:
        writer = Writer(file, header)
        for count, lines in signed(items, signatories, processes=processes):
            writer.write_lines(count, lines)
        writer.close()
    alone = [one for one in recorders if not isinstance(one, _MemberRecorder)]
    behind = sum(edge.recorded for edge in edges)
    recorded = sum(recorder.recorded for recorder in alone) + behind
    delivered = sum(recorder.delivered for recorder in alone) + behind
    withheld = sum(recorder.withheld for recorder in alone)
    held = recorded - delivered
    return Tally(recorded, delivered, receipted=0, held=held, withheld=withheld)


def _recorders(
    machines: Sequence[Machine], seed: int, begin: int, faults: Iterable[Occurrence]
) -> "list[_Recorder]":
    befallen = by_device(faults)
    recorders: list[_Recorder] = []
    for place, running in enumerate(start_plant(machines, begin)):
        own = befallen.get(running.machine.name, ())
        stepped = Afflicted(running, own, begin) if own else running
        if running.machine.language == "sparkplug":
            recorders.append(_MemberRecorder(running, place, seed, stepped))
        elif any(one.spec.group in ON_THE_WAY for one in own):
            recorders.append(_FaultyRecorder(running, place, seed, own, begin))
        else:
            recorders.append(_Recorder(running, place, seed, stepped))
    return recorders


def _edges(recorders: "Sequence[_Recorder]", seed: int) -> list[RecordedEdge]:
    """The edge nodes of those that speak Sparkplug; their machines tell them from now on."""
    members = {r.machine.name: r for r in recorders if isinstance(r, _MemberRecorder)}
    found = []
    for edge in edges_of(member.machine for member in members.values()):
        own = [members[machine.name] for machine in edge.machines]
        chains = {member.machine.name: member.chain for member in own}
        key, session = test_key(seed, edge.name), _session(seed, edge.name)
        chains[edge.name] = Chain(key=key, topic=edge.topic, session=session, prev=None)
        recorded = RecordedEdge(edge, own, chains)
        for member in own:
            member.edge = recorded
        found.append(recorded)
    return found


def _items(
    recorders: "Sequence[_Recorder]",
    edges: Sequence[RecordedEdge],
    begin: int,
    times: Iterable[int],
    interval: float,
) -> Iterator[Item]:
    for edge in edges:
        yield from edge.opening(begin)
    for recorder in recorders:
        yield from recorder.opening(begin)
    for now in times:
        for edge in edges:
            yield from edge.beat(now)
        for recorder in recorders:
            yield from recorder.beat(interval, now)


def _times(begin: int, duration: float, interval: float, speed: float) -> Iterator[int]:
    """The simulated time of each beat, in µs, each when it is due at this speed."""
    started, number = time.monotonic(), 0
    while number * interval < duration:
        due = started + number * interval / speed
        if (wait := due - time.monotonic()) > 0:
            time.sleep(wait)
        yield begin + round(number * interval * 1_000_000)
        number += 1


class _Recorder:
    """A running machine whose messages go straight into a recording."""

    def __init__(
        self, running: RunningMachine, place: int, seed: int, stepped: RunningMachine | Afflicted
    ) -> None:
        """`place` is that among the signatories; `stepped` the machine with its faults."""
        self.machine = machine = running.machine
        self.running = running
        self._stepped = stepped
        self._place = place
        key, session = test_key(seed, machine.name), _session(seed, machine.name)
        self.chain = Chain(key=key, topic=machine.topic, session=session, prev=None)

    @property
    def recorded(self) -> int:
        """Messages made."""
        return self.chain.seq

    @property
    def delivered(self) -> int:
        """Messages that are in the recording."""
        return self.chain.seq

    @property
    def withheld(self) -> int:
        """Messages that a fault kept from it for good."""
        return 0

    def opening(self, now: int) -> Iterator[Item]:
        birth = self.machine.birth(self.chain.public_key)
        yield self._drafted("birth", now, content=birth)
        yield self._drafted("state", now, content=self.running.state_content())

    def beat(self, dt: float, now: int) -> Iterator[Item]:
        scan = self._stepped.step(dt, now)
        for kind, content in scan.told:
            yield self._drafted(kind, now, content=content)
        yield self._drafted("telemetry", now, readings=scan.readings)

    def _drafted(
        self,
        kind: str,
        now: int,
        *,
        readings: Readings | None = None,
        content: dict[str, Any] | None = None,
    ) -> Draft:
        body = self.chain.draft(kind, time=now, readings=readings, content=content)
        self.chain.follow(body)
        return Draft(self._place, kind, body, now)


class _MemberRecorder(_Recorder):
    """One behind an edge node, which says for it what it measures."""

    scribe: Scribe
    edge: RecordedEdge

    def opening(self, now: int) -> Iterator[Item]:  # noqa: ARG002 - the edge node has said it
        return iter(())

    def beat(self, dt: float, now: int) -> Iterator[Item]:
        self.scribe.tell(self.machine.name, self._stepped.step(dt, now))
        return self.edge.lines(now)


class _FaultyRecorder(_Recorder):
    """One whose messages have faults on their way: what comes of them is the street's."""

    def __init__(
        self,
        running: RunningMachine,
        place: int,
        seed: int,
        faults: Sequence[Occurrence],
        begin: int,
    ) -> None:
        self._afflicted = Afflicted(running, faults, begin)
        super().__init__(running, place, seed, self._afflicted)
        self._topics = {kind: str(self.machine.topic.with_kind(kind)) for kind in SIGNED_KINDS}
        self._street = Street(self._afflicted)
        self._begin = begin
        self._breaks = 0
        self._arrived: set[int] = set()

    @property
    def delivered(self) -> int:
        """Its birth and first state, and all that came out of the street."""
        return len(self._arrived)

    @property
    def withheld(self) -> int:
        """What the street keeps."""
        return self._street.channel.withheld

    def opening(self, now: int) -> Iterator[Item]:
        for item in super().opening(now):
            self._arrived.add(self.chain.seq - 1)
            yield item

    def beat(self, dt: float, now: int) -> Iterator[Item]:
        scan = self._afflicted.step(dt, now)
        weather = self._street.beat()
        if weather.breaks > self._breaks:
            yield self._death(now)
        self._breaks = weather.breaks
        stamp, seconds = now + weather.clock, (now - self._begin) / 1_000_000
        for kind, content in scan.told:
            self._give(self.chain.seal(kind, time=stamp, content=content), seconds)
        self._give(self.chain.seal("telemetry", time=stamp, readings=scan.readings), seconds)
        for entry in self._street.out(seconds):
            self._arrived.add(entry.seq)
            yield self._as_line(entry, now)
        for topic, payload in self._street.intrude(self.chain, stamp, scan.readings):
            yield Line(received=now, topic=str(topic), payload=payload, qos=1, retain=False)

    def _give(self, entry: Entry, seconds: float) -> None:
        self.chain.advance(entry)
        self._street.send([entry], seconds)

    def _as_line(self, entry: Entry, now: int) -> Line:
        topic = self._topics[entry.kind]
        return Line(now, topic, entry.payload, 1, retain=entry.retain)

    def _death(self, now: int) -> Line:
        """The will, which a broker publishes when a connection is cut."""
        said = {"device": self.machine.name, "session": self.chain.session}
        payload = json.dumps(said, separators=(",", ":")).encode("ascii")
        topic = str(self.machine.topic.with_kind("death"))
        return Line(received=now, topic=topic, payload=payload, qos=1, retain=False)


def _derived(purpose: str, seed: int, device: str) -> bytes:
    return hashlib.sha256(f"factoryledger/test-{purpose}/{seed}/{device}".encode()).digest()
