"""The member `source`: what a gateway heard from a machine that cannot sign (docs/formats.md).

Written by who signs on behalf of others. Read leniently: a member of this name that is none
of these counts for nothing, as any member that the format does not name. Pure.
"""

import re
from typing import Any, Final, Literal

import msgspec

from telemetry.canonical import b64, time_text, time_us
from telemetry.errors import NotCanonical

Clock = Literal["source", "gateway"]

_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MAX_TOPIC: Final = 65_535


class Source(msgspec.Struct, frozen=True, gc=False):
    """Which message of a source a signed one stands for.

    `topic` is where it came from (an MQTT topic, or an OPC UA node); `sha256` and `size` are
    those of its exact payload, `received` is the gateway's time in microseconds; `clock` says
    whose the signed message's time is.
    """

    topic: str
    sha256: str
    size: int
    received: int
    clock: Clock

    def line(self, gateway: str) -> str:
        """What a verified message says of it, as a sentence."""
        whose = "the source's own" if self.clock == "source" else f"gateway {gateway}'s"
        return (
            f"It stands for {self.size} bytes that gateway {gateway} received from "
            f"{self.topic!r} at {time_text(self.received)} by its clock, SHA-256 "
            f"{self.sha256}; the time it gives is {whose}."
        )

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "topic": self.topic,
            "sha256": self.sha256,
            "size": self.size,
            "received": time_text(self.received),
            "clock": self.clock,
        }


def source_member(
    source: Source, *, marks: dict[str, Any] | None = None, payload: bytes | None = None
) -> dict[str, Any]:
    """Write the member: what it names, `marks` of how it came, and the payload where it is kept.

    A payload that is text stays readable; any other is base64.
    """
    return source.to_json() | (marks or {}) | ({} if payload is None else spelled(payload))


def spelled(payload: bytes) -> dict[str, str]:
    """A payload as text where that is UTF-8 and no longer than base64, else as base64."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return {"base64": b64(payload)}
    if "\0" in text or _escaped(text) > len(payload) * 4 // 3 + 64:
        return {"base64": b64(payload)}
    return {"text": text}


def read_source(value: Any) -> Source | None:
    """Read the member; None where it is not one that a gateway writes."""
    if not isinstance(value, dict):
        return None
    topic, digest, size = (value.get(name) for name in ("topic", "sha256", "size"))
    received, clock = value.get("received"), value.get("clock")
    if not isinstance(topic, str) or len(topic) > _MAX_TOPIC or type(size) is not int or size < 0:
        return None
    if not isinstance(digest, str) or not _HASH.fullmatch(digest):
        return None
    if not isinstance(received, str) or clock not in {"source", "gateway"}:
        return None
    try:
        return Source(topic, digest, size, time_us(received), clock)
    except NotCanonical:
        return None


def _escaped(text: str) -> int:
    """How many bytes the text takes in JSON that is ASCII."""
    return len(msgspec.json.encode(text)) + 6 * sum(not one.isascii() for one in text)
