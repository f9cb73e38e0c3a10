"""The floor as the API says it. Pure."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET

from telemetry.canonical import END_OF_TIME, time_text
from watch.floor.alarms import Alarm
from watch.floor.floor import Floor
from watch.floor.heard import Range
from watch.floor.machine import Machine, Scan
from watch.web import answers, stored

_US = 1_000_000
_RECENT = 30


def alarm(one: Alarm) -> answers.Alarm:
    """Write an alarm."""
    until = None if one.until is None else time_text(one.until)
    return answers.Alarm(one.device, one.kind, time_text(one.since), until, one.detail)


def alarms(floor: Floor, gaps: Sequence[stored.Gap]) -> answers.Alarms:
    """Write all alarms: those that last, then those that ended, the newest first."""
    found = [*reversed(floor.lasting), *reversed(floor.ended)]
    return answers.Alarms([alarm(one) for one in found], list(gaps))


def machines(
    found: Iterable[Machine], now: int, not_shown: int = 0, since: int | None = None
) -> answers.Machines:
    """Write machines, or what changed of them `since` a version; `now` in microseconds."""
    return answers.Machines([machine(one, now, since) for one in found], not_shown)


def machine(one: Machine, now: int, since: int | None = None) -> answers.Machine:
    """Write a machine; its lead with recent values, or `since` a version what came after it."""
    topic = one.topic
    return answers.Machine(
        device=one.device,
        topic=one.root.removesuffix("/"),
        enterprise=topic.enterprise,
        site=topic.site,
        area=topic.area,
        line=topic.line,
        state=one.state,
        state_number=one.state_number,
        since=_text(one.since),
        time=_text(one.time),
        session=one.session,
        seq=one.seq,
        signature=one.signature,
        alarms=[alarm(each) for each in one.board.lasting],
        age=None if one.heard is None else max(0, now - one.heard) / _US,
        lead=_lead(one, _RECENT) if since is None else _lead(one) if one.read > since else UNSET,
    )


def _lead(one: Machine, recent: int = 0) -> answers.Lead | None:
    name = one.lead
    if name is None:
        return None
    known, values = one.metrics.get(name, Range()), one.latest(name, recent or 1)
    return answers.Lead(
        name,
        known.unit,
        known.low,
        known.high,
        values[-1] if values else None,
        values if recent else UNSET,
    )


def whole(one: Machine, now: int) -> answers.MachineWhole:
    """Write a machine with its metrics and what is kept of its readings."""
    recent = dict[str, list[answers.Point]]()
    for scan in sorted(one.scans, key=lambda scan: scan.time):
        for name, value in zip(scan.names, scan.values, strict=True):
            recent.setdefault(name, []).append((scan.time, value, scan.session, scan.seq))
    names = dict.fromkeys([*one.metrics, *recent])
    metrics = [_metric(one, name, recent.get(name, [])) for name in names]
    known = msgspec.structs.asdict(machine(one, now))
    return answers.MachineWhole(**known, metrics=metrics, key=one.key, recent=recent)


def points(device: str, scans: Iterable[Scan]) -> answers.Points:
    """Write scans."""
    said = [(s.time, s.readings, s.session, s.seq, s.heard) for s in scans]
    return answers.Points(device, said)


def _metric(one: Machine, name: str, found: Sequence[answers.Point]) -> answers.Metric:
    known = one.metrics.get(name)
    unit, low, high = ("", None, None) if known is None else (known.unit, known.low, known.high)
    time, value = (found[-1][0], found[-1][1]) if found else (None, None)
    return answers.Metric(name, unit, low, high, value, _text(time))


def _text(time: int | None) -> str | None:
    return None if time is None or not 0 <= time < END_OF_TIME else time_text(time)
