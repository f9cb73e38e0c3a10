"""Where the machines of a fleet meet their broker, and what its answers mean. Pure."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from telemetry.address import Address, Credentials
from telemetry.mqtt_packets import Opening, Subscription, Will

REFUSED_FROM: Final = 0x80
NO_SUBSCRIBER: Final = 0x10
SELDOM: Final = 30.0  # s


@dataclass(frozen=True, slots=True)
class Wire:
    """A broker, who says hello there, what stands before every topic, when to send again (s).

    Who is shut out of it is tried after `seldom` seconds, up to twice as many.

    `who` gives the credentials of a client by its name: of a machine, an edge node, a gateway,
    or what else a fleet connects. `ids` stands before every client id; None: the prefix.
    """

    address: Address
    who: Callable[[str], Credentials]
    prefix: str
    resend_after: float
    ids: str | None = None
    seldom: float = SELDOM

    def opening(self, name: str, topics: Iterable[str], will: Will | None = None) -> Opening:
        """How the client of this name connects: subscribed to these, with nothing kept for it."""
        return Opening(
            client_id=self.client_id(name),
            credentials=self.who(name),
            subscriptions=tuple(map(Subscription, topics)),
            will=will,
            clean_start=True,
        )

    def client_id(self, name: str) -> str:
        """A client id that every server takes in characters: the prefix's made safe, the name."""
        before = self.prefix if self.ids is None else self.ids
        return re.sub(r"[^0-9A-Za-z_-]", "-", f"{before}-{name}" if before else name)


def is_delivery(code: int) -> bool:
    """Whether PUBACK's reason code says that the message came to a subscriber."""
    return code != NO_SUBSCRIBER and code < REFUSED_FROM
