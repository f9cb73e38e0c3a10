"""Cloned machine: a copy of the machine, key and outbox included, goes on beside it.

`session: other` gives it a session of its own, begun on the machine's last message: two
messages then name one predecessor, a fork. `session: same` goes on in the machine's: the same
numbers under other bodies, conflicts. It speaks one beat after the machine, which so takes its
numbers first. Readings are fabricated. Pure.
"""

from collections import deque
from typing import Annotated, Final, Literal

from pydantic import Field

from simulator.chain import Chain, Entry
from simulator.chance import Chance
from simulator.faults.fabricated import fabricated, session_of
from simulator.faults.fault import Publication, Scene, SecurityFault

BEHIND: Final = 2  # beats


class ClonedMachine(SecurityFault):
    """A second machine with the same key."""

    fault: Literal["cloned-machine"]
    session: Annotated[
        Literal["other", "same"], Field(description="One of its own, or the machine's")
    ] = "other"

    def intruder(self, scene: Scene, rng: Chance) -> "Clone":
        """A copy from here on."""
        session = scene.session if self.session == "same" else session_of(rng)
        chain = Chain(key=scene.key, topic=scene.topic, session=session, prev=scene.prev)
        chain.seq = scene.seq if self.session == "same" else 0
        return Clone(chain, rng)


class Clone:
    """The copy as it runs."""

    def __init__(self, chain: Chain, rng: Chance) -> None:
        self._chain, self._rng = chain, rng
        self._made: deque[Entry] = deque()

    def act(self, scene: Scene) -> list[Publication]:
        """Publish what was made two beats ago: the machine took that number a beat ago."""
        entry = self._chain.seal(
            "telemetry",
            time=scene.time,
            readings=fabricated(scene.readings, self._rng),
            anchor=scene.anchor,
        )
        self._chain.advance(entry)
        self._made.append(entry)
        if len(self._made) <= BEHIND:
            return []
        return [Publication(scene.topic, self._made.popleft().payload)]
