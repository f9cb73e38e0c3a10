"""What the gateway asks of others: where messages come from, and whose keys it holds."""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from gateway.heard import Heard
from telemetry.signature import SigningKey


class Listening(Protocol):
    """A source: it hears machines, and tells it that what they said is safe."""

    async def start(
        self, hear: Callable[[Sequence[Heard]], None], forget: Callable[[], None]
    ) -> None:
        """Connect, and hear from then on; SourceUnavailable where nobody answers.

        `forget` is called where a session begins anew: its numbers are no former one's.
        """

    async def run(self) -> None:
        """Keep the connection up; ends only by what no waiting would heal."""

    def settle(self, heard: Sequence[Heard]) -> None:
        """Acknowledge: these are signed and durable, or need not be."""

    async def close(self) -> None:
        """Go; what is not acknowledged stays with the source."""

    @property
    def losses(self) -> int:
        """Connections that were lost."""


class Keys(Protocol):
    """Whose keys the gateway holds."""

    def key(self, device: str) -> tuple[SigningKey, Collection[str]] | None:
        """A device's key, and the ids of those of its that have ended; None where it has none."""
