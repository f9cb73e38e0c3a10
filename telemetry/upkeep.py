"""Keeps one connection to a broker up: makes it, watches it, makes it again.

The edge of the link: sockets, TLS, and the waiting between tries. What passes over the
connection is not its business, and after a loss nothing is sent again.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from telemetry.address import Address
from telemetry.backoff import Backoff
from telemetry.certificate_trouble import certificate_trouble
from telemetry.errors import BrokerUnavailable, LinkLost, SessionTakenOver, ShutOut
from telemetry.mqtt_packets import Arrival, Opening
from telemetry.mqtt_wire import Ear, MqttWire
from telemetry.redelivery import NOTHING_LEFT

_BRIEF: Final = 10.0  # seconds
_SUSPICIOUS: Final = 3  # brief connections in a row
_DISPLACED: Final = 1.0  # s, up to twice as many, until one whose place was taken is tried


class Upkeep:
    """The connection as it stands: `wire`, its number `epoch`, and why it was given up.

    `ready` is set while the subscriptions stand, and for good once there is a `failure`: who
    waits must learn of it. `ear` is told what the wire tells.
    """

    def __init__(  # noqa: PLR0913 - one call, in Link
        self,
        address: Address,
        opening: Opening,
        ear: Ear,
        *,
        on_trouble: Callable[[Exception], None],
        backoff: Backoff,
        connect_timeout: float,
        seldom: float | None = None,
    ) -> None:
        self.address = address
        self.wire: MqttWire | None = None
        self.epoch = 0
        self.failure: Exception | None = None
        self.ready = asyncio.Event()
        self.failed = asyncio.Event()
        # Cleared, no connection is made: whoever plays a network that fails does that.
        self.allowed = asyncio.Event()
        self.allowed.set()
        self._opening = opening
        self._ear = ear
        self._on_trouble = on_trouble
        self._backoff = backoff
        self._connect_timeout = connect_timeout
        self._seldom = seldom
        self.shut_out = False
        self._taken = 0  # times in a row that another client took our place
        # Cleared while the caller wants nothing read. No connection is made then: each would
        # bring what the broker sends in one piece with its CONNACK.
        self._listening = asyncio.Event()
        self._listening.set()
        self._patience: asyncio.Timeout | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether messages can be posted now."""
        return self.wire is not None and self.wire.open

    async def start(self) -> None:
        """Connect, BrokerUnavailable if that fails; from then on the connection is kept up."""
        out: Exception | None = None
        try:
            await self._connect()
        except BaseException as error:
            if self.wire is not None:
                self.wire.abort()
            if self._seldom is None or not isinstance(error, ShutOut):
                raise
            out = error
        self._task = asyncio.create_task(self._keep(out), name=f"link {self.address}")

    async def stop(self, *, end_session: bool) -> None:
        """Say DISCONNECT and make no further connection."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self.wire is not None:
            await self.wire.close(end_session=end_session)

    def cut(self) -> None:
        """Lose the connection, as when a network fails."""
        if self.wire is not None:
            self.wire.abort()

    def listen(self, *, on: bool) -> None:
        """Read, or do not; a connection that is lost meanwhile is made again when reading is on."""
        if on:
            self._listening.set()
        else:
            self._listening.clear()
        self._wait_longer()
        if self.wire is not None:
            self.wire.listen(on=on)

    async def _connect(self) -> MqttWire:
        """Make one connection, subscriptions included."""
        before = NOTHING_LEFT if self.wire is None else self.wire.unacknowledged
        wire = self.wire = MqttWire(
            replace(self._opening, clean_start=False) if self.epoch else self._opening,
            epoch=self.epoch + 1,
            where=str(self.address),
            ear=Ear(self._opened, self.ready.set, self._arrived, self._closed),
            before=before,
        )
        try:
            async with asyncio.timeout(self._connect_timeout) as self._patience:
                await self._open(wire)
                await asyncio.shield(wire.ready)
        except TimeoutError as error:
            wire.abort()
            raise _silent(str(self.address), f"{self._connect_timeout:g} s") from error
        except Exception:
            # Not when cancelled: who leaves now says goodbye to the connection that just
            # opened, else the broker would publish the will.
            wire.abort()
            raise
        finally:
            self._patience = None
        return wire

    async def _open(self, wire: MqttWire) -> None:
        loop = asyncio.get_running_loop()
        tls = self._opening.credentials.tls
        context = (tls or ssl.create_default_context()) if self.address.tls else None
        host, port = self.address.host, self.address.port
        try:
            await loop.create_connection(lambda: wire, host, port, ssl=context)
        except OSError as error:
            silent = _silent(where := str(self.address), error.strerror or str(error))
            raise certificate_trouble(where, error) or silent from error
        except RuntimeError as error:  # uvloop's word for one that closed while it opened
            raise _silent(str(self.address), str(error)) from error

    async def _keep(self, error: Exception | None) -> None:
        """Keep the connection that was just made, or make one where that ended in an error."""
        loop = asyncio.get_running_loop()
        delays, brief = self._backoff.delays(), 0
        while True:
            since = loop.time()
            if error is None:
                assert self.wire is not None, "it was just made"
                await asyncio.wait([self.wire.ended])
                error = self.wire.ended.result()
            lived = loop.time() - since
            brief = brief + 1 if lived < _BRIEF else 0
            self._taken = self._taken if lived < _BRIEF else 0
            if lived >= self._backoff.steady:
                delays = self._backoff.delays()
            while error is not None:
                if not self._passing(error):
                    self._give_up(error)
                    return
                seldom = self._out(error)
                if not seldom:
                    self._on_trouble(self._suspect(error) if brief >= _SUSPICIOUS else error)
                await asyncio.sleep(seldom or next(delays))
                await self.allowed.wait()
                await self._listening.wait()
                try:
                    await self._connect()
                    self.shut_out, error = False, None
                except Exception as failed:  # noqa: BLE001 - told apart at the loop's head
                    error = failed

    def _passing(self, error: Exception) -> bool:
        """Whether trying again may help: not against a twin, nor a fault of the caller's."""
        if isinstance(error, SessionTakenOver):
            return self._seldom is not None
        return isinstance(error, LinkLost | BrokerUnavailable)

    def _out(self, error: Exception) -> float:
        """Seconds to wait of one that is displaced or shut out, which is told once; else 0."""
        if self._seldom is None or not isinstance(error, ShutOut | SessionTakenOver):
            return 0.0
        self._taken += isinstance(error, SessionTakenOver)
        jitter = 1 + self._backoff.chance()
        if isinstance(error, SessionTakenOver) and self._taken < _SUSPICIOUS:
            return min(_DISPLACED, self._seldom) * jitter
        if not self.shut_out:
            self.shut_out = True
            self._on_trouble(error)
        return self._seldom * jitter

    def _suspect(self, error: Exception) -> Exception:
        """Name the likely cause of many brief connections: Mosquitto 2.0 tells it to nobody."""
        name = self._opening.client_id
        return LinkLost(f"{error}; again and again: does another client call itself {name!r}?")

    def _give_up(self, error: Exception) -> None:
        self._on_trouble(error)
        self.failure = error
        self.failed.set()
        self.ready.set()

    def _wait_longer(self) -> None:
        """Give a broker that is busy with us, or that we do not read, its whole time anew.

        It may send all that it kept for us before it answers SUBSCRIBE.
        """
        if self._patience is None or not self.connected or self._patience.expired():
            return
        until = asyncio.get_running_loop().time() + self._connect_timeout
        self._patience.reschedule(until if self._listening.is_set() else None)

    def _opened(self, session_present: bool) -> None:
        self.epoch += 1
        if not self._listening.is_set() and self.wire is not None:
            self.wire.listen(on=False)
        self._ear.opened(session_present)

    def _arrived(self, arrivals: list[Arrival]) -> None:
        self._wait_longer()
        self._ear.arrived(arrivals)

    def _closed(self) -> None:
        if self.failure is None:
            self.ready.clear()
        self._ear.closed()


def _silent(where: str, reason: str) -> BrokerUnavailable:
    return BrokerUnavailable(
        f"no broker answers at {where} ({reason}); is it running, and is the address right?"
    )
