"""What happens to a machine's messages between it and the broker, faults and attackers included.

One for each machine that has, or may get, a fault: entries go in, what is published comes out:
the machine's own through its channel, and what intruders add. Pure; who publishes asks at every
beat.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from simulator.chain import Chain, Entry
from simulator.chance import Chance
from simulator.faults.afflicted import Afflicted
from simulator.faults.channel import Channel
from simulator.faults.fault import Intruder, Publication, Scene, SecurityFault, Weather
from simulator.machine import seed_for
from simulator.machines.kind import Readings
from telemetry.message import Cited

REMEMBERED: Final = 64


class Street:
    """One machine's way out, and who stands beside it."""

    def __init__(self, afflicted: Afflicted) -> None:
        self._afflicted = afflicted
        machine = afflicted.machine
        self._topic = machine.topic
        self.channel: Channel[Entry] = Channel(
            Chance(seed_for(machine.seed, machine.name, "street"))
        )
        self._sent: deque[Entry] = deque(maxlen=REMEMBERED)
        self._intruders: dict[str, Intruder] = {}

    @property
    def weather(self) -> Weather:
        """As it was at the last beat."""
        return self.channel.weather

    def beat(self) -> Weather:
        """Take up the conditions of the machine's last step; gives them."""
        self.channel.weather = self._afflicted.weather
        return self.channel.weather

    def send(self, entries: Iterable[Entry], now: float) -> None:
        """Give messages to the channel, `now` in seconds; telemetry alone may be withheld."""
        self.channel.offer(((e.place, e.kind == "telemetry", e) for e in entries), now)

    def out(self, now: float) -> list[Entry]:
        """The machine's messages that leave it now."""
        left = self.channel.due(now)
        self._sent.extend(left)
        return left

    def intrude(
        self, chain: Chain, time: int, readings: Readings, anchor: Cited | None = None
    ) -> Sequence[Publication]:
        """What others publish after this beat's messages; `time` in µs."""
        active = self._afflicted.intrusions
        if not active:
            self._intruders.clear()
            return ()
        scene = Scene(
            topic=self._topic,
            key=chain.key,
            session=chain.session,
            seq=chain.seq,
            prev=chain.prev,
            anchor=anchor,
            time=time,
            readings=readings,
            sent=tuple(self._sent),
        )
        published: list[Publication] = []
        for one in active:
            spec, name = one.occurrence.spec, one.occurrence.id
            assert isinstance(spec, SecurityFault)
            if name not in self._intruders:
                self._intruders[name] = spec.intruder(scene, one.rng)
            published.extend(self._intruders[name].act(scene))
        return published
