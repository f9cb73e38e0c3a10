"""Sparkplug B topics, and the state of a host application. Pure.

    [<prefix>/]spBv1.0/<group>/<type>/<edge node>[/<device>]
    [<prefix>/]spBv1.0/STATE/<host>

Source: Eclipse Sparkplug 3.0, chapter 4. What an outbox sends again goes under
`ledger/outbox/`, where no host listens: there its number would be out of order.
"""

from dataclasses import dataclass, replace
from typing import Final

from telemetry import strict_json
from telemetry.errors import MalformedPayload, NotStrictJson
from telemetry.topic import prefix_of, under

NAMESPACE: Final = "spBv1.0"
NODE_TYPES: Final = ("NBIRTH", "NDATA", "NDEATH", "NCMD")
DEVICE_TYPES: Final = ("DBIRTH", "DDATA", "DDEATH", "DCMD")
# NDEATH is a will: who signs it does not know yet when it comes.
SIGNED_TYPES: Final = ("NBIRTH", "NDATA", "DBIRTH", "DDATA", "DDEATH")
OUTBOX: Final = "ledger/outbox"

_NODE_LEVELS: Final = 4
_DEVICE_LEVELS: Final = 5


@dataclass(frozen=True, slots=True)
class SparkplugTopic:
    """A message's topic. `prefix` is without its last slash and without `ledger/outbox`.

    `again` says whether `ledger/outbox` stands between prefix and namespace; `device` is None
    for messages of the edge node itself.
    """

    prefix: str
    group: str
    type: str
    node: str
    device: str | None = None
    again: bool = False

    @staticmethod
    def parse(topic: str) -> "SparkplugTopic | None":
        """Read a topic; None where it is none of a message of nodes or devices."""
        levels = topic.split("/")
        for count, types in ((_DEVICE_LEVELS, DEVICE_TYPES), (_NODE_LEVELS, NODE_TYPES)):
            namespace, group, kind, *names = ["", "", *levels][-count:]
            if namespace == NAMESPACE and kind in types and group and all(names):
                return _topic(levels[:-count], group, kind, names)
        return None

    def __str__(self) -> str:
        return under(self.prefix, f"{OUTBOX}/{self.unprefixed}" if self.again else self.unprefixed)

    @property
    def unprefixed(self) -> str:
        """From the namespace on: what signatures cover."""
        names = (self.node,) if self.device is None else (self.node, self.device)
        return "/".join((NAMESPACE, self.group, self.type, *names))

    @property
    def sender(self) -> str:
        """Whose message it is: the device's, or the edge node's own."""
        return self.node if self.device is None else self.device

    @property
    def receipt(self) -> str:
        """Where its sender listens for receipts."""
        return receipt_topic(self.prefix, self.sender)

    def of(self, kind: str, device: str | None = None) -> "SparkplugTopic":
        """Give the topic of another message of this edge node or one of its devices."""
        if kind not in (NODE_TYPES if device is None else DEVICE_TYPES):
            raise ValueError(f"no type of message of {device or 'an edge node'}: {kind!r}")
        return replace(self, type=kind, device=device, again=False)


@dataclass(frozen=True, slots=True)
class HostState:
    """What a host application says of itself; `timestamp` in milliseconds since the epoch."""

    online: bool
    timestamp: int

    def to_bytes(self) -> bytes:
        """Write it."""
        online = "true" if self.online else "false"
        return f'{{"online":{online},"timestamp":{self.timestamp}}}'.encode("ascii")

    @staticmethod
    def from_bytes(data: bytes) -> "HostState":
        """Read it, anybody's; MalformedPayload says what is wrong."""
        try:
            members = strict_json.loads(data.decode())
        except (UnicodeDecodeError, NotStrictJson) as error:
            raise MalformedPayload(f"not a host's state: {error}") from None
        if not isinstance(members, dict):
            raise MalformedPayload("a host's state is an object")
        online, timestamp = members.get("online"), members.get("timestamp")
        if not isinstance(online, bool) or type(timestamp) is not int or timestamp < 0:
            raise MalformedPayload("a host's state has a boolean online and an integer timestamp")
        return HostState(online, timestamp)


def state_topic(prefix: str, host: str) -> str:
    """Give the retained topic of a host application's state."""
    return under(prefix, f"{NAMESPACE}/STATE/{host}")


def receipt_topic(prefix: str, device: str) -> str:
    """Give the topic of receipts for a sender that speaks Sparkplug."""
    return under(prefix, f"ledger/receipt/{device}")


def sparkplug_filters(prefix: str = "") -> list[str]:
    """Give the filters of all that Sparkplug says, live and out of outboxes."""
    return [under(prefix, f"{NAMESPACE}/#"), under(prefix, f"{OUTBOX}/{NAMESPACE}/#")]


def _topic(before: list[str], group: str, kind: str, names: list[str]) -> SparkplugTopic:
    again = before[-2:] == OUTBOX.split("/")
    prefix = prefix_of(before[:-2] if again else before)
    return SparkplugTopic(prefix, group, kind, names[0], names[1] if names[1:] else None, again)
