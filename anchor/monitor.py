"""Holds every head that anybody shows of one log to one history: the rule of a monitor.

What is remembered belongs to the pinned key, never to what a server says of itself
(CVE-2022-39199). A head counts once it is shown, by tiles that lead to a signed root, to be of
the same tree as all before; what cannot be shown yet is not taken. Nobody is believed.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Self

from anchor.errors import AnchorError, Malformed, Missing, Refused, Unreachable
from anchor.evidence_file import ForkedCheckpoints
from anchor.note import Note, VerifierKey
from anchor.policy_text import FormerLog, open_by_log
from anchor.proving.evidence import contradiction
from anchor.reading.log_reader import LogReader
from anchor.tree_head import Checkpoint

AlarmKind = Literal["split-view", "rolled-back", "head-false"]
_VERSION: Final = "factoryledger monitor v1"


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is wrong with what a place shows; `evidence` convicts the log's key anywhere."""

    kind: AlarmKind
    place: str
    detail: str
    evidence: ForkedCheckpoints | None = None


class Unproven(AnchorError):  # noqa: N818 - says what a head is
    """No place gave tiles that show whether a head is of the history known so far."""


@dataclass(slots=True)
class Heads:
    """The heads of one log: the largest one that continues all others, and each place's last."""

    trunk: bytes | None = None
    places: dict[str, bytes] = field(default_factory=dict)


@dataclass
class LogMonitor:
    """One log under one pinned key; `readers` are the places that serve its tiles.

    `former` are the keys that it was signed with before: its history is one all the same.
    """

    key: VerifierKey
    readers: Iterable[LogReader]
    heads: Heads = field(default_factory=Heads)
    former: Sequence[FormerLog] = ()

    def open(self, note: bytes) -> Checkpoint:
        """A head that the pinned key, or a former one, signed for its own origin."""
        return open_by_log(note, self.key, self.former)

    def see(self, place: str, note: bytes) -> Alarm | None:
        """Take what a place shows, or say what is wrong with it; then nothing is taken.

        Unproven where it cannot be compared now, Unreachable where only a server is away.
        """
        try:
            shown = self.open(note)
        except (Malformed, Refused) as error:
            return Alarm(
                "head-false", place, f"it shows what {self.key.name} did not sign: {error}"
            )
        trunk = self.heads.trunk
        if trunk is None:
            self.heads = Heads(note, {place: note})
            return None
        back = self._went_back(place, shown)
        try:
            evidence = self._contradiction(trunk, note)
        except (Unproven, Unreachable):
            # Who goes back may take the tiles along: that it did is plain without them.
            if back is None:
                raise
            return back
        if evidence is not None:
            known = self.open(trunk)
            detail = f"{_of(shown)} and {_of(known)} are both signed, and of two histories"
            # Where each is by another key, no key contradicts itself.
            shows = evidence if self._has_one_signer(trunk, note) else None
            return Alarm("split-view", place, detail, shows)
        if shown.size > self.open(trunk).size:
            self.heads.trunk = note
        if back is not None:
            return back
        self.heads.places[place] = note
        return None

    def _has_one_signer(self, *heads: bytes) -> bool:
        notes = [Note.from_bytes(head) for head in heads]
        keys = [self.key, *(each.key for each in self.former)]
        return any(all(note.line_of(key) for note in notes) for key in keys)

    def _went_back(self, place: str, shown: Checkpoint) -> Alarm | None:
        last = self.heads.places.get(place)
        before = None if last is None else self.open(last)
        if before is None or before.size <= shown.size:
            return None
        return Alarm(
            "rolled-back", place, f"it shows {_of(shown)}, and showed {_of(before)} before"
        )

    def _contradiction(self, one: bytes, other: bytes) -> ForkedCheckpoints | None:
        larger = max(self.open(one), self.open(other), key=lambda head: head.size)
        if self.open(one).size == self.open(other).size:
            return contradiction(one, other, None)
        failures, away = list[str](), False
        for reader in self.readers:
            try:
                return contradiction(one, other, reader.at(larger))
            except (Malformed, Missing, Refused, Unreachable) as error:
                failures.append(str(error))
                away = away or isinstance(error, Unreachable)
        reason = "; ".join(failures) or "no place of this log's tiles was given"
        message = f"{_of(larger)} cannot be compared with what was seen before: {reason}"
        raise Unreachable(message) if away else Unproven(message)


@dataclass(slots=True)
class MonitorState:
    """What a monitor keeps of all its logs, by the pinned vkey."""

    logs: dict[str, Heads] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The file that keeps it."""
        logs = {key: _written(heads) for key, heads in sorted(self.logs.items())}
        return json.dumps({"version": _VERSION, "logs": logs}, indent=1).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read the file, signatures unchecked; Malformed unless `to_bytes` wrote it."""
        try:
            logs = json.loads(data)["logs"]
            state = cls({key: _read(heads) for key, heads in logs.items()})
            same = state.to_bytes() == data
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Malformed("it does not say which heads were seen") from error
        if not same:
            raise Malformed("it does not say which heads were seen in the one way to say it")
        return state

    def of(self, key: VerifierKey, former: Sequence[FormerLog] = ()) -> Heads:
        """The heads of one pinned log; Malformed or Refused unless its keys signed them all.

        What was seen under the key before a rotation is held to under the new one.
        """
        known = [self.logs[str(each.key)] for each in former if str(each.key) in self.logs]
        last = known[-1] if known else Heads()
        heads = self.logs.setdefault(str(key), Heads(last.trunk, dict(last.places)))
        for note in filter(None, (heads.trunk, *heads.places.values())):
            open_by_log(note, key, former)
        return heads


def _written(heads: Heads) -> dict[str, object]:
    places = {place: note.decode() for place, note in sorted(heads.places.items())}
    return {"trunk": heads.trunk and heads.trunk.decode(), "places": places}


def _read(members: dict[str, object]) -> Heads:
    trunk, places = members["trunk"], members["places"]
    if not isinstance(places, dict) or not isinstance(trunk, str | None):
        raise TypeError
    return Heads(
        None if trunk is None else trunk.encode(), {p: n.encode() for p, n in places.items()}
    )


def _of(head: Checkpoint) -> str:
    return f"size {head.size} with root {head.root.hex()[:16]}…"
