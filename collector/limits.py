"""What a collector refuses, so that nobody can fill its disk: by size, by rate, by who vouches.

Pure. MQTT tells a subscriber no client id, so rates count by sender: the topic without its last
level, which for a machine of ours is the machine. A sender can spread over topics, unless the
broker's ACL forbids it; what no enrolled key has signed has a limit for all together.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from collector.arrived import Arrived

BURST: Final = 10.0  # seconds' worth that may come at once, after as long a silence
_SENDERS: Final = 100_000  # remembered, some 20 MB; who is forgotten may send a burst again
_PROVEN: Final = frozenset({"accepted", "revoked"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """None is no limit. Sizes in bytes, rates a second.

    `unproven` counts messages of all senders whose signature no enrolled key vouches for:
    foreign ones among them.
    """

    payload: int | None = 16 * 2**20
    properties: int | None = 64 * 2**10
    rate: float | None = None
    bytes: float | None = None
    unproven: float | None = None


@dataclass(slots=True)
class _Bucket:
    """Fills with time, up to a burst."""

    level: float
    at: float

    def takes(self, amount: float, rate: float, now: float) -> bool:
        # Full it takes anything once: else what is larger than a burst could never come.
        burst = rate * BURST
        self.level = min(burst, self.level + rate * max(0.0, now - self.at))
        self.at = now
        if self.level < min(amount, burst):
            return False
        self.level -= amount
        return True


@dataclass(slots=True)
class Gate:
    """Says of each message whether it is refused, and why: a cause, a colon, the particulars.

    `clock` is monotonic, in seconds.
    """

    limits: Limits
    clock: Callable[[], float]
    _rates: OrderedDict[str, _Bucket] = field(default_factory=OrderedDict)
    _bytes: OrderedDict[str, _Bucket] = field(default_factory=OrderedDict)
    _unproven: _Bucket | None = None

    def admits(self, arrivals: Sequence[Arrived]) -> bool:
        """Whether it lets in all of these, whatever their status: said at once, if it can be."""
        limits = self.limits
        if not (limits.rate is limits.bytes is limits.unproven is None):
            return False
        largest = max((len(one.payload) for one in arrivals), default=0)
        kept = [len(one.properties) for one in arrivals if one.properties is not None]
        return (limits.payload is None or largest <= limits.payload) and (
            limits.properties is None or max(kept, default=0) <= limits.properties
        )

    def refuses(self, arrived: Arrived) -> str | None:
        """Look at a message before it is judged; None lets it in."""
        limits = self.limits
        size = len(arrived.payload)
        if limits.payload is not None and size > limits.payload:
            return f"payload: {size} bytes, at most {limits.payload} are taken"
        if arrived.properties is not None and limits.properties is not None:
            length = len(arrived.properties)
            if length > limits.properties:
                return f"properties: {length} characters, at most {limits.properties} are taken"
        if limits.rate is None and limits.bytes is None:
            return None
        now = self.clock()
        sender = arrived.topic.rpartition("/")[0] or arrived.topic
        if limits.rate is not None and not _takes(self._rates, sender, 1, limits.rate, now):
            return f"rate: more than {limits.rate:g} messages/s from {sender}"
        if limits.bytes is not None and not _takes(self._bytes, sender, size, limits.bytes, now):
            return f"bytes: more than {limits.bytes:g} bytes/s from {sender}"
        return None

    def refuses_status(self, status: str) -> str | None:
        """Look at a message's status; None lets it in."""
        rate = self.limits.unproven
        if rate is None or status in _PROVEN:
            return None
        now = self.clock()
        if self._unproven is None:
            self._unproven = _Bucket(rate * BURST, now)
        if self._unproven.takes(1, rate, now):
            return None
        return f"unproven: more than {rate:g} messages/s that no enrolled key has signed"


def _takes(
    buckets: OrderedDict[str, _Bucket], sender: str, amount: float, rate: float, now: float
) -> bool:
    bucket = buckets.get(sender)
    if bucket is None:
        if len(buckets) >= _SENDERS:
            buckets.popitem(last=False)
        bucket = buckets[sender] = _Bucket(rate * BURST, now)
    else:
        buckets.move_to_end(sender)
    return bucket.takes(amount, rate, now)
