"""What MQTTX saves: its desktop's JSON export, and what its command prints.

The export is one connection, or a list of them, with `messages`; those that it published
itself (`out`) are left out. Its times have milliseconds and no zone: taken as UTC. The
command (`mqttx sub --output-mode clean`) prints no time at all: all are of 1970. Pure.
"""

import re
from typing import Any, Final

from telemetry import strict_json
from telemetry.canonical import decoded, time_us
from telemetry.errors import NotCanonical
from telemetry.properties import NO_PROPERTIES, Properties
from telemetry.recording_line import Line

_CREATED: Final = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d):(\d{3})", re.ASCII)
_DEPTH: Final = 64


def read_mqttx(raw: bytes) -> list[Line]:
    """Read one JSON value: a printed message, or an export; a ValueError says what is wrong."""
    value = strict_json.loads(decoded(raw), max_depth=_DEPTH, allow_nul=True)
    found = value if isinstance(value, list) else [value]
    return [line for one in found for line in _lines(one)]


def _lines(value: Any) -> list[Line]:
    if not isinstance(value, dict):
        raise NotCanonical("not an object")
    if "packet" in value:
        return [_printed(_typed(value, "packet", dict))]
    messages = _typed(value, "messages", list)
    lines = [_exported(one) for one in messages if not (isinstance(one, dict) and one.get("out"))]
    return sorted(lines, key=lambda line: line.received)


def _printed(packet: dict[str, Any]) -> Line:
    """The packet as it came: its payload is there byte for byte, as a list of numbers."""
    data = _typed(packet, "payload", dict).get("data")
    if not isinstance(data, list) or not all(type(byte) is int for byte in data):
        raise NotCanonical("payload is no list of bytes")
    try:
        payload = bytes(data)
    except ValueError:
        raise NotCanonical("payload is no list of bytes") from None
    return _line(0, packet, payload)


def _exported(message: Any) -> Line:
    if not isinstance(message, dict):
        raise NotCanonical("a message is no object")
    created = _typed(message, "createAt", str)
    match = _CREATED.fullmatch(created)
    if match is None:
        raise NotCanonical(f"createAt is not a time like MQTTX's: {created[:40]!r}")
    received = time_us(f"{match[1]}T{match[2]}.{match[3]}000Z")
    return _line(received, message, _typed(message, "payload", str).encode())


def _line(received: int, said: dict[str, Any], payload: bytes) -> Line:
    properties = _properties(said.get("properties") or {})
    topic, qos, retain = (
        _typed(said, "topic", str),
        _typed(said, "qos", int),
        _typed(said, "retain", bool),
    )
    line = Line(received, topic, payload, qos, retain, properties)
    line.to_bytes()  # what it refuses, MQTT cannot carry
    return line


def _properties(said: Any) -> Properties:
    if not isinstance(said, dict):
        raise NotCanonical("properties is no object")
    if not any(value not in (None, "") for value in said.values()):
        return NO_PROPERTIES
    indicator, expiry = said.get("payloadFormatIndicator"), said.get("messageExpiryInterval")
    subscriptions = said.get("subscriptionIdentifier")
    listed = subscriptions if isinstance(subscriptions, list) else [subscriptions]
    identifiers = tuple(one for one in listed if one is not None)
    if not all(type(one) is int for one in identifiers):
        raise NotCanonical("subscriptionIdentifier is no number")
    return Properties(
        payload_format_indicator=int(indicator)
        if isinstance(indicator, bool)
        else _number("payloadFormatIndicator", indicator) or 0,
        content_type=_text(said, "contentType"),
        response_topic=_text(said, "responseTopic"),
        correlation_data=_correlation(said.get("correlationData")),
        user_properties=_pairs(said.get("userProperties") or {}),
        message_expiry_interval=_number("messageExpiryInterval", expiry),
        subscription_identifiers=identifiers,
    )


def _pairs(said: Any) -> tuple[tuple[str, str], ...]:
    """Names with a value each, or with a list of values."""
    if not isinstance(said, dict):
        raise NotCanonical("userProperties is no object")
    pairs = []
    for name, values in said.items():
        for value in values if isinstance(values, list) else [values]:
            if not isinstance(value, str):
                raise NotCanonical("a user property is no string")
            pairs.append((name, value))
    return tuple(pairs)


def _correlation(said: Any) -> bytes | None:
    if isinstance(said, dict) and isinstance(said.get("data"), list):
        try:
            return bytes(said["data"])
        except (TypeError, ValueError):
            raise NotCanonical("correlationData is no list of bytes") from None
    if said in (None, ""):
        return None
    if not isinstance(said, str):
        raise NotCanonical("correlationData is neither text nor bytes")
    return said.encode()


def _text(said: dict[str, Any], name: str) -> str | None:
    value = said.get(name)
    if value in (None, ""):
        return None
    if not isinstance(value, str):
        raise NotCanonical(f"{name} is no string")
    return value


def _number(name: str, value: Any) -> int | None:
    if value in (None, ""):
        return None
    if type(value) is not int:
        raise NotCanonical(f"{name} is no number")
    return value


def _typed(said: dict[str, Any], name: str, kind: type) -> Any:
    if name not in said:
        raise NotCanonical(f"{name} is missing")
    if type(said[name]) is not kind:
        raise NotCanonical(f"{name} is not of type {kind.__name__}")
    return said[name]
