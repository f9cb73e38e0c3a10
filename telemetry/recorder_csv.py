"""Rows of mqtt-recorder: topic, payload, QoS, retain, time, seconds since the row before.

A payload is text, or base64 of any bytes where it ran with `--encode_b64`: the file does
not say which, so whoever reads it does. MQTT 5 properties are not in it. Pure.
"""

import csv
import io
from decimal import Decimal, InvalidOperation
from typing import Final

from telemetry.canonical import END_OF_TIME, b64, decoded, unb64
from telemetry.errors import NotCanonical, NotKept
from telemetry.mosquitto_log import text_of
from telemetry.properties import NO_PROPERTIES
from telemetry.recording_line import Line

COLUMNS: Final = 6
_SECOND: Final = 1_000_000
_DIGITS: Final = 12  # of seconds until the year 10000
# It writes True and False; 0 and 1 are what it reads.
_RETAIN: Final = {"True": True, "False": False, "1": True, "0": False}
_QOS: Final = {"0": 0, "1": 1, "2": 2}


def columns(raw: bytes) -> list[str]:
    """Cut a row; NotCanonical where it is none."""
    text = decoded(raw)
    # Python's csv has a limit of its own, for the whole process; a payload may be over it.
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise NotCanonical(f"not CSV: {error}") from None
    if len(rows) != 1 or len(rows[0]) != COLUMNS:
        raise NotCanonical(f"not a row of {COLUMNS} columns")
    return rows[0]


def read_csv(raw: bytes, *, base64: bool) -> Line:
    """Read one row; a ValueError says what is wrong."""
    topic, payload, qos, retain, time, _ = columns(raw)
    if qos not in _QOS:
        raise NotCanonical(f"no QoS {qos[:40]!r}")
    if retain not in _RETAIN:
        raise NotCanonical(f"retain is neither True nor False: {retain[:40]!r}")
    data = unb64(payload) if base64 else payload.encode()
    line = Line(_received(time), topic, data, _QOS[qos], _RETAIN[retain])
    line.to_bytes()  # what it refuses, MQTT cannot carry
    return line


def write_csv(line: Line, before: int, *, base64: bool) -> bytes:
    """Write a row; `before` is the row before's time (µs), or its own.

    NotKept for properties, and for a payload that is no text without `base64`.
    """
    if line.properties != NO_PROPERTIES:
        raise NotKept("MQTT 5 properties, which a row of mqtt-recorder cannot hold")
    payload = b64(line.payload) if base64 else text_of(line.payload)
    second, fraction = divmod(line.received, _SECOND)
    gap, part = divmod(max(0, line.received - before), _SECOND)
    row = io.StringIO(newline="")
    csv.writer(row).writerow(
        [
            line.topic,
            payload,
            line.qos,
            line.retain,
            f"{second}.{fraction:06d}",
            f"{gap}.{part:06d}",
        ]
    )
    return row.getvalue().encode()


def _received(text: str) -> int:
    try:
        seconds = Decimal(text)
        # Before it is an integer: 1E+999999999 would be one of a billion digits.
        bounded = seconds.is_finite() and seconds.adjusted() < _DIGITS
        us = round(seconds * _SECOND) if bounded else -1
    except InvalidOperation:
        raise NotCanonical(f"time is no number of seconds: {text[:40]!r}") from None
    if not 0 <= us < END_OF_TIME:
        raise NotCanonical(f"time is outside of the years 1970 to 9999: {text[:40]!r}")
    return us
