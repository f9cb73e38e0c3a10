"""What a running collector can say of itself, for whoever watches it.

Pure counting, in one thread, once for a batch and never for a message. `received` is counted
at the door and the rest where each message ends, as in `collector.counting`; all four are read
in one turn of the loop, so that their sum is a check at every moment.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from collector.counting import Door
from collector.stats import Standing
from telemetry.histogram import Histogram

# Powers of two around what batches are: 2,000 where there is much to do, few where not.
BATCH_SIZES: Final = (1, 4, 16, 64, 256, 512, 1024, 2048, 4096, 16384)
COMMIT_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
# An outbox that was cut off delivers hours later, and that is no fault.
DELAY_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600, 86400)


class Outcome(Protocol):
    """What became of one batch, once that is committed."""

    @property
    def stored(self) -> int:
        """Messages that are in the store now."""

    @property
    def duplicates(self) -> int:
        """Messages that were there already."""

    @property
    def own(self) -> int:
        """What the ledger wrote itself."""

    @property
    def refused(self) -> int:
        """Messages kept out of the log."""

    @property
    def causes(self) -> Mapping[str, int]:
        """Of those, how many for which cause."""

    @property
    def statuses(self) -> Mapping[str, int]:
        """Of those stored, how many have which status."""

    @property
    def made(self) -> Sequence[int]:
        """When the accepted messages were made, by their machines, in microseconds."""

    @property
    def commit_seconds(self) -> float:
        """How long the transaction took."""


@dataclass(frozen=True, slots=True)
class Balance:
    """received = stored + duplicates + refused + in flight; the ledger's `own` beside them."""

    received: int
    stored: int
    duplicates: int
    refused: int
    in_flight: int
    own: int


@dataclass(frozen=True, slots=True)
class Moment:
    """What stands at the moment of asking, and is counted nowhere.

    `door` counts what came, the ledger's own words too, and what of it waits for a batch;
    `unanswered` are publications without the broker's answer; `paused` says that reading has
    stopped because too much waits.
    """

    door: Door = field(default_factory=lambda: Door(0))
    waiting_bytes: int = 0
    paused: bool = False
    connected: bool = False
    unanswered: int = 0


@dataclass(slots=True)
class Account:
    """Counts since the process started; the service writes, anyone in its loop reads."""

    look: Callable[[], Moment] = Moment
    """Set by the service while it runs."""
    committing: int = 0
    """Messages of the batch that is being committed."""
    committing_since: float | None = None
    """When that began, by the monotonic clock."""
    stored: int = 0
    duplicates: int = 0
    refused: int = 0
    own: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    """Why messages were refused."""
    statuses: Counter[str] = field(default_factory=Counter)
    last_commit: int | None = None
    """When the last batch was committed, in microseconds since the epoch."""
    connections: int = 0
    sessions_lost: int = 0
    """Reconnects at which the broker had forgotten what it held for us."""
    receipts: int = 0
    standing: Standing | None = None
    """Gaps and forks in the store, once they are counted."""
    batch_sizes: Histogram = field(default_factory=lambda: Histogram(BATCH_SIZES))
    batch_seconds: Histogram = field(default_factory=lambda: Histogram(COMMIT_SECONDS))
    commit_seconds: Histogram = field(default_factory=lambda: Histogram(COMMIT_SECONDS))
    delays: Histogram = field(default_factory=lambda: Histogram(DELAY_SECONDS))
    """From a message's own time to its commit."""

    def begin(self, messages: int, at: float) -> None:
        """A batch goes to the disk; `at` by the monotonic clock."""
        self.committing, self.committing_since = messages, at

    def settle(self, outcome: Outcome, *, seconds: float, now: int) -> None:
        """It is committed, `seconds` after it began; `now` in microseconds since the epoch."""
        self.committing, self.committing_since = 0, None
        self.stored += outcome.stored
        self.duplicates += outcome.duplicates
        self.refused += outcome.refused
        self.own += outcome.own
        self.causes.update(outcome.causes)
        self.statuses.update(outcome.statuses)
        self.last_commit = now
        if outcome.stored:
            self.batch_sizes.observe(outcome.stored)
        self.batch_seconds.observe(seconds)
        self.commit_seconds.observe(outcome.commit_seconds)
        # A machine whose clock is ahead has not sent its message before making it.
        self.delays.observe_all(max(0, now - made) / 1e6 for made in outcome.made)

    def balance(self) -> Balance:
        """Give the terms of the sum as they are now."""
        door = self.look().door
        return Balance(
            received=door.received - self.own,
            stored=self.stored,
            duplicates=self.duplicates,
            refused=self.refused,
            in_flight=door.in_flight + self.committing,
            own=self.own,
        )

    def impediment(self, now: float, *, patience: float = 5.0) -> str | None:
        """Why it could not take and keep a message now, or None; `now` by the monotonic clock."""
        if not self.look().connected:
            return "not connected to the broker"
        if self.committing_since is not None and now - self.committing_since > patience:
            return f"the store has not taken a batch for {now - self.committing_since:.0f} s"
        return None
