"""An OPC UA server that machines are read from: asyncua, an extra. Edge.

Each change of a node is one message: its DataValue in the binary encoding (OPC 10000-6, 5.2) is
what is hashed. A value whose StatusCode is not good is signed as such and is no number. OPC UA
waits for no acknowledgement of ours: what changes while the gateway is away is what the server's
queues keep of it, which after a new session is nothing.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from gateway.errors import SourceUnavailable
from gateway.heard import Heard, Values
from gateway.mapping import OpcUaServer
from telemetry.backoff import Backoff
from telemetry.canonical import END_OF_TIME
from telemetry.errors import NotInstalled

try:
    from asyncua.client.client import Client
    from asyncua.ua import Double, StatusCode, UInt32
    from asyncua.ua.ua_binary import struct_to_binary
    from asyncua.ua.uaerrors import UaError
except ImportError as error:
    raise NotInstalled(
        "a mapping with [opcua] needs asyncua: pip install 'factoryledger[opcua]'"
    ) from error

QUEUE: Final = 1000
"""Changes of one node that the server keeps between two publications."""
_WITHIN: Final = 10.0  # s
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_log = structlog.get_logger(__name__)


class OpcUaSource:
    """One session with a server and a subscription of all nodes, made again when it is lost.

    A new client for each session: one that lost its connection may hang when it connects again.
    """

    def __init__(
        self,
        server: OpcUaServer,
        nodes: Sequence[str],
        password: str | None = None,
        backoff: Backoff = Backoff(first=0.5, limit=30.0),  # noqa: B008 - frozen
    ) -> None:
        self._server, self._nodes, self._password = server, list(nodes), password
        self._backoff = backoff
        self._hear: Callable[[Sequence[Heard]], None] = lambda _heard: None
        self._names: dict[Any, str] = {}
        self._client: Client | None = None
        self._lost = asyncio.Event()
        self._fault: Exception | None = None
        self.losses = 0
        # It tells of every loss by itself, with tracebacks; what matters is said here.
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)

    async def start(
        self, hear: Callable[[Sequence[Heard]], None], _forget: Callable[[], None]
    ) -> None:
        """Connect and subscribe; SourceUnavailable says why not. Nothing here comes again."""
        self._hear = hear
        await self._connect()

    async def run(self) -> None:
        """Keep it up, for ever."""
        delays = self._backoff.delays()
        while True:
            since = time.monotonic()
            await self._watch()
            if self._fault is not None:
                raise self._fault
            self.losses += 1
            _log.warning("source lost", source=self._server.url, then="it is tried again")
            if time.monotonic() - since >= self._backoff.limit:
                delays = self._backoff.delays()
            await self._leave()
            while True:
                await asyncio.sleep(next(delays))
                try:
                    await self._connect()
                except SourceUnavailable as error:
                    _log.warning("source unavailable", source=self._server.url, why=str(error))
                else:
                    break
            _log.info("source back", source=self._server.url)

    def settle(self, heard: Sequence[Heard]) -> None:
        """Nobody waits for it."""

    async def close(self) -> None:
        """End the session."""
        await self._leave()

    def datachange_notification(self, node: Any, _value: object, data: Any) -> None:
        """Hear one change; asyncua calls it in the event loop, and would pass over what it raises.

        A value that was not taken must not be one that nobody misses: it ends the gateway.
        """
        try:
            self._take(node, data)
        except Exception as error:  # noqa: BLE001 - raised again in `run`
            self._fault = error
            self._lost.set()

    def _take(self, node: Any, data: Any) -> None:
        value: Any = data.monitored_item.Value
        code = 0 if value.StatusCode is None else int(value.StatusCode.value)
        variant = value.Value
        self._hear(
            [
                Heard(
                    topic=self._names.get(node.nodeid, node.nodeid.to_string()),
                    payload=bytes(struct_to_binary(value)),
                    received=time.time_ns() // 1000,
                    marks={"status": code},
                    values=Values(
                        value=None if variant is None else variant.Value,
                        time=_microseconds(value.SourceTimestamp),
                        good=StatusCode(UInt32(code)).is_good(),
                    ),
                )
            ]
        )

    def status_change_notification(self, _status: object) -> None:
        """The server ended the subscription."""
        self._lost.set()

    async def _connect(self) -> None:
        self._lost.clear()
        client = self._client = Client(self._server.url)
        if self._server.user is not None:
            client.set_user(self._server.user)
            client.set_password(self._password or "")
        try:
            async with asyncio.timeout(_WITHIN):
                await client.connect()
                await self._subscribe(client)
        except (OSError, TimeoutError, UaError, ValueError) as error:
            await self._leave()
            raise SourceUnavailable(
                f"{self._server.url}: {_said(error)}; is the server running, and does it know this "
                "node?"
            ) from error

    async def _subscribe(self, client: Client) -> None:
        wanted = [client.get_node(one) for one in self._nodes]
        self._names = {node.nodeid: name for node, name in zip(wanted, self._nodes, strict=True)}
        subscription = await client.create_subscription(self._server.interval, self)
        for name, node in zip(self._nodes, wanted, strict=True):
            try:
                await subscription.subscribe_data_change(
                    node, queuesize=QUEUE, sampling_interval=Double(self._server.interval)
                )
            except UaError as error:
                raise ValueError(f"{name}: {_said(error)}") from error

    async def _watch(self) -> None:
        """Until the session is gone."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._lost.wait()
            if self._lost.is_set():
                return
            try:
                assert self._client is not None, "connected before it is watched"
                await self._client.check_connection()
            except Exception:  # noqa: BLE001 - whatever it is, there is no session any more
                return

    async def _leave(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            # A session that is gone cannot be closed in order, and there is nothing to do then.
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_WITHIN):
                    await client.disconnect()


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _microseconds(moment: datetime | None) -> int | None:
    """Since the epoch; None where no message of ours could say it."""
    if moment is None:
        return None
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    found = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return found if 0 <= found < END_OF_TIME else None
