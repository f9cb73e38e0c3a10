"""Forged sender: somebody without the machine's key publishes in its name, one message a beat.

`key: own` signs well with a key that was never enrolled (`unknown-device`); `key: machine`
names the machine's key and signs with another (`bad-signature`). Session and number are
those that the machine takes next; readings are fabricated. Pure.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from simulator.chance import Chance
from simulator.faults.fabricated import fabricated
from simulator.faults.fault import Publication, Scene, SecurityFault
from telemetry.message import compose
from telemetry.signature import SigningKey, seal


class ForgedSender(SecurityFault):
    """A stranger in the machine's name."""

    fault: Literal["forged-sender"]
    key: Annotated[Literal["own", "machine"], Field(description="Whose key the message names")] = (
        "own"
    )

    def intruder(self, scene: Scene, rng: Chance) -> "Forger":  # noqa: ARG002 - knows no key
        """Who makes a key of their own."""
        seed = int(rng.random() * 2**48).to_bytes(32, "big")
        return Forger(self.key == "machine", SigningKey.from_seed(seed), rng)


@dataclass(frozen=True, slots=True)
class Forger:
    """Somebody with another key."""

    pretends: bool
    own: SigningKey
    rng: Chance

    def act(self, scene: Scene) -> list[Publication]:
        """One message."""
        body = compose(
            kind="telemetry",
            device=scene.topic.machine,
            session=scene.session,
            seq=scene.seq,
            prev=scene.prev,
            anchor=scene.anchor,
            time=scene.time,
            key=(scene.key if self.pretends else self.own).key_id,
            readings=fabricated(scene.readings, self.rng),
        )
        return [Publication(scene.topic, seal(self.own, scene.topic, body))]
