"""The operator's word for what retention erases, and whether the anchor log has published it.

The two ends of an erasure that the collector itself cannot reach: it neither holds the
operator's key nor reads the log.
"""

import re
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from anchor.errors import AnchorError
from anchor.key_entry import erase, is_key_entry
from collector.retaining import Keeping
from collector.retention import Wanted
from factoryledger.data_dir import DataDir
from factoryledger.errors import WrongUsage
from factoryledger.installation import Installation
from telemetry.record import STATUSES

_DAY = 86_400_000_000
_MESSAGES = re.compile(r"([a-z0-9_-]{1,64}):([0-9]{1,18})-([0-9]{1,18})")


def keeping(place: Installation) -> Keeping:
    """Give what the settings say of retention."""
    settings = place.settings
    return Keeping(
        ages={status: int(days * _DAY) for status, days in settings.retention.items()},
        every=settings.retention_every,
        sign=lambda wanted: sign_erasure(place.data, wanted),
        published=PublishedEntries(place),
        holds=place.holds_collector,
    )


def sign_erasure(data: DataDir, wanted: Wanted) -> bytes:
    """Write a signed erasure into the requests folder; durable on return."""
    entry = erase(
        operator=data.operator,
        collector=wanted.collector,
        first=wanted.first,
        last=wanted.last,
        statuses=wanted.statuses,
        time=time.time_ns() // 1000,
    )
    data.requests.write(entry)
    return entry


def wanted_of(messages: str, statuses: Sequence[str]) -> Wanted:
    """Read `COLLECTOR:FIRST-LAST` and statuses; WrongUsage where they name nothing."""
    match = _MESSAGES.fullmatch(messages)
    if match is None or int(match[2]) > int(match[3]):
        raise WrongUsage(f"{messages!r}: write COLLECTOR:FIRST-LAST, positions as audit names them")
    strange = sorted(set(statuses) - set(STATUSES))
    if strange:
        raise WrongUsage(f"--status {strange[0]}: there are {', '.join(STATUSES)}")
    ordered = tuple(status for status in STATUSES if status in statuses)
    return Wanted(match[1], int(match[2]), int(match[3]), ordered)


@dataclass(slots=True)
class PublishedEntries:
    """Looks for key entries in the published log, from its end; remembers how far it looked."""

    place: Installation
    _size: int = 0
    _seen: set[bytes] = field(default_factory=set)
    _wanted: set[bytes] = field(default_factory=set)

    def __call__(self, hashes: Collection[bytes]) -> set[bytes]:
        """Give those that are published; none where the log cannot be read now."""
        if not self.place.has_log:
            return set()
        # What was not looked for before may stand anywhere.
        first = self._size if self._wanted >= set(hashes) else 0
        missing = set(hashes) - self._seen
        try:
            log = self.place.log_reader
            for index in reversed(range(first, log.view.size)):
                if not missing:
                    break
                entry = log.entry(index)
                if is_key_entry(entry) and (found := sha256(entry).digest()) in missing:
                    missing.discard(found)
                    self._seen.add(found)
            self._size, self._wanted = log.view.size, set(hashes)
        except AnchorError:
            # It is asked again in the next round; what is wrong with the log, audit says.
            return self._seen & set(hashes)
        return self._seen & set(hashes)
