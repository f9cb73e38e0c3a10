"""The MQTT link: a connection that comes back by itself, acknowledgement in the caller's hands.

Each time it connects is an epoch; packet ids and unanswered messages end with theirs. It never
acknowledges and never sends again by itself: what to do about a loss, the caller knows.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from telemetry.address import NOBODY, Address, Credentials
from telemetry.backoff import Backoff
from telemetry.errors import BrokerUnavailable, LinkLost, SessionTakenOver
from telemetry.mqtt_packets import Arrival, Opening, Outgoing, Subscription, Will
from telemetry.mqtt_wire import Ear, MqttWire, Posted
from telemetry.properties import NO_PROPERTIES, Properties

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

_BRIEF: Final = 10.0  # seconds
_SUSPICIOUS: Final = 3  # brief connections in a row
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
    for ever; `end_session` ends the broker's session at a clean exit. `mqtts` uses `tls`, by
    default the system's certificates.
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
        will: Will | None = None,
        clean_start: bool = False,
        session_expiry: int = 0,
        end_session: bool = False,
        keep_alive: int = 30,
        receive_maximum: int = 1024,
        maximum_packet_size: int | None = None,
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
        connect_timeout: float = 10.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.address = address
        self.epoch = 0
        self._opening = Opening(
            client_id=client_id,
            credentials=Credentials(username, password),
            subscriptions=tuple(subscriptions),
            will=will,
            clean_start=clean_start,
            session_expiry=session_expiry,
            keep_alive=keep_alive,
            receive_maximum=receive_maximum,
            maximum_packet_size=maximum_packet_size,
        )
        self._opening.connect()  # a field that cannot be encoded is the caller's error, now
        self._on_arrivals = on_arrivals
        self._on_connected = on_connected
        self._on_trouble = on_trouble
        self._end_session = end_session
        self._backoff = backoff
        self._connect_timeout = connect_timeout
        self._tls = tls
        self._wire: MqttWire | None = None
        self._listening = True
        self._failure: Exception | None = None
        self._ready = asyncio.Event()  # set by failure too: who waits must learn of it
        self._failed = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether messages can be posted now."""
        return self._wire is not None and self._wire.open

    async def __aenter__(self) -> Self:
        """Connect and subscribe; BrokerUnavailable names the address and what to try."""
        try:
            wire = await self._connect()
        except BaseException:
            if self._wire is not None:
                self._wire.abort()
            raise
        self._keeper = asyncio.create_task(self._keep_connected(wire), name=f"link {self.address}")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Say DISCONNECT, so that no will is published; what has no answer is lost."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        if self._wire is not None:
            await self._wire.close(end_session=self._end_session)

    async def wait_connected(self) -> None:
        """Wait until the subscriptions stand; raises what made the link give up."""
        await self._ready.wait()
        if self._failure is not None:
            raise self._failure

    async def run_until(self, *stops: asyncio.Event, seconds: float | None = None) -> None:
        """Wait until one of `stops` is set or `seconds` are over; raises if the link gave up.

        A link gives up when its session was taken over or a callback raised; a broker that
        is away is tried for ever.
        """
        waits = [asyncio.ensure_future(event.wait()) for event in (*stops, self._failed)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self._failure is not None:
            raise self._failure

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
        if self._failure is not None:
            raise LinkLost(f"{self.address}: {self._failure}") from self._failure
        if self._wire is None or not self._wire.open:
            raise LinkLost(f"{self.address}: not connected")
        return self._wire.post(message)

    def acknowledge(self, arrivals: Iterable[Arrival]) -> None:
        """Acknowledge messages, in order of arrival; those of QoS 0 or an earlier epoch pass.

        MQTT has acknowledgements in order: one that is left out holds back all later ones.
        """
        if self._wire is not None and self._wire.open:
            self._wire.acknowledge(arrivals)

    def pause_reading(self) -> None:
        """Read nothing for now: for callers that fall behind with QoS 0, which has no window."""
        self._listening = False
        if self._wire is not None:
            self._wire.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._listening = True
        if self._wire is not None:
            self._wire.resume_reading()

    async def _connect(self) -> MqttWire:
        """Make one connection, subscriptions included; BrokerUnavailable if that fails."""
        wire = self._wire = MqttWire(
            replace(self._opening, clean_start=False) if self.epoch else self._opening,
            epoch=self.epoch + 1,
            where=str(self.address),
            ear=Ear(self._opened, self._ready.set, self._arrived, self._closed),
        )
        try:
            async with asyncio.timeout(self._connect_timeout):
                await self._open(wire)
                await asyncio.shield(wire.ready)
        except TimeoutError as error:
            wire.abort()
            raise _silent(str(self.address), f"{self._connect_timeout:g} s") from error
        except Exception:
            wire.abort()
            raise
        # Not when cancelled: who leaves now says goodbye to the connection that just opened,
        # else the broker would publish the will.
        return wire

    async def _open(self, wire: MqttWire) -> None:
        loop = asyncio.get_running_loop()
        context = (self._tls or ssl.create_default_context()) if self.address.tls else None
        host, port = self.address.host, self.address.port
        try:
            await loop.create_connection(lambda: wire, host, port, ssl=context)
        except OSError as error:
            raise _silent(str(self.address), error.strerror or str(error)) from error

    async def _keep_connected(self, wire: MqttWire) -> None:
        loop = asyncio.get_running_loop()
        delays, brief = self._backoff.delays(), 0
        while True:
            since = loop.time()
            await asyncio.wait([wire.ended])
            error = wire.ended.result()
            lived = loop.time() - since
            brief = brief + 1 if lived < _BRIEF else 0
            if lived >= self._backoff.steady:
                delays = self._backoff.delays()
            while True:
                if not _passing(error):
                    self._give_up(error)
                    return
                self._on_trouble(self._suspect(error) if brief >= _SUSPICIOUS else error)
                await asyncio.sleep(next(delays))
                try:
                    wire = await self._connect()
                    break
                except Exception as failed:  # noqa: BLE001 - told apart at the loop's head
                    error = failed

    def _suspect(self, error: Exception) -> Exception:
        """Name the likely cause of many brief connections: Mosquitto 2.0 tells it to nobody."""
        name = self._opening.client_id
        return LinkLost(f"{error}; again and again: does another client call itself {name!r}?")

    def _give_up(self, error: Exception) -> None:
        self._on_trouble(error)
        self._failure = error
        self._failed.set()
        self._ready.set()

    def _opened(self, session_present: bool) -> None:
        self.epoch += 1
        if not self._listening and self._wire is not None:
            self._wire.pause_reading()
        if self._on_connected is not None:
            self._on_connected(session_present)

    def _arrived(self, arrivals: list[Arrival]) -> None:
        if self._on_arrivals is not None:
            self._on_arrivals(arrivals)

    def _closed(self) -> None:
        if self._failure is None:
            self._ready.clear()


def _passing(error: Exception) -> bool:
    """Whether trying again may help: not against a twin, nor against a fault of the caller's."""
    lost = isinstance(error, LinkLost | BrokerUnavailable)
    return lost and not isinstance(error, SessionTakenOver)


def _silent(where: str, reason: str) -> BrokerUnavailable:
    return BrokerUnavailable(
        f"no broker answers at {where} ({reason}); is it running, and is the address right?"
    )
