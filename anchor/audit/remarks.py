"""What an audit says beside its findings: how far ledgers reach, whose clock is off. Pure."""

from dataclasses import dataclass
from typing import Any, Literal

from telemetry.canonical import time_text

_SECOND = 1_000_000

Side = Literal["ahead", "behind"]


@dataclass(slots=True)
class WrongClock:
    """A machine's clock, `ahead` of or `behind` what is bounded, by at least so many seconds.

    `collector` and `position` are of the message that is farthest outside; `made` is its time
    by the machine, `bound` the one that it passes (both microseconds).
    """

    device: str
    key: str
    side: Side
    seconds: float
    collector: str
    position: int
    made: int
    bound: int

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "device": self.device,
            "key": self.key,
            "side": self.side,
            "seconds": round(self.seconds, 3),
            "collector": self.collector,
            "position": self.position,
            "time": time_text(self.made),
            "bound": time_text(self.bound),
        }

    def line(self) -> str:
        """The same for people."""
        shown = "was there already by" if self.side == "ahead" else "was signed not before"
        return (
            f"clock of {self.device} is {self.side} by {self.seconds:.0f} s or more: message "
            f"{self.collector}:{self.position} says {time_text(self.made)}, and {shown} "
            f"{time_text(self.bound)}"
        )


@dataclass(slots=True)
class Reach:
    """How far one ledger stamped the log.

    `size` entries are under its latest stamp, whose time is `newest` (POSIX seconds); `lacking`
    receipts hold as far as they can be checked here and show no time.
    """

    ledger: str
    receipts: int = 0
    lacking: int = 0
    size: int = 0
    newest: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        newest = None if self.newest is None else time_text(self.newest * _SECOND)
        return {
            "ledger": self.ledger,
            "receipts": self.receipts,
            "lacking": self.lacking,
            "stamped_size": self.size,
            "newest_stamp": newest,
        }

    def line(self, size: int) -> str:
        """The same for people; the log has `size` entries."""
        lacks = f", {self.lacking} of them lack something to count here" if self.lacking else ""
        if self.newest is None:
            return f"ledger {self.ledger}: {self.receipts} receipts{lacks}, no time shown"
        by = time_text(self.newest * _SECOND)
        return (
            f"ledger {self.ledger}: {self.receipts} receipts hold{lacks}; {self.size} of {size} "
            f"entries stamped, the newest by {by}"
        )
