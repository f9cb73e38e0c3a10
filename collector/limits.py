"""What a collector refuses, so that nobody can fill its disk: by size, by rate, by who vouches.

Pure. MQTT tells a subscriber no client id, so rates count by sender: the topic without its last
level, which for a machine of ours is the machine. A sender can spread over topics, unless the
broker's ACL forbids it; what no enrolled key has signed has limits for all together. All but
who vouches is asked before a signature is checked, which costs more than all else.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from collector.arrived import Arrived
from telemetry.judgement import is_signed
from telemetry.topic import is_own

BURST: Final = 10.0  # seconds' worth that may come at once, after as long a silence
_SENDERS: Final = 100_000  # remembered, some 20 MB; who is forgotten may send a burst again
_PROVEN: Final = frozenset({"accepted", "revoked"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """None is no limit. Sizes in bytes, rates a second.

    `unproven` counts messages of all senders whose signature no enrolled key vouches for:
    foreign ones among them, but of devices that nobody has enrolled only while `unknown` gives
    them no limit of their own. `checks` counts signed messages of all senders of whom no
    signature was found good yet, before it is checked.
    """

    payload: int | None = 16 * 2**20
    properties: int | None = 64 * 2**10
    rate: float | None = None
    bytes: float | None = None
    unproven: float | None = None
    unknown: float | None = None
    checks: float | None = None


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
    _together: dict[str, _Bucket] = field(default_factory=dict)
    # Written where a batch is committed, read where messages arrive: one step each.
    _proven: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def bars(self, arrivals: Sequence[Arrived]) -> Sequence[str | None]:
        """Look at messages before they are judged; empty where all may come in.

        The ledger's own words pass, and what MQTT brings once more: it has been here before.
        """
        if self._admits(arrivals):
            return ()
        reasons = [
            None if one.again or is_own(one.topic) else self.refuses(one) for one in arrivals
        ]
        return reasons if any(reasons) else ()

    @property
    def weighs(self) -> bool:
        """Whether it matters what a message is judged to be."""
        limits = self.limits
        return not (limits.unproven is limits.unknown is limits.checks is None)

    def _admits(self, arrivals: Sequence[Arrived]) -> bool:
        """Whether it lets in all of these: said at once, if it can be."""
        limits = self.limits
        if not (limits.rate is limits.bytes is limits.checks is None):
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
        if limits.rate is None and limits.bytes is None and limits.checks is None:
            return None
        return self._paces(arrived, size, self.clock())

    def _paces(self, arrived: Arrived, size: int, now: float) -> str | None:
        limits = self.limits
        sender = _sender(arrived.topic)
        if limits.rate is not None and not _takes(self._rates, sender, 1, limits.rate, now):
            return f"rate: more than {limits.rate:g} messages/s from {sender}"
        if limits.bytes is not None and not _takes(self._bytes, sender, size, limits.bytes, now):
            return f"bytes: more than {limits.bytes:g} bytes/s from {sender}"
        if (
            limits.checks is not None
            and sender not in self._proven
            and is_signed(arrived.payload, arrived.properties)
            and not self._takes_together("checks", limits.checks, now)
        ):
            return f"checks: more than {limits.checks:g}/s of senders that no signature has proven"
        return None

    def refuses_status(self, status: str, topic: str) -> str | None:
        """Look at what a message was judged to be; None lets it in."""
        limits = self.limits
        if status in _PROVEN:
            if limits.checks is not None:
                self._prove(_sender(topic))
            return None
        if status == "unknown-device" and limits.unknown is not None:
            if self._takes_together("unknown", limits.unknown, self.clock()):
                return None
            return f"unknown: more than {limits.unknown:g} messages/s of devices not enrolled"
        rate = limits.unproven
        if rate is None or self._takes_together("unproven", rate, self.clock()):
            return None
        return f"unproven: more than {rate:g} messages/s that no enrolled key has signed"

    def _takes_together(self, cause: str, rate: float, now: float) -> bool:
        if cause not in self._together:
            self._together[cause] = _Bucket(rate * BURST, now)
        return self._together[cause].takes(1, rate, now)

    def _prove(self, sender: str) -> None:
        if sender not in self._proven and len(self._proven) >= _SENDERS:
            self._proven.popitem(last=False)
        self._proven[sender] = None
        self._proven.move_to_end(sender)


def _sender(topic: str) -> str:
    return topic.rpartition("/")[0] or topic


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
