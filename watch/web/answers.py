"""What the API says: every JSON object, as it is written and as the OpenAPI document has it.

Times are text (RFC 3339, UTC, microseconds) unless a name ends in `_us`. Pure.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

Time = Annotated[str, Meta(examples=["2026-11-23T08:00:00.000000Z"])]
Count = Annotated[int, Meta(ge=0)]


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

    `signature` is the last message's shape: nothing is verified here. `lead` is left out where
    no reading came since the last time it was said.
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
    signature: Literal["signed", "unsigned"] | None
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


class Gap(Struct, frozen=True):
    """Numbers of a session that the store lacks, first to last inclusive."""

    device: str
    session: str
    first: Count
    last: Count


class Alarms(Struct, frozen=True):
    """Alarms that last, then those that ended, the newest first; gaps of the store."""

    alarms: list[Alarm]
    gaps: list[Gap]


class Rates(Struct, frozen=True):
    """Over the last seconds."""

    messages_per_second: float


class Pipeline(Struct, frozen=True):
    """The collector's own numbers: received = stored + duplicates + refused + in flight."""

    received: int
    stored: int
    duplicates: int
    refused: int
    in_flight: int
    anchored: int | None
    batches: int
    statuses: dict[str, int]
    conserved: bool
    waiting_for_anchor: int | None
    cosigned_size: int | None
    rates: Rates


class Cosignature(Struct, frozen=True):
    """A witness's word on the newest checkpoint."""

    witness: str
    time: Time


class Outside(Struct, frozen=True):
    """How far an outside ledger is: the largest size stamped, the latest time it states."""

    ledger: str
    size: Count
    time: Time | None
    state: str


class Entry(Struct, frozen=True, omit_defaults=True):
    """An entry of the anchor log."""

    index: Count
    kind: Literal["checkpoint", "key"]
    text: str
    collector: str | None = None
    size: int | None = None


class Quorum(Struct, frozen=True):
    """Which witnesses the policy wants, and whether the checkpoint has them."""

    rule: str
    met: bool


class Log(Struct, frozen=True):
    """The anchor log at its newest checkpoint, and its newest entries."""

    origin: str
    size: Count
    root: str
    published_at: Time | None
    checkpoint: str
    cosignatures: list[Cosignature]
    quorum: Quorum
    outside: list[Outside]
    entries: list[Entry]


class Device(Struct, frozen=True):
    """A key of a device or collector as the log brings it; `entry` is the index there."""

    device: str
    kind: str
    key: str
    since: Time
    until: Time | None
    state: Literal["active", "revoked", "retired", "next"]
    entry: Count


class Devices(Struct, frozen=True):
    """All keys that the log brings, in its order."""

    devices: list[Device]


class Reading(Struct, frozen=True):
    """A stored reading, and the message that holds it."""

    collector: str
    position: int
    device: str
    session: str | None
    seq: int | None
    time: Time
    received_at: Time
    metric: str
    value: float
    status: str


class Readings(Struct, frozen=True):
    """Readings in order of time; `next` goes on where this ends, null at the end."""

    readings: list[Reading]
    next: str | None


class Message(Struct, frozen=True):
    """A stored message without its payload; hashes are SHA-256 in hexadecimal."""

    collector: str
    position: int
    received_at: Time
    topic: str
    size: int | None
    device: str | None
    session: str | None
    seq: int | None
    time: Time | None
    status: str
    key: str | None
    payload_hash: str
    body_hash: str | None


class Messages(Struct, frozen=True):
    """Messages, the newest first; `next` goes on where this ends, null at the end."""

    messages: list[Message]
    next: str | None


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
