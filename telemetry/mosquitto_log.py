"""Lines of `mosquitto_sub -F %j`: one JSON object a message.

`tst`, `topic`, `qos`, `retain` (0 or 1), `payloadlen`, `payload` (a string, or null), and
where there are `mid` and `properties`. It prints text alone: a payload that holds U+0000
or is no UTF-8 comes out shorter, which `payloadlen` shows, and is refused. Pure.
"""

import json
import re
from typing import Any, Final

from telemetry.canonical import END_OF_TIME, quote, time_text, time_us
from telemetry.errors import NotCanonical, NotKept
from telemetry.properties import NO_PROPERTIES, Properties
from telemetry.recording_line import Line

_MEMBERS: Final = {
    "tst": str,
    "topic": str,
    "qos": int,
    "retain": int,
    "payloadlen": int,
    "mid": int,
    "properties": dict,
    "payload": str,
}
_OPTIONAL: Final = ("mid", "properties")
# Version 2.0 writes `Z` and the zone behind it, 2.1 the zone alone.
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})(?:Z|Z?([+-])(\d\d):?(\d\d))", re.ASCII
)
_MINUTE: Final = 60_000_000
_PROPERTIES: Final = {
    "payload-format-indicator": int,
    "content-type": str,
    "response-topic": str,
    "correlation-data": str,
    "user-properties": list,
    "message-expiry-interval": int,
    "subscription-identifier": int,
}


def read_mosquitto(raw: bytes) -> Line:
    """Read one line; a ValueError says what is wrong."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        reason = "a payload that is no UTF-8, which %j cannot print; record it another way"
        raise NotCanonical(reason) from None
    try:
        pairs = json.loads(text, object_pairs_hook=list)
    except (json.JSONDecodeError, RecursionError) as error:
        raise NotCanonical(f"not JSON: {error}") from None
    members = _object("the line", pairs)
    for name, kind in _MEMBERS.items():
        if name not in members and name not in _OPTIONAL:
            raise NotCanonical(f"{name} is missing")
        found = members.get(name)
        # Only a payload may be null, where it is empty; properties are looked into below.
        null = found is None and (name == "payload" or name not in members)
        if kind is not dict and not null and type(found) is not kind:
            raise NotCanonical(f"{name} is not of type {kind.__name__}")
    _only(members, _MEMBERS)
    if members["retain"] not in {0, 1}:
        raise NotCanonical(f"retain is neither 0 nor 1: {members['retain']}")
    payload = (members["payload"] or "").encode()
    if len(payload) != members["payloadlen"]:
        raise NotCanonical(
            f"the payload had {members['payloadlen']} bytes and {len(payload)} are here: "
            "%j prints text alone"
        )
    line = Line(
        _received(members["tst"]),
        members["topic"],
        payload,
        members["qos"],
        bool(members["retain"]),
        _properties(members.get("properties", [])),
    )
    line.to_bytes()  # what it refuses, MQTT cannot carry
    return line


def write_mosquitto(line: Line) -> bytes:
    """Write a message as version 2.0 would print it, without its newline.

    NotKept for a payload that a string of JSON cannot hold.
    """
    payload = text_of(line.payload)
    if "\0" in payload:
        raise NotKept("the payload holds U+0000, which %j cannot print")
    data = line.properties.correlation_data
    said = line.properties
    members: list[str] = []
    if said.payload_format_indicator:
        members.append(f'"payload-format-indicator":{said.payload_format_indicator}')
    if said.content_type is not None:
        members.append(f'"content-type":{quote(said.content_type)}')
    if said.response_topic is not None:
        members.append(f'"response-topic":{quote(said.response_topic)}')
    if data is not None:
        members.append(f'"correlation-data":{quote(text_of(data))}')
    if said.user_properties:
        pairs = (f"{quote(name)}:{quote(value)}" for name, value in said.user_properties)
        members.append(f'"user-properties":{{{",".join(pairs)}}}')
    if said.message_expiry_interval is not None:
        members.append(f'"message-expiry-interval":{said.message_expiry_interval}')
    if len(said.subscription_identifiers) > 1:
        raise NotKept("more than one subscription identifier")
    if said.subscription_identifiers:
        members.append(f'"subscription-identifier":{said.subscription_identifiers[0]}')
    properties = f'"properties":{{{",".join(members)}}},' if members else ""
    spelled = quote(payload) if payload else "null"
    return (
        f'{{"tst":"{time_text(line.received)}+0000","topic":{quote(line.topic)}'
        f',"qos":{line.qos},"retain":{line.retain:d},"payloadlen":{len(line.payload)}'
        f',{properties}"payload":{spelled}}}'
    ).encode("ascii")


def text_of(data: bytes) -> str:
    """Give bytes as text; NotKept where they are no UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise NotKept("bytes that are no UTF-8, which this format cannot hold") from None


def _object(what: str, pairs: Any) -> dict[str, Any]:
    """Make an object of its pairs; each name once."""
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        raise NotCanonical(f"{what} is no object")
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotCanonical(f"{what} has two members of one name")
    return members


def _only(members: dict[str, Any], known: dict[str, type]) -> None:
    for name in members.keys() - known.keys():
        raise NotCanonical(f"{name[:40]!r} is not known here, so it could not be kept")


def _properties(pairs: Any) -> Properties:
    members = _object("properties", pairs)
    _only(members, _PROPERTIES)
    for name, kind in _PROPERTIES.items():
        if type(members.get(name, kind())) is not kind:
            raise NotCanonical(f"{name} is not of type {kind.__name__}")
    if not members:
        return NO_PROPERTIES
    data = members.get("correlation-data")
    subscription = members.get("subscription-identifier")
    return Properties(
        payload_format_indicator=members.get("payload-format-indicator", 0),
        content_type=members.get("content-type"),
        response_topic=members.get("response-topic"),
        correlation_data=None if data is None else data.encode(),
        user_properties=tuple(map(_pair, members.get("user-properties", ()))),
        message_expiry_interval=members.get("message-expiry-interval"),
        subscription_identifiers=() if subscription is None else (subscription,),
    )


def _pair(found: Any) -> tuple[str, str]:
    """A user property: a member of an object, or of version 2.1's list of objects."""
    if isinstance(found, list):
        named = _object("a user property", found)
        found = (named.get("name"), named.get("value"))
    if not isinstance(found, tuple) or not all(isinstance(part, str) for part in found):
        raise NotCanonical("a user property is no pair of strings")
    name, value = found
    return name, value


def _received(text: str) -> int:
    match = _TIME.fullmatch(text)
    if match is None:
        raise NotCanonical(f"tst is not a time like mosquitto's: {text[:40]!r}")
    local = time_us(f"{match[1]}Z")
    if match[2] is None:
        return local
    ahead = (int(match[3]) * 60 + int(match[4])) * _MINUTE
    received = local - ahead if match[2] == "+" else local + ahead
    if not 0 <= received < END_OF_TIME:
        raise NotCanonical(f"tst is outside of the years 1970 to 9999: {text}")
    return received
