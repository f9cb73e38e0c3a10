"""A broker that machines speak to, by MQTT 3.1.1 or 5: paho-mqtt on the event loop. Edge.

Nothing is acknowledged before `settle` (paho's `manual_ack`), and never over another connection
than the one it came by: packet identifiers belong to theirs. The broker keeps the session, so
what comes while the gateway is away waits there, as far as the broker's own limits go. QoS 1 at
the most: of QoS 2 paho answers PUBREC by itself, before anything is durable.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.errors import SourceUnavailable
from gateway.heard import Heard
from telemetry.address import Address, Credentials
from telemetry.backoff import Backoff

KEEP_ALIVE: Final = 30
_AT_ONCE: Final = 64  # packets of one read
_FOR_EVER: Final = 0xFFFFFFFF
_CONNECT_WITHIN: Final = 10.0  # s
_LOOK: Final = 1.0  # s
_log = structlog.get_logger(__name__)


class MqttSource:
    """One client at the machines' broker, kept up; `losses` counts connections that ended."""

    def __init__(  # noqa: PLR0913 - a broker and what is asked of it, all keywords
        self,
        address: Address,
        *,
        client_id: str,
        filters: Sequence[tuple[str, int]],
        credentials: Credentials,
        version: str = "3.1.1",
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
    ) -> None:
        self._address, self._filters, self._backoff = address, list(filters), backoff
        self._new = version == "5"
        session: dict[str, Any] = {} if self._new else {"clean_session": False}
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=mqtt.MQTTv5 if self._new else mqtt.MQTTv311,
            manual_ack=True,
            **session,
        )
        if credentials.username is not None:
            self._client.username_pw_set(credentials.username, credentials.password)
        if address.tls:
            self._client.tls_set_context(credentials.tls or ssl.create_default_context())
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._message
        self._client.on_disconnect = self._disconnected
        self._client.on_socket_close = self._closing
        self._client.on_socket_register_write = self._ask_to_write
        self._client.on_socket_unregister_write = self._written
        self._hear: Callable[[Sequence[Heard]], None] = lambda _heard: None
        self._forget: Callable[[], None] = lambda: None
        self._found: list[Heard] = []
        self._fd = -1
        self._epoch = 0
        self._asked = False
        self._why = ""
        self._standing: asyncio.Future[None] | None = None
        self._gone = asyncio.Event()
        self.losses = 0

    async def start(
        self, hear: Callable[[Sequence[Heard]], None], forget: Callable[[], None]
    ) -> None:
        """Connect and subscribe; SourceUnavailable says why not."""
        self._hear, self._forget = hear, forget
        await self._connect()

    async def run(self) -> None:
        """Keep it up, for ever."""
        delays = self._backoff.delays()
        while True:
            since = time.monotonic()
            await self._watch()
            self.losses += 1
            _log.warning(
                "source lost", source=str(self._address), why=self._why, then="it is tried again"
            )
            if time.monotonic() - since >= self._backoff.steady:
                delays = self._backoff.delays()
            while True:
                await asyncio.sleep(next(delays))
                try:
                    await self._connect()
                except SourceUnavailable as error:
                    _log.warning("source unavailable", source=str(self._address), why=str(error))
                else:
                    break
            _log.info("source back", source=str(self._address))

    def settle(self, heard: Sequence[Heard]) -> None:
        """Send PUBACK for what came over the present connection; what is older comes again."""
        if self._fd < 0:
            return
        for one in heard:
            if one.number and one.epoch == self._epoch:
                self._client.ack(one.number, 1)
        self._write()

    async def close(self) -> None:
        """Say DISCONNECT; the broker keeps the session."""
        if self._fd >= 0:
            self._client.disconnect()
            self._write()
            self._leave()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        self._gone.clear()
        self._why = "the connection ended"
        self._standing = loop.create_future()
        self._epoch += 1
        try:
            # Name resolution, TCP and TLS block; nothing else touches the client meanwhile.
            await asyncio.to_thread(self._open)
            self._fd = self._number()
            loop.add_reader(self._fd, self._readable)
            self._write()
            async with asyncio.timeout(_CONNECT_WITHIN):
                await self._standing
        except TimeoutError as error:
            self._leave()
            raise SourceUnavailable(f"{self._address} does not answer") from error
        except (OSError, ValueError) as error:
            self._leave()
            said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise SourceUnavailable(
                f"no source broker answers at {self._address} ({said}); is it running, and is the "
                "address right?"
            ) from error
        except SourceUnavailable:
            self._leave()
            raise

    def _number(self) -> int:
        """The file descriptor of a connection that was just opened."""
        socket = self._client.socket()
        if socket is None:
            raise SourceUnavailable(f"{self._address}: the connection ended at once")
        return int(socket.fileno())

    def _open(self) -> None:
        more: dict[str, Any] = {}
        if self._new:
            kept = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            kept.SessionExpiryInterval = _FOR_EVER
            more = {"clean_start": False, "properties": kept}
        self._client.connect(self._address.host, self._address.port, KEEP_ALIVE, **more)

    async def _watch(self) -> None:
        """Until the connection is gone; alive meanwhile."""
        while not self._gone.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    await self._gone.wait()
            if not self._gone.is_set():
                self._client.loop_misc()
                # What TLS has decrypted already wakes no selector.
                self._readable()

    def _readable(self) -> None:
        """Read what is there, a packet at a time, and hand it on together."""
        for _ in range(_AT_ONCE):
            before = len(self._found)
            try:
                self._client.loop_read()
            except Exception as error:  # noqa: BLE001 - paho raises what it stumbled over
                # No MQTT: a topic that is no UTF-8, say. Who receives it closes (MQTT 1.5.4).
                self._why = f"it sent what is no MQTT: {error}"
                self._fail(f"{self._address} sent what is no MQTT: {error}")
                self._leave()
                break
            if self._fd < 0 or len(self._found) == before:
                break
        self._write()
        if self._found:
            found, self._found = self._found, []
            self._hear(found)

    def _write(self) -> None:
        if self._fd >= 0 and self._client.want_write():
            self._client.loop_write()

    def _ask_to_write(self, *_: object) -> None:
        if self._fd >= 0:
            asyncio.get_running_loop().add_writer(self._fd, self._write)

    def _written(self, *_: object) -> None:
        if self._fd >= 0:
            asyncio.get_running_loop().remove_writer(self._fd)

    def _closing(self, *_: object) -> None:
        """Paho is about to close its socket: the loop must forget the number first."""
        if self._fd >= 0:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._fd)
            loop.remove_writer(self._fd)
            self._fd = -1

    def _leave(self) -> None:
        """Close without waiting: paho has no other way than its own end of the connection."""
        socket = self._client.socket()
        self._closing()
        if socket is not None:
            socket.close()
        self._gone.set()

    def _connected(
        self, client: mqtt.Client, _data: object, flags: Any, code: ReasonCode, _properties: object
    ) -> None:
        if code.is_failure:
            self._fail(f"{self._address} refuses this client: {code}")
            return
        if not flags.session_present:
            # It counts packet identifiers anew: what comes with DUP is of this session.
            self._forget()
        # Subscriptions are the session's: asked again, a broker would send all that it retains.
        if self._asked and flags.session_present:
            self._stand()
            return
        if self._asked:
            _log.warning("source forgot its session", source=str(self._address))
        if self._new:
            client.subscribe([(one, _options(qos)) for one, qos in self._filters])
        else:
            client.subscribe(self._filters)

    def _subscribed(
        self,
        _client: mqtt.Client,
        _data: object,
        _mid: int,
        codes: list[ReasonCode],
        *_more: object,
    ) -> None:
        for (pattern, _qos), code in zip(self._filters, codes, strict=False):
            if code.is_failure:
                self._fail(f"{self._address} does not let this client hear {pattern!r}: {code}")
                return
        self._asked = True
        self._stand()

    def _stand(self) -> None:
        if self._standing is not None and not self._standing.done():
            self._standing.set_result(None)

    def _fail(self, why: str) -> None:
        if self._standing is not None and not self._standing.done():
            self._standing.set_exception(SourceUnavailable(why))

    def _disconnected(self, *_: object) -> None:
        self._fail(f"{self._address} ended the connection")
        self._gone.set()

    def _message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        marks: dict[str, Any] = {"qos": message.qos}
        if message.retain:
            marks["retained"] = True
        self._found.append(
            Heard(
                topic=message.topic,
                payload=bytes(message.payload),
                received=time.time_ns() // 1000,
                again=bool(message.dup),
                number=message.mid if message.qos else 0,
                epoch=self._epoch,
                marks=marks,
            )
        )


def _options(qos: int) -> SubscribeOptions:
    """No echo of our own, and what is retained only where the subscription is new."""
    new = SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
    return SubscribeOptions(qos=qos, noLocal=True, retainAsPublished=True, retainHandling=new)
