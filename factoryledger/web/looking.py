"""Store and log as the web server looks at them each second: counts, the log's head, its keys.

Everything is read only. Entries of the log are read once each, checked against the checkpoint,
so a look costs what is new.
"""

import contextlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from anchor.correction import is_correction
from anchor.errors import AnchorError, Missing
from anchor.keeping.anchor_db import read_state
from anchor.key_entry import OperatorAuthority, is_key_entry
from anchor.note import Note
from anchor.policy import Cosigned
from anchor.reading.log_view import LogView
from anchor.tree_head import Checkpoint
from collector.errors import CollectorError
from factoryledger.counting import anchored, outside
from factoryledger.errors import NotThere, WrongUsage
from factoryledger.installation import Installation
from factoryledger.logged_keys import LoggedKey, LoggedKeys
from factoryledger.web.corrected import Board, LoggedCorrections
from telemetry.canonical import END_OF_TIME, b64, time_text
from telemetry.signature import key_id
from watch.web.ports import Away
from watch.web.stored import Cosignature, Device, Entry, Gap, Log, Outside, Pipeline, Quorum, Rates

_SHOWN: Final = 50
_US: Final = 1_000_000


@dataclass(slots=True)
class _Followed:
    """What was read of the log so far: its newest entries, the keys that it brings."""

    size: int
    root: bytes
    keys: LoggedKeys
    corrections: LoggedCorrections
    entries: "deque[Entry]"


class Pinned:
    """The policy's file, read again when it was changed: keys are rotated while this runs."""

    def __init__(self, place: Installation) -> None:
        self._place = place
        self._stamp = self._now()

    def changed(self) -> bool:
        """Whether it is another one now; then the installation has it anew."""
        stamp = self._now()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        self._place.__dict__.pop("policy", None)
        return True

    def _now(self) -> tuple[int, int] | None:
        file = self._place.settings.policy or self._place.data.policy_file
        try:
            found = file.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino


class Looks:
    """`watch.web.ports.Looking` over an installation."""

    def __init__(self, place: Installation, board: Board | None = None) -> None:
        self._place = place
        self._board = board or Board()
        self._pinned = Pinned(place)
        self._followed: _Followed | None = None

    def pipeline(self) -> Pipeline:
        """Count the store, and what of it is anchored."""
        with told_as_away():
            stats = self._place.ledger.stats(gaps=False)
            covered = anchored(self._place)
            return Pipeline(
                received=stats.received,
                stored=stats.stored,
                duplicates=stats.duplicates,
                refused=stats.refused,
                in_flight=stats.in_flight,
                anchored=covered,
                batches=stats.batches,
                statuses=dict(stats.statuses),
                conserved=stats.conserved,
                waiting_for_anchor=None if covered is None else max(0, stats.stored - covered),
                cosigned_size=None if self._followed is None else self._followed.size,
                rates=Rates(0.0),
            )

    def gaps(self) -> list[Gap]:
        """What the stores lack."""
        with told_as_away():
            found = (gap for one in self._place.ledger.stores for gap in one.stats().gaps)
            return [Gap(gap.device, gap.session, gap.first, gap.last) for gap in found]

    def log(self) -> Log | None:
        """The log at its newest checkpoint, followed from where it was looked at last."""
        with told_as_away():
            if self._pinned.changed():
                self._followed = None
            if not self._place.has_log:
                return None
            reader = self._place.log_reader
            note, view = reader.head
            policy = self._place.policy
            cosigned = policy.read(note)
            followed = self._follow(view)
            return Log(
                origin=cosigned.checkpoint.origin,
                size=view.size,
                root=b64(cosigned.checkpoint.root),
                published_at=self._published_at(cosigned),
                checkpoint=note.decode("utf-8", "replace"),
                cosignatures=_cosignatures(cosigned),
                quorum=Quorum(policy.quorum, policy.met_by(cosigned.times)),
                outside=self._outside(),
                entries=list(reversed(followed.entries)),
            )

    def devices(self) -> list[Device]:
        """Every key that the log brings, as far as it was followed."""
        if self._followed is None:
            return []
        return [_device(key) for key in self._followed.keys.found]

    def _follow(self, view: LogView) -> _Followed:
        known = self._followed
        if known is None or known.size > view.size or known.root != view.root(known.size):
            operator = self._place.policy.operator
            authority = None if operator is None else OperatorAuthority(operator)
            corrections = LoggedCorrections(operator)
            known = _Followed(0, b"", LoggedKeys(authority), corrections, deque(maxlen=_SHOWN))
        for index, entry in enumerate(view.entries(known.size), known.size):
            known.keys.read(entry, index)
            known.corrections.read(entry, index)
            if index >= view.size - _SHOWN:
                known.entries.append(_entry(entry, index))
        known.size, known.root = view.size, view.checkpoint.root
        self._followed, self._board.now = known, known.corrections
        return known

    def _published_at(self, cosigned: Cosigned) -> str | None:
        with contextlib.suppress(Missing):
            state = read_state(self._place.data.anchor_db)
            if state.published == cosigned.checkpoint.size and state.time is not None:
                return time_text(state.time)
        return _time(max(cosigned.times.values(), default=0))

    def _outside(self) -> list[Outside]:
        return [
            Outside(
                one.name,
                one.size,
                _time(one.newest or 0),
                "stamped" if one.stamped else "refused" if one.refused else "pending",
            )
            for one in outside(self._place)
        ]


@contextmanager
def told_as_away() -> Iterator[None]:
    """Say of whatever cannot be read now that it is away."""
    try:
        yield
    except (AnchorError, CollectorError, NotThere, WrongUsage, OSError) as error:
        raise Away(str(error)) from error


def _cosignatures(cosigned: Cosigned) -> list[Cosignature]:
    return [
        Cosignature(name, _time(at) or time_text(0)) for name, at in sorted(cosigned.times.items())
    ]


def _time(seconds: int) -> str | None:
    return time_text(seconds * _US) if 0 < seconds * _US < END_OF_TIME else None


def _entry(entry: bytes, index: int) -> Entry:
    text = entry.decode("utf-8", "replace")
    if is_key_entry(entry):
        return Entry(index, "key", text)
    if is_correction(entry):
        return Entry(index, "correction", text)
    try:
        checkpoint = Checkpoint.from_text(Note.from_bytes(entry).text)
    except AnchorError:
        return Entry(index, "checkpoint", text)
    collector = checkpoint.origin.rpartition("/")[2]
    return Entry(index, "checkpoint", text, collector, checkpoint.size)


def _device(key: LoggedKey) -> Device:
    ended = {None: "active", "rotate": "retired"}.get(key.ended_by, "revoked")
    return Device(
        device=key.name,
        kind=key.kind,
        key=key_id(key.public_key),
        since=time_text(key.since),
        until=None if key.until is None else time_text(key.until),
        state=ended,  # type: ignore[arg-type]  # one of these three
        entry=key.index,
        signed_by_gateway=key.gateway,
    )
