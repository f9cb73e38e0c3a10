"""A machine's message as it is heard: read for showing, never for judging. Pure.

The collector's strict parse decides what counts; here a member that is missing or of another
type only shows nothing. One pass of msgspec over the payload, and nothing kept of it.
"""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec

from telemetry.canonical import time_us
from telemetry.errors import NotCanonical
from telemetry.signature import split

Shape = Literal["signed", "unsigned"]
Standing = Literal[
    "verified",
    "signed",
    "unsigned",
    "bad-signature",
    "unknown-device",
    "revoked",
    "malformed",
    "unchecked",
]
"""How a message's signature stands: `signed` and `unsigned` are its shape, where nobody can tell
more; `verified` is by an enrolled key; the others are the statuses of docs/formats.md."""

MAX_PAYLOAD: Final = 1 << 18
"""Longer payloads are counted, and not read."""
MAX_METRICS: Final = 64
"""Of a message that has more readings, so many are shown."""
_MAX_NAME: Final = 128


_Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class _Scan(msgspec.Struct):
    time: str
    readings: dict[str, float]


class _State(msgspec.Struct):
    name: str
    number: _Number | None = None


class _Metric(msgspec.Struct):
    unit: str = ""
    low: float | None = None
    high: float | None = None


class _Birth(msgspec.Struct):
    metrics: dict[str, _Metric] = {}
    kind: str = ""


class _Event(msgspec.Struct):
    name: str


class _Message(msgspec.Struct):
    session: str = ""
    seq: _Number | None = None
    time: str = ""
    key: str | None = None
    readings: dict[str, float] | None = None
    scans: list[_Scan] | None = None
    state: _State | None = None
    birth: _Birth | None = None
    event: _Event | None = None


_DECODER: Final = msgspec.json.Decoder(_Message)


@dataclass(frozen=True, slots=True)
class Range:
    """A metric's UCUM unit and the range that it is made for, where its birth names one."""

    unit: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What one message says; times in microseconds, None where it names none.

    `scans` are times and readings, in order; `metrics` what a birth says.
    """

    shape: Shape
    session: str = ""
    seq: int | None = None
    time: int | None = None
    key: str | None = None
    scans: tuple[tuple[int, dict[str, float]], ...] = ()
    state: tuple[str, int | None] | None = None
    metrics: dict[str, Range] | None = None
    event: str | None = None
    faulty: bool = False
    standing: Standing = "unsigned"


def hear(payload: bytes) -> Heard:
    """Read a payload; `faulty` where it is not what a machine says."""
    shape: Shape = "unsigned" if split(payload) is None else "signed"
    if len(payload) > MAX_PAYLOAD:
        return Heard(shape, faulty=True)
    try:
        message = _DECODER.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Heard(shape, faulty=True)
    time = _time(message.time)
    birth = message.birth
    return Heard(
        shape,
        message.session[:_MAX_NAME],
        message.seq,
        time,
        None if message.key is None else message.key[:_MAX_NAME],
        _scans(message, time),
        None if message.state is None else (message.state.name[:_MAX_NAME], message.state.number),
        None if birth is None else _metrics(birth),
        None if message.event is None else message.event.name[:_MAX_NAME],
    )


def _time(text: str) -> int | None:
    try:
        return time_us(text)
    except NotCanonical:
        return None


def _scans(message: _Message, time: int | None) -> tuple[tuple[int, dict[str, float]], ...]:
    if message.readings is not None:
        return () if time is None else ((time, _few(message.readings)),)
    found = ((_time(scan.time), scan.readings) for scan in message.scans or ())
    return tuple((at, _few(readings)) for at, readings in found if at is not None)


def _few(readings: dict[str, float]) -> dict[str, float]:
    if len(readings) <= MAX_METRICS and max(map(len, readings), default=0) <= _MAX_NAME:
        return readings
    few = [name for name in readings if len(name) <= _MAX_NAME][:MAX_METRICS]
    return {name: readings[name] for name in few}


def _metrics(birth: _Birth) -> dict[str, Range]:
    few = [name for name in birth.metrics if len(name) <= _MAX_NAME][:MAX_METRICS]
    ranges = ((name, birth.metrics[name]) for name in few)
    return {name: Range(one.unit[:_MAX_NAME], one.low, one.high) for name, one in ranges}
