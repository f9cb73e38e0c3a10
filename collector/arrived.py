"""A message as it reached the collector, whichever way: off the wire or out of a recording."""

import msgspec


class Arrived(msgspec.Struct, frozen=True, gc=False):
    """What the store keeps of an arrival; `received` in microseconds since the epoch.

    `properties` is their one text (docs/formats.md, Properties), or None. `again`: it arrived
    before, on the connection before, and MQTT brought it once more.
    """

    topic: str
    payload: bytes
    properties: str | None
    received: int
    again: bool = False
