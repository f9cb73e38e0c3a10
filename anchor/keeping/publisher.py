"""From a committed head to a published checkpoint: sign, gather cosignatures, publish.

Nothing is signed before enough witnesses have said what they cosigned last. Without a
quorum nothing is published; it is said loudly and tried again, while entries go on.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

import structlog

from anchor.errors import AnchorError, Diverged, Refused
from anchor.keeping.witness_client import WitnessClient, gather
from anchor.keeping.writer import Writer
from anchor.note import Note
from anchor.policy import Policy
from telemetry.backoff import Backoff
from telemetry.errors import TelemetryError

Announce = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Clocks:
    """Time as arguments: `wall` in microseconds since the epoch, `steady` in seconds."""

    wall: Callable[[], int]
    steady: Callable[[], float]


@dataclass
class Publisher:
    """Publishes a writer's heads under a policy; `announce` tells others of each, if given.

    `timeout` bounds one round of witnesses and one announcement, in seconds. `failure` says
    why the last try failed, `witness_failures` counts those of each by its name.
    """

    writer: Writer
    policy: Policy
    clients: Sequence[WitnessClient]
    clocks: Clocks
    announce: Announce | None = None
    timeout: float = 10.0
    backoff: Backoff = field(default_factory=lambda: Backoff(first=0.5, limit=30.0))
    failure: str | None = None
    witness_failures: Counter[str] = field(default_factory=Counter)
    _announced: bytes | None = None
    _delays: Iterator[float] | None = None
    _not_before: float = 0.0
    _log: structlog.stdlib.BoundLogger = field(
        default_factory=lambda: structlog.get_logger("anchor")
    )

    @property
    def is_due(self) -> bool:
        """Whether something is to be published or announced."""
        return self.writer.is_due(self.policy) or self._unannounced() is not None

    @property
    def wait(self) -> float:
        """Seconds until the next try makes sense; 0 for now."""
        return max(0.0, self._not_before - self.clocks.steady())

    async def hear(self) -> None:
        """Ask the witnesses that were not heard yet what they cosigned last.

        Diverged if one of them is ahead of this log or differs from it; one that does not
        answer is reported.
        """
        unheard = [client for client in self.clients if not client.heard]
        if (shown := self.writer.published) is not None:
            for client in unheard:
                client.remember(Note.from_bytes(shown.note), shown.checkpoint.size)
        results = await asyncio.gather(
            *(asyncio.wait_for(client.compare(), self.timeout) for client in unheard),
            return_exceptions=True,
        )
        for client, result in zip(unheard, results, strict=True):
            if isinstance(result, Diverged):
                raise result
            if isinstance(result, (AnchorError, TimeoutError)):
                reason = str(result) or "it did not answer in time"
                self.witness_failures[client.name] += 1
                self._log.warning("witness-unheard", witness=client.name, reason=reason)
            elif result is not None:
                raise result

    async def advance(self) -> bool:
        """Publish and announce what is due; whether nothing is due any more.

        A failure is reported, kept in `failure`, and the next try waits. Diverged is raised.
        """
        if not self.is_due:
            return True
        if self.wait:
            return False
        self.failure = await self._publish() or await self._tell()
        if self.failure is None:
            self._delays = None
            self._not_before = 0.0
            return not self.is_due
        self._delays = self._delays or self.backoff.delays()
        delay = next(self._delays)
        self._not_before = self.clocks.steady() + delay
        self._log.error("checkpoint-not-published", reason=self.failure, again_in=round(delay, 1))
        return False

    async def _publish(self) -> str | None:
        """Sign and publish the head if that is due; else, or when it fails, why."""
        if not self.writer.is_due(self.policy):
            return None
        if not self.policy.met_by(client.name for client in self.clients if client.heard):
            await self.hear()
        heard = [client.name for client in self.clients if client.heard]
        if not self.policy.met_by(heard):
            return f"quorum {self.policy.quorum!r} cannot be met; witnesses that answer: {heard}"
        note = await asyncio.to_thread(self.writer.sign)
        gathered = await gather(self.clients, note, enough=self.policy.met_by, timeout=self.timeout)
        for name, reason in gathered.failures.items():
            self.witness_failures[name] += 1
            self._log.warning("witness-failed", witness=name, reason=reason)
        cosigned = Note.from_bytes(note).with_signatures(*gathered.signatures.values()).to_bytes()
        try:
            await asyncio.to_thread(self.writer.publish, cosigned, self.policy, self.clocks.wall())
        except Refused as error:
            return "; ".join([str(error), *gathered.failures.values()])
        self._log.info("checkpoint-published", size=self.writer.size, by=list(gathered.signatures))
        return None

    def _unannounced(self) -> bytes | None:
        published = self.writer.published
        if self.announce is None or published is None or published.note == self._announced:
            return None
        return published.note

    async def _tell(self) -> str | None:
        note = self._unannounced()
        if note is None or self.announce is None:
            return None
        try:
            await asyncio.wait_for(self.announce(note), self.timeout)
        except (TelemetryError, OSError, TimeoutError) as error:
            return f"the published checkpoint could not be announced: {error!r}"
        self._announced = note
        return None
