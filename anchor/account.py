"""What a running anchor, or a witness, can say of itself, for whoever watches it. Pure counting."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from telemetry.histogram import Histogram

ANCHORED_SECONDS: Final = (0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 3600, 86400)


@dataclass(slots=True)
class LedgerAccount:
    """What one outside ledger did since the process started, and where it stands.

    `pending` checkpoints are on their way; `newest` is the latest stamp's time (POSIX
    seconds), `failure` why the last try failed, None once one went well.
    """

    submitted: int = 0
    stamped: int = 0
    refused: int = 0
    failures: int = 0
    pending: int = 0
    newest: int | None = None
    failure: str | None = None


@dataclass(slots=True)
class AnchorAccount:
    """Counts since the process started, and where the log stands.

    `size` are entries committed, `published` those under the published checkpoint; `failure`
    says why the newest head is not published, `trouble` what interrupts the appending.
    """

    started: bool = False
    size: int = 0
    published: int = 0
    appended: int = 0
    checkpoints: int = 0
    failures: int = 0
    interruptions: int = 0
    refused: int = 0
    last_published: int | None = None
    """In microseconds since the epoch."""
    failure: str | None = None
    trouble: str | None = None
    witness_failures: Counter[str] = field(default_factory=Counter)
    delays: Histogram = field(default_factory=lambda: Histogram(ANCHORED_SECONDS))
    """From a batch's last arrival to the published checkpoint that covers it."""
    ledgers: dict[str, LedgerAccount] = field(default_factory=dict)
    """By name. None of them is an impediment: the log goes on without."""

    def impediment(self) -> str | None:
        """Why what is committed now would not be anchored, or None."""
        if not self.started:
            return "not started yet"
        return self.trouble or self.failure


@dataclass(slots=True)
class WitnessAccount:
    """Answers of a witness to requests for a cosignature, by HTTP status; 200 is a cosignature."""

    listening: bool = False
    answers: Counter[int] = field(default_factory=Counter)

    def impediment(self) -> str | None:
        """Why it could not cosign now, or None."""
        return None if self.listening else "not listening yet"
