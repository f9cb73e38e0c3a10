"""What happens on an MQTT connection, as `mqtt_session` tells it. Pure data."""

from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

import msgspec

from telemetry.mqtt_packets import Arrival

Token = TypeVar("Token")


@dataclass(frozen=True, slots=True)
class Opened:
    """CONNACK took us; `session_present` says that the broker kept our session."""

    session_present: bool


@dataclass(frozen=True, slots=True)
class Subscribed:
    """Every subscription stands (at once, where there are none)."""


class Arrived(msgspec.Struct, frozen=True):
    """All messages of one `receive`, in order."""

    arrivals: list[Arrival]


class Settled(msgspec.Struct, Generic[Token], frozen=True):
    """What became of a message posted with `token`: PUBACK's reason code; 0 at QoS 0."""

    token: Token
    code: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The end: `reason` in words; `code` where the broker gave one; `refused` by CONNACK."""

    reason: str
    code: int | None = None
    refused: bool = False


Event: TypeAlias = Opened | Subscribed | Arrived | Settled[Token] | Closed
