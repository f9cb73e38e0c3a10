"""Which message a stored one names as the one before it. Pure."""

from telemetry.errors import MalformedMessage
from telemetry.header import find_header, parse_header
from telemetry.message import parse
from telemetry.signature import split
from telemetry.topic import MachineTopic


def prev_of(topic: str, payload: bytes, properties: str | None) -> bytes | None:
    """Give the `prev` of a message that was accepted; None also where it does not parse now."""
    try:
        if split(payload) is None:
            header = find_header(properties)
            return None if header is None else parse_header(*header).header.prev
        place = MachineTopic.parse(topic)
        return parse(payload, "telemetry" if place is None else place.kind).prev
    except MalformedMessage:
        return None
