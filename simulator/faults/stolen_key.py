"""Stolen key: a foreign client signs with the machine's key, one message a beat.

It knows nothing of the machine's messages: a session of its own from number 0, its first
message without predecessor, fabricated readings. To a collector they are `accepted`: until
the key is revoked nothing but the broken chain tells them from the machine's. Pure.
"""

from typing import Literal

from simulator.chain import Chain
from simulator.chance import Chance
from simulator.faults.fabricated import fabricated, session_of
from simulator.faults.fault import Publication, Scene, SecurityFault


class StolenKey(SecurityFault):
    """A stranger with the machine's key."""

    fault: Literal["stolen-key"]

    def intruder(self, scene: Scene, rng: Chance) -> "Thief":
        """Who has the key, and no more."""
        chain = Chain(key=scene.key, topic=scene.topic, session=session_of(rng), prev=None)
        return Thief(chain, rng)


class Thief:
    """Somebody who signs as the machine."""

    def __init__(self, chain: Chain, rng: Chance) -> None:
        self._chain, self._rng = chain, rng

    def act(self, scene: Scene) -> list[Publication]:
        """One message."""
        entry = self._chain.seal(
            "telemetry", time=scene.time, readings=fabricated(scene.readings, self._rng)
        )
        self._chain.advance(entry)
        return [Publication(scene.topic, entry.payload)]
