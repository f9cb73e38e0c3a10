"""Keep-alive: when to send PINGREQ, and when a silent broker counts as gone. Pure.

MQTT 5 section 3.1.2.10 asks only that we speak; we also want to be spoken to, since a dead
broker can swallow what we send for many minutes before TCP says so.
"""

from dataclasses import dataclass
from typing import Final, Literal

_PATIENCE: Final = 10.0  # seconds for an answer: a broker that lives answers at once
_QUIET: Final = 0.75  # of the interval: early enough for a late timer
_SOONEST: Final = 0.01

Verdict = Literal["fine", "ping", "gone"]


@dataclass(slots=True)
class KeepAlive:
    """Times, in seconds of one monotonic clock, of what was heard and said last."""

    interval: float
    heard: float
    said: float
    pinged: float | None = None

    @property
    def patience(self) -> float:
        """Seconds that an answer to PINGREQ may take."""
        return min(self.interval, _PATIENCE)

    def judge(self, now: float) -> Verdict:
        """Say what is due; after `ping` the caller sends PINGREQ."""
        if not self.interval:
            return "fine"
        if self.pinged is not None:
            # Any packet is an answer: PINGRESP may stand behind a long queue of others.
            if self.heard >= self.pinged:
                self.pinged = None
            elif now - self.pinged >= self.patience:
                return "gone"
        if self.pinged is None and now >= self._quiet_from:
            self.pinged = now
            return "ping"
        return "fine"

    def next(self, now: float) -> float | None:
        """Give the seconds until `judge` is worth another call; None if it never is."""
        if not self.interval:
            return None
        due = self._quiet_from if self.pinged is None else self.pinged + self.patience
        return max(_SOONEST, due - now)

    @property
    def _quiet_from(self) -> float:
        return min(self.heard, self.said) + self.interval * _QUIET
