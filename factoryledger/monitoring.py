"""Asks every place of a log, and its witnesses, what they show; keeps heads; raises alarms.

Heads are written down before anything is said of them. Evidence is written before its alarm.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Protocol, TypeAlias

import structlog

from anchor.cosignature import check_cosignature
from anchor.errors import AnchorError, Malformed, Refused
from anchor.monitor import Alarm, LogMonitor, MonitorState
from anchor.note import Note, VerifierKey
from anchor.policy import FormerLog, Policy
from anchor.reading.http_source import HttpSource, Patience, open_source
from anchor.reading.log_reader import LogReader
from anchor.reading.log_source import FolderSource
from factoryledger.errors import WrongUsage
from factoryledger.files import write_whole
from factoryledger.running import say

_PATIENCE = Patience(silence=10.0, whole=30.0, tries=3)
_MAX_NOTE = 1 << 20
Source: TypeAlias = FolderSource | HttpSource
_log = structlog.get_logger("monitor")


class Place(Protocol):
    """Where a head is shown."""

    name: str
    source: Source

    def head(self) -> bytes:
        """What it shows now; an AnchorError says why there is nothing, or nothing good."""


@dataclass
class LogPlace:
    """A log's own address or folder, or a mirror's; with a policy, its heads must meet it."""

    name: str
    source: Source
    policy: Policy | None = None

    def head(self) -> bytes:
        """The published checkpoint."""
        note = self.source.read("checkpoint", _MAX_NOTE)
        if self.policy is not None:
            self.policy.open(note)
        return note


@dataclass
class WitnessPlace:
    """A witness, as tlog-witness lets everybody ask it; its key where the policy pins it."""

    name: str
    source: Source
    origin: str
    key: VerifierKey | None = None

    def head(self) -> bytes:
        """What it cosigned last."""
        path = f"{sha256(self.origin.encode()).hexdigest()}/checkpoint"
        note = self.source.read(path, _MAX_NOTE)
        if self.key is not None and check_cosignature(Note.from_bytes(note), self.key) is None:
            raise Refused(f"the witness shows a head that {self.key.name} did not cosign")
        return note


@dataclass
class Monitor:
    """One log's places, what was seen of it, and where evidence goes.

    `state` is what is kept of all logs, in `state_file`: several monitors share it. `alarms` and
    `unseen` are of the last round, `history` is of all: an alarm comes once there.
    """

    key: VerifierKey
    places: Sequence[Place]
    readers: Sequence[LogReader]
    state: MonitorState
    state_file: Path
    evidence: Path
    former: Sequence[FormerLog] = ()
    alarms: list[Alarm] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    history: list[Alarm] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    _told: set[tuple[str, str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        try:
            heads = self.state.of(self.key, self.former)
        except AnchorError as error:
            raise WrongUsage(f"{self.state_file} cannot be used: {error}") from error
        self._rule = LogMonitor(self.key, self.readers, heads, self.former)

    def round(self) -> None:
        """Ask everybody once."""
        self.alarms, self.unseen = [], []
        for place in self.places:
            try:
                alarm = self._ask(place)
            except AnchorError as error:
                self.unseen.append(place.name)
                self._tell("unseen", place.name, str(error))
                continue
            if alarm is not None:
                self._raise(alarm)
            else:
                self._told = {told for told in self._told if told[1] != place.name}

    def _ask(self, place: Place) -> Alarm | None:
        try:
            note = place.head()
        except (Malformed, Refused) as error:
            return Alarm("head-false", place.name, str(error))
        alarm = self._rule.see(place.name, note)
        # Also after an alarm: a rollback may have been seen beside growth elsewhere.
        self.state.logs[str(self.key)] = self._rule.heads
        write_whole(self.state_file, self.state.to_bytes(), 0o600)
        return alarm

    def _raise(self, alarm: Alarm) -> None:
        self.alarms.append(alarm)
        if alarm.evidence is not None:
            data = alarm.evidence.to_bytes()
            file = self.evidence / f"split-view-{sha256(data).hexdigest()[:16]}.evidence"
            if not file.exists():
                self.evidence.mkdir(parents=True, exist_ok=True)
                write_whole(file, data)
            if file not in self.files:
                self.files.append(file)
        if alarm not in self.history:
            self.history.append(alarm)
        self._tell(alarm.kind, alarm.place, alarm.detail)

    def _tell(self, kind: str, place: str, detail: str) -> None:
        told = kind, place, detail
        if told in self._told:
            return
        self._told.add(told)
        if kind == "split-view":
            files = [str(file) for file in self.files]
            _log.error("split-view", place=place, detail=detail, evidence=files)
        elif kind == "rolled-back":
            _log.error("rolled-back", place=place, detail=detail)
        elif kind == "head-false":
            _log.error("head-false", place=place, detail=detail)
        else:
            _log.warning("head-unseen", place=place, reason=detail)

    def close(self) -> None:
        """Close the connections."""
        for place in self.places:
            place.source.close()

    @property
    def size(self) -> int:
        """Entries under the largest head that continues all that were seen."""
        trunk = self._rule.heads.trunk
        return 0 if trunk is None else self._rule.open(trunk).size


def monitors_of(  # noqa: PLR0913 - what is monitored, each by name
    keys: Sequence[VerifierKey],
    urls: Sequence[str],
    *,
    witnesses: Sequence[str],
    policy: Policy | None,
    state_file: Path,
    evidence: Path,
) -> list[Monitor]:
    """One for each log, in the order of their keys; WrongUsage where a place is of none.

    `urls` are plain for one log; of several each says which, as ORIGIN=URL.
    """
    state = read_state(state_file)
    by_log = _by_log([key.name for key in keys], urls)
    found = list[Monitor]()
    for key in keys:
        places, readers = places_of(key, by_log[key.name], witnesses, policy)
        former = [each for each in (policy.former if policy else ()) if each.key.name == key.name]
        found.append(Monitor(key, places, readers, state, state_file, evidence, former))
    return found


def _by_log(origins: Sequence[str], urls: Sequence[str]) -> dict[str, list[str]]:
    """Which places are whose: never by what they show, but by what was asked."""
    found: dict[str, list[str]] = {origin: [] for origin in origins}
    if len(found) != len(origins):
        raise WrongUsage("two keys have one origin: a log that was rotated needs a policy")
    for given in urls:
        origin, is_named, url = given.partition("=")
        if is_named and origin in found:
            found[origin].append(url)
        elif len(origins) == 1:
            found[origins[0]].append(given)
        else:
            named = ", ".join(origins)
            raise WrongUsage(f"{given}: say of which log it is, as ORIGIN=URL (of {named})")
    missing = [origin for origin, places in found.items() if not places]
    if missing:
        raise WrongUsage(f"no address of {', '.join(missing)} is given: ORIGIN=URL")
    return found


def read_state(file: Path) -> MonitorState:
    """What a monitor kept; empty where there is nothing yet."""
    with suppress(FileNotFoundError):
        try:
            return MonitorState.from_bytes(file.read_bytes())
        except Malformed as error:
            raise WrongUsage(f"{file} cannot be used: {error}") from error
    return MonitorState()


def places_of(
    key: VerifierKey, urls: Sequence[str], witnesses: Sequence[str], policy: Policy | None
) -> tuple[list[Place], list[LogReader]]:
    """The places to ask: a log's addresses, witnesses, and those that the policy names."""
    places, readers = list[Place](), list[LogReader]()
    for url in urls:
        source = open_source(url, _PATIENCE)
        places.append(LogPlace(url, source, policy))
        readers.append(LogReader(source, key))
    for url, witness in _witnesses(witnesses, policy):
        places.append(WitnessPlace(url, open_source(url, _PATIENCE), key.name, witness))
    return places, readers


def _witnesses(
    given: Sequence[str], policy: Policy | None
) -> Iterator[tuple[str, VerifierKey | None]]:
    pinned = {
        witness.url: witness.key
        for witness in (policy.witnesses.values() if policy else ())
        if witness.url is not None
    }
    yield from pinned.items()
    yield from ((url, None) for url in given if url not in pinned)


def summary(monitor: Monitor) -> None:
    """What the last round found, for a person, on stderr."""
    for alarm in monitor.alarms:
        say(f"{alarm.kind}: {alarm.place}: {alarm.detail}")
    for file in monitor.files:
        say(f"evidence: {file} (factoryledger verify {file})")
