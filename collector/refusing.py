"""What becomes of a message that is not stored in the log: counted by cause, and kept to look at.

Pure. What this release failed to judge is kept whole, as it may be evidence. Of what a limit
refused only samples are kept, cut short: a limit that filled the disk would be none.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final

from collector.batch import FAILED, Refused

SAMPLES: Final = 100  # of each cause, for a collector's whole life
SAMPLE_BYTES: Final = 4096  # of payload and of properties

_REFUSED: Final = "refused:"
_SAMPLED: Final = "sampled:"


def refusal_rows(
    collector: str, refused: Iterable[Refused], counters: Mapping[str, int]
) -> tuple[list[tuple[Any, ...]], dict[str, int]]:
    """Give rows for the table `refusals`, and the counters of causes as they are with them."""
    rows: list[tuple[Any, ...]] = []
    counts = Counter({name: counters.get(name, 0) for name in counters if _is_ours(name)})
    for one in refused:
        counts[_REFUSED + one.cause] += 1
        whole = one.cause == FAILED
        if whole or counts[_SAMPLED + one.cause] < SAMPLES:
            counts[_SAMPLED + one.cause] += 1
            rows.append(_row(collector, one, whole=whole))
    return rows, dict(counts)


def causes(counters: Mapping[str, int]) -> dict[str, int]:
    """Give how many were refused, by cause, from a collector's counters."""
    return {
        name.removeprefix(_REFUSED): value
        for name, value in sorted(counters.items())
        if name.startswith(_REFUSED) and value
    }


def _is_ours(name: str) -> bool:
    return name.startswith((_REFUSED, _SAMPLED))


def _row(collector: str, refused: Refused, *, whole: bool) -> tuple[Any, ...]:
    arrived = refused.arrived
    topic = arrived.topic.encode("utf-8", "surrogatepass")
    key = sha256(topic + b"\x00" + arrived.payload).digest()
    payload, properties = arrived.payload, arrived.properties
    if not whole:
        payload = payload[:SAMPLE_BYTES]
        properties = None if properties is None else properties[:SAMPLE_BYTES]
    # An exception may cite what no database takes as text.
    reason = refused.reason.encode("ascii", "backslashreplace").replace(b"\0", b"\\0").decode()
    return (collector, key, arrived.received, topic, payload, properties, reason)
