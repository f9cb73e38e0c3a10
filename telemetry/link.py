"""The MQTT link: a connection that comes back by itself, acknowledgement in the caller's hands.

Each time it connects is an epoch; packet ids and unanswered messages end with theirs. It never
acknowledges and never sends again by itself: what to do about a loss, the caller knows.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from telemetry.address import NOBODY, Address, Credentials
from telemetry.backoff import Backoff
from telemetry.errors import LinkLost
from telemetry.mqtt_packets import Arrival, Opening, Outgoing, Subscription, Will
from telemetry.mqtt_wire import Ear, Posted
from telemetry.properties import NO_PROPERTIES, Properties
from telemetry.upkeep import Upkeep

__all__ = [
    "NOBODY",
    "Address",
    "Arrival",
    "Backoff",
    "Credentials",
    "Link",
    "Subscription",
    "Will",
]

_LOG: Final = logging.getLogger("telemetry.link")


def _log_trouble(error: Exception) -> None:
    _LOG.warning("%s", error)


class Link:
    """An MQTT 5 connection to one broker, kept up for as long as `async with` lasts.

    `on_arrivals` gets all messages of one read in one list, in order; `on_connected` is
    called at every connect, before any message of that epoch, with whether the broker kept
    the session. Both run in the event loop and must not block; what they raise ends the link
    and comes out of `run_until`, `wait_connected` and `publish`. `on_trouble` hears of each
    loss and each failed try (by default a logged warning).

    `clean_start` holds for the first connect only; `session_expiry` in seconds, 0xFFFFFFFF
    for ever; `end_session` ends the broker's session at a clean exit. A `will` that is a
    function is asked for each CONNECT that is sent. `mqtts` uses `tls`, by default the
    system's certificates.

    With `seldom` the link does not give up where another client takes its place, as who revokes
    its certificate does: then, and where the broker shuts it out, from the first try on, it is
    `shut_out`, told once, and tries again after so many seconds, up to twice as many.
    """

    def __init__(  # noqa: PLR0913 - the fields of CONNECT, each with a default
        self,
        address: Address,
        *,
        client_id: str,
        username: str | None = None,
        password: str | None = None,
        subscriptions: Iterable[Subscription] = (),
        on_arrivals: Callable[[list[Arrival]], None] | None = None,
        on_connected: Callable[[bool], None] | None = None,
        on_trouble: Callable[[Exception], None] = _log_trouble,
        will: Will | Callable[[], Will] | None = None,
        clean_start: bool = False,
        session_expiry: int = 0,
        end_session: bool = False,
        keep_alive: int = 30,
        receive_maximum: int = 1024,
        maximum_packet_size: int | None = None,
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
        connect_timeout: float = 10.0,
        tls: ssl.SSLContext | None = None,
        seldom: float | None = None,
    ) -> None:
        self._opening = Opening(
            client_id=client_id,
            credentials=Credentials(username, password, tls),
            subscriptions=tuple(subscriptions),
            will=will,
            clean_start=clean_start,
            session_expiry=session_expiry,
            keep_alive=keep_alive,
            receive_maximum=receive_maximum,
            maximum_packet_size=maximum_packet_size,
        )
        # A field that cannot be encoded is the caller's error, now.
        (replace(self._opening, will=None) if callable(will) else self._opening).connect()
        self._on_arrivals = on_arrivals
        self._on_connected = on_connected
        self._end_session = end_session
        self._upkeep = Upkeep(
            address,
            self._opening,
            Ear(self._opened, _nothing, self._arrived, _nothing),
            on_trouble=on_trouble,
            backoff=backoff,
            connect_timeout=connect_timeout,
            seldom=seldom,
        )

    @property
    def shut_out(self) -> bool:
        """Whether the broker will not have this client, and others perhaps: of `seldom`."""
        return self._upkeep.shut_out

    @property
    def address(self) -> Address:
        """The broker's."""
        return self._upkeep.address

    @property
    def epoch(self) -> int:
        """How many connections there have been, this one included; 0 before the first."""
        return self._upkeep.epoch

    @property
    def connected(self) -> bool:
        """Whether messages can be posted now."""
        return self._upkeep.connected

    async def __aenter__(self) -> Self:
        """Connect and subscribe; BrokerUnavailable names the address and what to try."""
        await self._upkeep.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Say DISCONNECT, so that no will is published; what has no answer is lost."""
        await self._upkeep.stop(end_session=self._end_session)

    async def wait_connected(self) -> None:
        """Wait until the subscriptions stand; raises what made the link give up."""
        await self._upkeep.ready.wait()
        if self._upkeep.failure is not None:
            raise self._upkeep.failure

    async def run_until(self, *stops: asyncio.Event, seconds: float | None = None) -> None:
        """Wait until one of `stops` is set or `seconds` are over; raises if the link gave up.

        A link gives up when its session was taken over or a callback raised; a broker that
        is away is tried for ever.
        """
        waits = [asyncio.ensure_future(event.wait()) for event in (*stops, self._upkeep.failed)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self._upkeep.failure is not None:
            raise self._upkeep.failure

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        properties: Properties = NO_PROPERTIES,
    ) -> int:
        """Publish and wait for the broker's answer: PUBACK's reason code, 0 at QoS 0.

        0x10 says that nobody subscribes, 0x80 and above that it was refused: neither is
        delivery. LinkLost: the connection went before the answer, or there is none now.
        """
        return await self.post(topic, payload, qos=qos, retain=retain, properties=properties)

    def post(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        properties: Properties = NO_PROPERTIES,
    ) -> Posted:
        """Publish without waiting; the future is as `publish` says.

        Messages go out in the order of the calls, as the broker's Receive Maximum and the
        transport allow. Raises at once LinkLost when not connected, PacketTooLarge,
        NotOffered, and ValueError for a topic or a property that MQTT cannot carry.
        """
        if qos == 2 and self._opening.session_expiry:  # noqa: PLR2004 - exactly once
            # Its packet id would outlive the connection in the broker's session.
            raise ValueError("QoS 2 needs a link without session expiry")
        message = Outgoing(
            topic=topic, payload=payload, qos=qos, retain=retain, properties=properties
        )
        wire, failure = self._upkeep.wire, self._upkeep.failure
        if wire is None or not wire.open:
            why = "not connected" if failure is None else str(failure)
            raise LinkLost(f"{self.address}: {why}") from failure
        return wire.post(message)

    def acknowledge(self, arrivals: Iterable[Arrival]) -> None:
        """Acknowledge messages, in order of arrival; those of QoS 0 or an earlier epoch pass.

        MQTT has acknowledgements in order: one that is left out holds back all later ones.
        """
        if self._upkeep.wire is not None and self._upkeep.wire.open:
            self._upkeep.wire.acknowledge(arrivals)

    def cut(self, *, hold: bool = False) -> None:
        """Lose the connection without DISCONNECT, as when a network fails; the will is published.

        It comes back by itself; after `hold`, not before `restore`.
        """
        if hold:
            self._upkeep.allowed.clear()
        self._upkeep.cut()

    def restore(self) -> None:
        """Let a link that was cut and held come back, when its backoff says so."""
        self._upkeep.allowed.set()

    async def reconnect(self) -> None:
        """Say DISCONNECT, and connect again as after a loss: a new epoch, a new CONNECT."""
        if self._upkeep.wire is not None and self._upkeep.wire.open:
            await self._upkeep.wire.close(end_session=False)

    def pause_reading(self) -> None:
        """Read nothing for now: for callers that fall behind with QoS 0, which has no window.

        A connection that is lost meanwhile is made again when reading resumes: each brings a
        window of messages at once, and a store that is away may outlast many.
        """
        self._upkeep.listen(on=False)

    def resume_reading(self) -> None:
        """Read again."""
        self._upkeep.listen(on=True)

    def _opened(self, session_present: bool) -> None:
        if self._on_connected is not None:
            self._on_connected(session_present)

    def _arrived(self, arrivals: list[Arrival]) -> None:
        if self._on_arrivals is not None:
            self._on_arrivals(arrivals)


def _nothing() -> None:
    """The link itself has nothing to add."""
