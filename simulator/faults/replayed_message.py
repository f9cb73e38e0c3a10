"""Replayed message: somebody sends one of the machine's last messages again.

At a share of the beats: the same bytes to the same topic, one of the last 64, at random.

Pure.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from simulator.chance import Chance
from simulator.faults.fault import Publication, Scene, SecurityFault, Share


class ReplayedMessage(SecurityFault):
    """Old messages that come again."""

    fault: Literal["replayed-message"]
    share: Annotated[Share, Field(description="Of beats with a replay")] = 0.5

    def intruder(self, scene: Scene, rng: Chance) -> "Replayer":  # noqa: ARG002 - listens only
        """Who has listened."""
        return Replayer(self.share, rng)


@dataclass(frozen=True, slots=True)
class Replayer:
    """Somebody who sends again what was heard."""

    share: float
    rng: Chance

    def act(self, scene: Scene) -> list[Publication]:
        """One old message, or none; two draws either way."""
        now, which = self.rng.random() < self.share, self.rng.random()
        if not now or not scene.sent:
            return []
        entry = scene.sent[int(which * len(scene.sent))]
        return [Publication(scene.topic.with_kind(entry.kind), entry.payload)]
