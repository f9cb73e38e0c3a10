"""A client that connects once, looks around, and leaves nothing behind. Edge: the network.

With paho, which shows all that CONNACK says; the link of the parts keeps what it needs.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from telemetry.address import Address, Credentials

PATIENCE: Final = 10.0  # s for any answer
FOR_EVER: Final = 0xFFFFFFFF
_FAILED: Final = 0x80


class Unanswered(Exception):  # noqa: N818 - says what the broker did
    """The broker did not answer in time, or closed the connection."""


class Denied(Exception):  # noqa: N818 - as above
    """The broker answered CONNECT or SUBSCRIBE with a failure; its words."""


@dataclass
class Visit:
    """One connection, as a context; OSError where nobody is, Denied where one is sent away."""

    address: Address
    credentials: Credentials
    client_id: str = ""
    session_expiry: int = 0
    clean_start: bool = True
    offer: dict[str, Any] = field(default_factory=dict)
    """What CONNACK said, by the property's name without spaces."""
    received: list[bytes] = field(default_factory=list)
    gone: str = ""
    """Why the broker ended the connection; "" while it stands."""

    def __enter__(self) -> Self:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        if self.credentials.username is not None:
            client.username_pw_set(self.credentials.username, self.credentials.password)
        if self.address.tls:
            from ssl import create_default_context  # noqa: PLC0415 - on demand

            client.tls_set_context(self.credentials.tls or create_default_context())
        client.connect_timeout = PATIENCE
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_message = self._message
        client.on_subscribe = self._subscribed
        client.on_publish = self._published
        self._client = client
        self._answers: dict[str, ReasonCode] = {}
        self.settled = 0
        wanted = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        wanted.SessionExpiryInterval = self.session_expiry
        host, port = self.address.host, self.address.port
        client.connect(host, port, clean_start=self.clean_start, properties=wanted)
        self._let_in("CONNECT")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.leave()

    def leave(self, *, keep: bool = False) -> None:
        """Disconnect; the broker forgets the session unless it is to `keep` it."""
        said = Properties(PacketTypes.DISCONNECT)  # type: ignore[no-untyped-call]
        if self.session_expiry and not keep:
            said.SessionExpiryInterval = 0
        self._client.disconnect(properties=said)
        for _ in range(3):
            self._client.loop(0.05)

    def subscribe(self, topic: str) -> None:
        """At QoS 1; Denied where the broker refuses it."""
        self._client.subscribe(topic, qos=1)
        self._let_in("SUBSCRIBE")

    def publish(self, topic: str, payload: bytes) -> None:
        """At QoS 1; `settled` counts the answers."""
        self._client.publish(topic, payload, qos=1)

    def until(self, holds: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
        """Go on until it holds; Unanswered where it does not in time."""
        deadline = time.monotonic() + seconds
        while not holds():
            if self.gone or time.monotonic() > deadline:
                raise Unanswered(self.gone or f"no answer to {what} within {seconds:g} s")
            self._client.loop(0.05)

    def stay(self, seconds: float) -> None:
        """Go on for so long, or until the connection ends."""
        deadline = time.monotonic() + seconds
        while not self.gone and time.monotonic() < deadline:
            self._client.loop(0.05)

    def _let_in(self, what: str) -> None:
        self.until(lambda: what in self._answers, what)
        if self._answers[what].value >= _FAILED:
            raise Denied(str(self._answers[what]))

    def _connected(
        self, _: Client, __: Any, ___: Any, answer: ReasonCode, said: Properties | None
    ) -> None:
        self._answers["CONNECT"] = answer
        self.offer = {} if said is None else dict(said.json())  # type: ignore[no-untyped-call]

    def _disconnected(
        self, _: Client, __: Any, ___: Any, reason: ReasonCode, ____: Properties | None
    ) -> None:
        self.gone = str(reason)

    def _message(self, _: Client, __: Any, message: MQTTMessage) -> None:
        self.received.append(bytes(message.payload))

    def _subscribed(self, _: Client, __: Any, ___: int, codes: Any, ____: Any) -> None:
        self._answers["SUBSCRIBE"] = codes[0]

    def _published(self, _: Client, __: Any, ___: int, ____: ReasonCode, _____: Any) -> None:
        self.settled += 1
