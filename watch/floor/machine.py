"""One machine as its messages tell it: state, ranges, latest readings, a ring of scans. Pure."""

from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from telemetry.topic import MachineTopic
from watch.floor.alarms import Alarm, Board, Kind
from watch.floor.gaps import Missing
from watch.floor.heard import Heard, Range, Standing
from watch.floor.standing import counts, why_not

OFFLINE: Final = "Offline"
_SIGNED: Final = frozenset({"verified", "signed"})
_ABORTED: Final = frozenset({"Aborting", "Aborted"})
_US: Final = 1_000_000
_NEVER_SILENT: Final = 10 * _US
_SILENT_AFTER: Final = 5
"""Pauses of the usual length."""
_FALSE_FOR: Final = 10 * _US
"""So long after the last one, messages that are not its own are no alarm any more."""


@dataclass(frozen=True, slots=True)
class Scan:
    """Readings of one moment: `time` by the machine's clock, `heard` by ours (microseconds)."""

    time: int
    names: tuple[str, ...]
    values: "array[float]"
    session: str
    seq: int | None
    heard: int

    @property
    def readings(self) -> dict[str, float]:
        """Values by metric."""
        return dict(zip(self.names, self.values, strict=True))


@dataclass(slots=True)
class Machine:
    """A machine; `heard` is when we last heard it live, None where only retained words came."""

    topic: MachineTopic
    root: str
    version: int = 0
    time: int | None = None
    session: str = ""
    seq: int | None = None
    signature: Standing | None = None
    key: str | None = None
    heard: int | None = None
    read: int = 0
    """The floor's version when readings came last."""
    metrics: dict[str, Range] = field(default_factory=dict)
    scans: deque[Scan] = field(default_factory=deque)
    _missing: Missing = field(default_factory=Missing)
    _pause: int = 0
    _signs: bool = False
    _state: tuple[str, int | None] | None = None
    _since: int | None = None
    _false: int = 0
    _at: int | None = None
    _names: tuple[str, ...] = ()
    _outside: frozenset[str] = frozenset()
    board: Board = field(init=False)

    def __post_init__(self) -> None:
        self.board = Board(self.topic.machine)

    @property
    def device(self) -> str:
        """Its name."""
        return self.topic.machine

    @property
    def state(self) -> str | None:
        """What it said last of itself; Offline while its connection is ended."""
        if self.board.lasts("offline") is not None:
            return OFFLINE
        return None if self._state is None else self._state[0]

    @property
    def state_number(self) -> int | None:
        """The state's number in PackTags, where it is one of its own."""
        return None if self._state is None or self.state == OFFLINE else self._state[1]

    @property
    def since(self) -> int | None:
        """From when on it is in that state, in microseconds."""
        gone = self.board.lasts("offline")
        return self._since if gone is None else gone.since

    @property
    def lead(self) -> str | None:
        """The metric that stands for it: the first that its birth names, or that it sent."""
        if not self.scans:
            return next(iter(self.metrics), None)
        names = self.scans[-1].names
        return next((name for name in self.metrics if name in names), next(iter(names), None))

    def latest(self, metric: str, many: int) -> list[float]:
        """Its newest values of a metric, by the order in which they came, the oldest first."""
        found = list[float]()
        for scan in reversed(self.scans):
            if len(found) == many:
                break
            if metric in scan.names:
                found.append(scan.values[scan.names.index(metric)])
        return found[::-1]

    def hear(
        self, kind: str, heard: Heard, now: int, *, retained: bool, ring: int
    ) -> tuple[list[Alarm], Sequence[Scan]]:
        """Take a message; gives the alarms that began or ended, and the scans that came."""
        if kind == "death":
            return self._ends(heard, now, retained=retained), ()
        if not counts(heard.standing, signs=self._signs):
            return self._disbelieved(kind, heard, now), ()
        changed = [] if retained else [*self._alive(now), *self.board.end("offline", now)]
        self.signature = heard.standing
        self._signs = self._signs or heard.standing in _SIGNED
        if heard.faulty:
            what = f"a {kind} message that is not what a machine says"
            return [*changed, *self.board.begin("faulty", what, now)], ()
        changed += self._believed(now)
        if heard.seq is not None and not retained:
            changed += self._numbered(heard.session, heard.seq, now)
        newest = self._newest(heard, now)
        if heard.metrics is not None and newest:
            self.metrics = heard.metrics
        if heard.state is not None and newest:
            changed += self._enters(heard, now)
        if heard.event is not None and not retained:
            changed += self.board.moment("event", heard.event, now)
        scans = [self._scan(at, readings, heard, now) for at, readings in heard.scans]
        if scans:
            self._keep(scans, ring)
            changed += self._ranged(scans[-1], now)
        return changed, scans

    def tick(self, now: int) -> list[Alarm]:
        """Notice that it says nothing; called now and then."""
        if self.heard is None or self.state == OFFLINE:
            return []
        limit = max(_NEVER_SILENT, _SILENT_AFTER * self._pause)
        if now - self.heard <= limit:
            return []
        return self.board.begin("silent", f"nothing heard for {limit // _US} s", now)

    def unheard(self) -> None:
        """Take note that we did not listen for a while."""
        self._missing.forget()
        self.heard = None

    def _alive(self, now: int) -> list[Alarm]:
        if self.heard is not None:
            pause = now - self.heard
            self._pause = pause if not self._pause else (7 * self._pause + pause) // 8
        self.heard = now
        return self.board.end("silent", now)

    def _ends(self, heard: Heard, now: int, *, retained: bool) -> list[Alarm]:
        """Take a death: a device's own word at its end takes a number; a will is nobody's."""
        changed = self._alive(now) if not retained else []
        if counts(heard.standing, signs=True) and heard.seq is not None:
            changed += self._numbered(heard.session, heard.seq, now)
        return [*changed, *self.board.begin("offline", "its connection ended", now)]

    def _newest(self, heard: Heard, now: int) -> bool:
        """Whether the message is newer than what is known; then it is what is known.

        A clock that is ahead counts as ours: else its last word would stay for ever.
        """
        if heard.time is None:
            return False
        at = min(heard.time, now)
        if self._at is not None and at < self._at:
            return False
        self._at = at
        self.time, self.session, self.seq = heard.time, heard.session, heard.seq
        self.key = heard.key
        return True

    def _disbelieved(self, kind: str, heard: Heard, now: int) -> list[Alarm]:
        """Say of a message that it is not the machine's own; nothing of it is shown."""
        if heard.standing == "unchecked":
            self.unheard()
            return []
        self._false = now
        if heard.faulty:
            what = f"a {kind} message that is not what a machine says"
            return self.board.begin("faulty", what, now)
        alarm: Kind = "unsigned" if heard.standing == "unsigned" else "forged"
        return self.board.begin(alarm, why_not(kind, heard.standing), now)

    def _believed(self, now: int) -> list[Alarm]:
        if now - self._false < _FALSE_FOR:
            return []
        kinds: tuple[Kind, ...] = ("faulty", "unsigned", "forged")
        return [alarm for kind in kinds for alarm in self.board.end(kind, now)]

    def _numbered(self, session: str, seq: int, now: int) -> list[Alarm]:
        self._missing.hear(session, seq)
        if not self._missing.ranges:
            return self.board.end("gap", now)
        spans = (str(a) if a == b else f"{a} to {b}" for a, b in self._missing.ranges)
        return self.board.begin("gap", f"not heard: messages {', '.join(spans)}", now)

    def _enters(self, heard: Heard, now: int) -> list[Alarm]:
        assert heard.state is not None
        if heard.state != self._state:
            self._state, self._since = heard.state, heard.time
        name = heard.state[0]
        if name in _ABORTED:
            return self.board.begin("aborted", f"it is {name}", now)
        return self.board.end("aborted", now)

    def _scan(self, at: int, readings: dict[str, float], heard: Heard, now: int) -> Scan:
        names = tuple(readings)
        if names == self._names:
            names = self._names  # one tuple for all scans
        else:
            self._names = names
        session = self.session if heard.session == self.session else heard.session
        return Scan(at, names, array("d", readings.values()), session, heard.seq, now)

    def _keep(self, scans: Sequence[Scan], ring: int) -> None:
        self.scans.extend(scans)
        while len(self.scans) > ring:
            self.scans.popleft()

    def _ranged(self, scan: Scan, now: int) -> list[Alarm]:
        outside = dict[str, str]()
        for name, value in zip(scan.names, scan.values, strict=True):
            known = self.metrics.get(name)
            if known is None:
                continue
            if known.low is not None and value < known.low:
                outside[name] = f"{name} is {value:g}, below {known.low:g} {known.unit}".rstrip()
            elif known.high is not None and value > known.high:
                outside[name] = f"{name} is {value:g}, above {known.high:g} {known.unit}".rstrip()
        if not outside and not self._outside:
            return []
        ended = [a for n in self._outside - outside.keys() for a in self._within(n, now)]
        self._outside = frozenset(outside)
        begun = (self.board.begin("out-of-range", d, now, place=n) for n, d in outside.items())
        return [*ended, *(alarm for one in begun for alarm in one)]

    def _within(self, name: str, now: int) -> Iterator[Alarm]:
        yield from self.board.end("out-of-range", now, place=name)
