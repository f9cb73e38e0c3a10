"""A message as one line for people or for programs. Pure.

Nothing of a message reaches a terminal as it came: what is not printable, or not UTF-8, is
written out, so no payload and no topic can move a cursor, ring a bell or hide text.
"""

import json
from typing import Any, Final

from telemetry.canonical import b64, time_text
from telemetry.link import Arrival
from telemetry.properties import NO_PROPERTIES, Properties
from telemetry.signature import split

_PREVIEW: Final = 120  # characters
_LONGEST: Final = 4 * _PREVIEW  # bytes: no character takes more than four


def plain_line(arrival: Arrival, received: int) -> str:
    """Write time, topic, size, whether it has the shape of a signed message, and its start."""
    retained = " retained" if arrival.retain else ""
    return (
        f"{time_text(received)} {visible(arrival.topic)} {len(arrival.payload)} B "
        f"{signature(arrival.payload)}{retained} {preview(arrival.payload)}"
    ).rstrip()


def json_line(arrival: Arrival, received: int) -> str:
    """Write everything as one JSON object, in ASCII; the payload as `text` or `base64`."""
    members: dict[str, Any] = {
        "time": time_text(received),
        "topic": arrival.topic,
        "size": len(arrival.payload),
        "signature": signature(arrival.payload),
        "qos": arrival.qos,
        "retain": arrival.retain,
    }
    try:
        members["text"] = arrival.payload.decode()
    except UnicodeDecodeError:
        members["base64"] = b64(arrival.payload)
    if arrival.properties != NO_PROPERTIES:
        members["properties"] = _properties(arrival.properties)
    return json.dumps(members, separators=(",", ":"))


def signature(payload: bytes) -> str:
    """Say `signed` or `unsigned` by the payload's shape; nothing is verified here."""
    return "unsigned" if split(payload) is None else "signed"


def preview(payload: bytes) -> str:
    """Give the start of a payload, made visible; an ellipsis says that there is more."""
    text = visible(payload[:_LONGEST].decode("utf-8", "backslashreplace"))
    cut = len(text) > _PREVIEW or len(payload) > _LONGEST
    return text[:_PREVIEW] + "…" if cut else text


def visible(text: str) -> str:
    """Write out every character that is not printable: controls, bidi marks, separators."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _written(one) for one in text)


def _written(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _properties(properties: Properties) -> dict[str, Any]:
    data = properties.correlation_data
    members = {
        "payload_format_indicator": properties.payload_format_indicator or None,
        "content_type": properties.content_type,
        "response_topic": properties.response_topic,
        "correlation_data": None if data is None else b64(data),
        "user_properties": list(properties.user_properties) or None,
        "message_expiry_interval": properties.message_expiry_interval,
    }
    return {name: value for name, value in members.items() if value is not None}
