"""What the API says: every JSON object, as it is written and as the OpenAPI document has it.

Times are text (RFC 3339, UTC, microseconds) unless a name ends in `_us`. Pure.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from watch.floor.heard import Standing
from watch.web.stored import Count, Gap, Time


class Fault(Struct, frozen=True):
    """What is wrong, and what to try."""

    what: str
    try_: str = msgspec.field(name="try")


class Error(Struct, frozen=True):
    """Every answer that is none."""

    error: Fault


class Status(Struct, frozen=True):
    """What can be had: `live` while the broker is connected, `store` and `log` while read."""

    name: str
    origin: str | None
    live: bool
    store: bool
    log: bool
    version: str
    login: Literal["none", "needed", "done"]
    time: Time
    not_shown: Count = 0
    why: dict[str, str] = {}


class Alarm(Struct, frozen=True):
    """What is out of order, from when until when; `until` null while it lasts."""

    device: str
    kind: str
    since: Time
    until: Time | None
    detail: str


class Lead(Struct, frozen=True):
    """A machine's first metric, for the floor; `recent` values, the oldest first, at the start."""

    metric: str
    unit: str
    low: float | None
    high: float | None
    value: float | None
    recent: list[float] | UnsetType = UNSET


class Machine(Struct, frozen=True, kw_only=True):
    """A machine as its live messages tell it; `age` in seconds, null where none came yet.

    `signature` is how the last message's stands: `signed` is its shape, where no keys are at
    hand to verify it by. `lead` is left out where no reading came since the last time it was
    said.
    """

    device: str
    topic: str
    enterprise: str
    site: str
    area: str
    line: str
    state: str | None
    state_number: int | None
    since: Time | None
    time: Time | None
    session: str
    seq: int | None
    signature: Standing | None
    alarms: list[Alarm]
    age: float | None
    lead: Lead | UnsetType | None = UNSET


class Machines(Struct, frozen=True):
    """All machines, or those that changed; `not_shown` beyond those kept."""

    machines: list[Machine]
    not_shown: Count = 0


class Metric(Struct, frozen=True):
    """A metric: its UCUM unit and range as its birth says, and its newest value."""

    name: str
    unit: str
    low: float | None
    high: float | None
    value: float | None
    time: Time | None


Point = tuple[int, float, str, int | None]


class MachineWhole(Machine, frozen=True, kw_only=True):
    """A machine with its metrics; `recent` has [time_us, value, session, seq] by metric."""

    metrics: list[Metric]
    key: str | None
    recent: dict[str, list[Point]]


class Alarms(Struct, frozen=True):
    """Alarms that last, then those that ended, the newest first; gaps of the store."""

    alarms: list[Alarm]
    gaps: list[Gap]


class Points(Struct, frozen=True):
    """What a machine said just now: [time_us, {metric: value}, session, seq, heard_us]."""

    device: str
    points: list[tuple[int, dict[str, float], str, int | None, int]]


class Hello(Struct, frozen=True):
    """What a live stream begins with."""

    machines: list[Machine]
    status: Status


class Password(Struct, frozen=True):
    """What `POST /login` takes."""

    password: Annotated[str, Meta(max_length=1024)]


class Done(Struct, frozen=True):
    """That it is done."""

    ok: bool = True
