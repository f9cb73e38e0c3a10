"""What a package proves of one machine, added up file by file. Pure."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple

from anchor.range_verified import Proved, VerifiedRange
from anchor.verified import Verified, between
from dossier.corrected import Corrections
from dossier.errors import Untrue
from dossier.metrics import Metrics
from dossier.runs import Joined, Numbers, Session
from telemetry.canonical import quote, time_text
from telemetry.message import Message

LISTED: Final = 100
"""Gaps, breaks, events and sessions of one machine that are listed; further ones are counted."""
STATES: Final = 30
"""Changes of state that are listed; all are counted, by name."""
_MOST_TEXT: Final = 160


class Value(NamedTuple):
    """A reading and the message that it is of."""

    message: Proved
    time: int
    metric: str
    value: float
    unit: str
    correction: str


class Machine:
    """One machine from `start` until before `stop`, in microseconds by its clock."""

    def __init__(self, device: str, start: int, stop: int, corrections: Corrections) -> None:
        self.device = device
        self._corrections = corrections
        self._span = (start, stop)
        self._messages = self._headers = self._readings = 0
        self._first: int | None = None
        self._last: int | None = None
        self._open_before = self._open_after = True
        self._not_before: int | None = None
        self._not_after: int | None = None
        self._files = 0
        self._metrics = Metrics(start, stop)
        self._sessions: dict[str, Session] = {}
        self._erased: dict[str, Numbers] = {}
        self._within: dict[str, Numbers] = {}
        self._beside: dict[tuple[str, int], None] = {}
        self._around: set[tuple[str, int]] = set()
        self._statuses: Counter[str] = Counter()
        self._broken: dict[tuple[str, int], None] = {}
        self._events: list[dict[str, Any]] = []
        self._events_more = 0
        self._states: list[dict[str, Any]] = []
        self._state_counts: Counter[str] = Counter()
        self._others: list[dict[str, Any]] = []
        self._other_places: set[tuple[str, int]] = set()
        self._keys: dict[str, None] = {}
        self._collectors: dict[str, None] = {}
        self._gateways: dict[str, None] = {}
        self._births: dict[str, dict[str, Any]] = {}

    def born(self, verified: Verified) -> None:
        """Take a session's birth from before the time: what its metrics are measured in."""
        assert verified.session is not None
        assert verified.content is not None
        self._births[verified.session] = verified.content

    def other(self, verified: Verified) -> None:
        """Take a message of the machine that was stored and does not count as its own word.

        Untrue where it is there twice, or was made at another time.
        """
        start, stop = self._span
        if verified.made is not None and not start <= verified.made < stop:
            raise Untrue(f"it was made at {time_text(verified.made)}, outside of the period")
        place = verified.collector, verified.position
        if place in self._other_places:
            raise Untrue("it is there twice")
        self._other_places.add(place)
        self._statuses[verified.status] += 1
        if len(self._others) < LISTED:
            made = "" if verified.made is None else time_text(verified.made)
            self._others.append(
                {"time": made, "status": verified.status, "session": verified.session,
                 "seq": verified.seq, "collector": verified.collector,
                 "position": verified.position}
            )  # fmt: skip

    def take(self, found: VerifiedRange) -> Iterator[Value]:
        """Take what one file proves, the next in time; gives its readings, in order."""
        if self._files == 0:
            self._open_before = not _made_before(found)
            self._not_before = found.not_before
        self._open_after = not _made_after(found)
        if self._files == 0:
            self._not_after = found.not_after
        elif self._not_after is not None and found.not_after is not None:
            self._not_after = max(self._not_after, found.not_after)
        else:
            self._not_after = None
        self._files += 1
        self._collectors.update(dict.fromkeys(found.collectors))
        for name, run in found.sessions.items():
            self._sessions.setdefault(name, Session(name)).take(run)
        self._broken.update(dict.fromkeys(found.broken))
        for one in found.messages:
            scans = None if one.message is None else one.message.scans
            self._corrections.meet(self.device, (one.collector, one.position), one.record, scans)
            if one.gateway is not None:
                self._gateways[one.gateway] = None
            if one.message is None:
                self._erased.setdefault(one.session, Numbers()).add(one.seq)
            else:
                yield from self._said(one, one.message, found.start, found.stop)

    def _said(self, one: Proved, said: Message, start: int, stop: int) -> Iterator[Value]:
        if said.kind == "birth" and said.content is not None:
            self._births[one.session] = said.content
        name, (begin, end) = (one.session, one.seq), self._span
        if start <= said.time < stop:
            self._counted(one, said)
            self._within.setdefault(one.session, Numbers()).add(one.seq)
        elif begin <= said.time < end:
            self._beside[name] = None  # the file of its own time is to have it, too
            return
        elif name in self._around:
            return
        else:
            self._around.add(name)
        births = self._births.get(one.session, {}).get("metrics", {})
        for scan in said.scans:
            if not begin <= scan.time < end:
                continue
            for metric, value in scan.readings.items():
                told = births.get(metric)
                unit = "" if told is None else told["unit"]
                limits = None if told is None else (told["low"], told["high"])
                self._metrics.take(scan.time, metric, value, unit, limits)
                self._readings += 1
                place = (one.collector, one.position, metric, scan.time)
                yield Value(one, scan.time, metric, value, unit, self._corrections.of(*place))

    def _counted(self, one: Proved, said: Message) -> None:
        self._messages += 1
        self._statuses["accepted"] += 1
        self._keys[said.key] = None
        self._first = said.time if self._first is None else min(self._first, said.time)
        self._last = said.time if self._last is None else max(self._last, said.time)
        self._headers += said.kind not in {"telemetry", "birth", "state", "event"}
        if said.kind not in {"event", "state", "birth"} or said.content is None:
            return
        told = {"time": time_text(said.time), "kind": said.kind, "says": _says(said),
                "session": one.session, "seq": one.seq}  # fmt: skip
        if said.kind == "state":
            self._state_counts[_cut(said.content["name"])] += 1
            if len(self._states) < STATES:
                self._states.append(told)
        elif len(self._events) < LISTED:
            self._events.append(told)
        else:
            self._events_more += 1

    def told(self) -> dict[str, Any]:
        """As the figures say it; Untrue where a message is not in the file of its time."""
        self._check_within()
        joined = [session.joined() for session in self._sessions.values()]
        missing = [(one.name, *gap) for one in joined for gap in one.missing]
        seams = {(one.name, seq): None for one in joined for seq in one.broken}
        broken = list(self._broken | seams)
        return {
            "device": self.device,
            "messages": self._messages,
            "erased": sum(map(len, self._erased.values())),
            "readings": self._readings,
            "statuses": dict(sorted(self._statuses.items())),
            "first": None if self._first is None else time_text(self._first),
            "last": None if self._last is None else time_text(self._last),
            "not_before": None if self._not_before is None else time_text(self._not_before),
            "not_after": None if self._not_after is None else time_text(self._not_after),
            "sessions": [[one.name, one.first.first, one.last.last] for one in joined[:LISTED]],
            "session_count": len(joined),
            "missing": [list(gap) for gap in missing[:LISTED]],
            "missing_gaps": len(missing),
            "missing_messages": sum(last - first + 1 for _, first, last in missing),
            "broken": [list(one) for one in broken[:LISTED]],
            "broken_count": len(broken),
            "not_shown": list(self._not_shown(joined)),
            "metrics": self._metrics.told(),
            "more_readings": self._metrics.more,
            "without_readings": self._headers,
            "events": self._events,
            "more_events": self._events_more,
            "states": self._states,
            "state_counts": dict(self._state_counts.most_common(LISTED)),
            "others": self._others,
            "keys": list(self._keys),
            "collectors": list(self._collectors),
            "gateways": list(self._gateways),
            "files": self._files,
        }

    def _check_within(self) -> None:
        """What stands in a file as a neighbour is counted by another: it has to be in that one."""
        within = {name: list(numbers.runs()) for name, numbers in self._within.items()}
        for session, seq in self._beside:
            runs = within.get(session, [])
            at = bisect_right(runs, seq, key=lambda run: run[0])
            if at == 0 or seq > runs[at - 1][1]:
                raise Untrue(f"message {seq} of session {session} is not in the file of its time")

    def _not_shown(self, joined: list[Joined]) -> Iterator[str]:
        """What of the time stays open, a sentence each."""
        if not self._files:
            yield "that it made nothing in this time: no message of it is in this package."
            return
        yield from map(between, self._gateways)
        if self._open_before:
            yield "that nothing was made in this time before the first message here."
        if self._open_after:
            yield "that nothing was made in this time after the last message here."
        for one, other in pairwise(joined):
            last = one.last.bodies.get(one.last.last)
            if other.first.erased or other.first.prev != last:
                yield f"that nothing lies between session {one.name} and {other.name}."
        if self._not_after is None:
            yield "by when its messages were there: no quorum of witnesses says so."
        if self._not_before is None:
            yield "after which time the first was signed: it cites no checkpoint with a quorum."


def _says(message: Message) -> str:
    """What an event, a state or a birth says, in a line; cut where it is long."""
    content = message.content or {}
    if message.kind == "birth":
        count = len(content["metrics"])
        return f"{content['kind']}, {count} {'metric' if count == 1 else 'metrics'}"
    rest = ", ".join(
        f"{name} {value if isinstance(value, int | float) else quote(value)}"
        for name, value in content.items()
        if name != "name" and isinstance(value, str | int | float)
    )
    text = f"{content['name']}: {rest}" if rest and message.kind == "event" else content["name"]
    return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}…"


def _made_before(found: VerifiedRange) -> bool:
    first = found.messages[0].message
    return first is not None and first.time < found.start


def _made_after(found: VerifiedRange) -> bool:
    last = found.messages[-1].message
    return last is not None and last.time >= found.stop
