"""What is out of order at a machine, from when to when, as live messages tell it. Pure."""

from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal[
    "offline",
    "silent",
    "aborted",
    "out-of-range",
    "gap",
    "unsigned",
    "forged",
    "faulty",
    "elsewhere",
    "event",
]


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm; `until` is None while it lasts. Times are ours, in microseconds."""

    device: str
    kind: Kind
    detail: str
    since: int
    until: int | None = None


class Board:
    """The alarms of one machine: at most one of each kind and place (a metric's name)."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._lasting: dict[tuple[Kind, str], Alarm] = {}

    @property
    def lasting(self) -> list[Alarm]:
        """Those that last, the oldest first."""
        return list(self._lasting.values())

    def lasts(self, kind: Kind) -> Alarm | None:
        """The one of this kind and no place that lasts."""
        return self._lasting.get((kind, ""))

    def begin(self, kind: Kind, detail: str, now: int, place: str = "") -> list[Alarm]:
        """Let one begin; nothing where it lasts already, but for what it says."""
        known = self._lasting.get((kind, place))
        if known is not None:
            self._lasting[kind, place] = replace(known, detail=detail)
            return []
        alarm = Alarm(self._device, kind, detail, now)
        self._lasting[kind, place] = alarm
        return [alarm]

    def end(self, kind: Kind, now: int, place: str = "") -> list[Alarm]:
        """Let one end; nothing where there is none."""
        known = self._lasting.pop((kind, place), None)
        return [] if known is None else [replace(known, until=now)]

    def moment(self, kind: Kind, detail: str, now: int) -> list[Alarm]:
        """Give one that is over as it begins."""
        return [Alarm(self._device, kind, detail, now, now)]
