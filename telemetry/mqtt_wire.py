"""One TCP or TLS connection to a broker: an asyncio protocol around an `MqttSession`.

The edge of the session: it moves bytes, turns tokens into futures and keeps the timer. What
is written in one turn of the loop leaves in one piece.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast

from telemetry.certificate_trouble import certificate_trouble
from telemetry.errors import BrokerUnavailable, LinkLost, SessionTakenOver
from telemetry.mqtt_events import Arrived, Closed, Event, Opened, Settled, Subscribed
from telemetry.mqtt_packets import Arrival, Opening, Outgoing
from telemetry.mqtt_session import MqttSession
from telemetry.redelivery import NOTHING_LEFT, Left

_TAKEN_OVER = 0x8E
_GOODBYE = 1.0  # seconds for the broker to close after DISCONNECT

Posted = asyncio.Future[int]


@dataclass(frozen=True, slots=True)
class Ear:
    """Who listens to a connection; an exception raised there ends the connection.

    `opened`: CONNACK took us, messages may be posted; the argument is whether the broker
    kept the session. `ready`: the subscriptions stand. `arrived`: all messages of one read,
    in order. `closed`: an opened connection is no more.
    """

    opened: Callable[[bool], None]
    ready: Callable[[], None]
    arrived: Callable[[list[Arrival]], None]
    closed: Callable[[], None]


class MqttWire(asyncio.Protocol):
    """One connection, from CONNECT to its end; used once.

    `ready` is done when the subscriptions stand, or holds the error that prevented it.
    `ended` gives the error that ended the connection: a LinkLost, a ShutOut, or what a callback
    raised.
    """

    def __init__(
        self,
        opening: Opening,
        *,
        epoch: int,
        where: str,
        ear: Ear,
        before: Left = NOTHING_LEFT,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._session: MqttSession[Posted] = MqttSession(
            opening, epoch=epoch, now=self._loop.time(), before=before
        )
        self._where = where
        self._ear = ear
        self._transport: asyncio.Transport | None = None
        self._flush_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._cause: Exception | None = None
        self._listening = True
        self._leaving = False
        self.open = False
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.ended: asyncio.Future[Exception] = self._loop.create_future()

    @property
    def unacknowledged(self) -> Left:
        """What the next connection may bring again, once this one has ended."""
        return self._session.unacknowledged

    def post(self, message: Outgoing) -> Posted:
        """Send as soon as it may go; the errors are those of `MqttSession.post`."""
        posted: Posted = self._loop.create_future()
        self._session.post(message, posted)
        self._flush_soon()
        return posted

    def acknowledge(self, arrivals: Iterable[Arrival]) -> None:
        """Acknowledge; what came on another connection is passed over."""
        self._session.acknowledge(arrivals)
        self._flush_soon()

    def listen(self, *, on: bool) -> None:
        """Read on, or read nothing for now: the broker then holds back what comes."""
        self._listening = on
        transport = self._transport
        if transport is None or transport.is_closing() or transport.is_reading() == on:
            return
        if on:
            transport.resume_reading()
        else:
            transport.pause_reading()

    async def close(self, *, end_session: bool) -> None:
        """Say DISCONNECT, and wait until the broker has closed so that it was read."""
        if not self.open:
            self.abort()
        if self._transport is None:
            return
        self._leaving = True
        self._session.disconnect(end_session=end_session)
        self._flush()
        self.listen(on=True)
        done, _ = await asyncio.wait([self.ended], timeout=_GOODBYE)
        if not done:
            self.abort()
            await asyncio.wait([self.ended], timeout=_GOODBYE)

    def abort(self) -> None:
        """Cut the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send CONNECT."""
        # Not asserted: uvloop's transport behaves as an asyncio.Transport and is none by class.
        self._transport = cast("asyncio.Transport", transport)
        if met_itself(transport):
            self.abort()
            return
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take bytes; answers to them leave in one piece."""
        self._session.receive(data, self._loop.time())
        self._flush()

    def pause_writing(self) -> None:
        """The broker reads too slowly: no further message goes out."""
        self._session.hold()

    def resume_writing(self) -> None:
        """It caught up."""
        self._session.release()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """End: every message without an answer is lost to its sender."""
        why = str(exc) if exc else "the broker closed the connection"
        trouble = self._cause or certificate_trouble(self._where, exc)
        error = trouble or LinkLost(f"{self._where}: {why}")
        self._session.lost()
        self._shut()
        lost = error if isinstance(error, LinkLost) else LinkLost(str(error))
        for posted in self._session.unsettled:
            if not posted.done():
                posted.set_exception(lost)
                posted.exception()  # a sender that looks away is no fault
        if not self.ready.done():
            self.ready.set_exception(_unavailable(error))
            self.ready.exception()
        if not self.ended.done():
            self.ended.set_result(error)

    def _flush_soon(self) -> None:
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        self._write()
        for event in self._session.events():
            try:
                self._tell(event)
            except Exception as error:  # noqa: BLE001 - the ear's fault must end the link loudly
                self._end(error)

    def _write(self) -> None:
        if self._transport is None:
            return
        while data := self._session.outgoing(self._loop.time()):
            if not self._transport.is_closing():
                self._transport.write(data)  # may call `pause_writing`

    def _tell(self, event: Event[Posted]) -> None:
        match event:
            case Settled(posted, code):
                if not posted.done():
                    posted.set_result(code)
            case Arrived(arrivals):
                self._ear.arrived(arrivals)
            case Opened(session_present):
                self.open = True
                self._ear.opened(session_present)
                self._beat()
            case Subscribed():
                self.ready.set_result(None)
                self._ear.ready()
            case Closed():
                self._end(self._error_of(event))

    def _error_of(self, closed: Closed) -> Exception:
        reason = f"{self._where}: {closed.reason}"
        if closed.code == _TAKEN_OVER and not closed.refused:
            return SessionTakenOver(f"{reason}; another client with this client id is running")
        return BrokerUnavailable(reason) if closed.refused else LinkLost(reason)

    def _end(self, error: Exception) -> None:
        self._cause = self._cause or error
        self._shut()
        if self._transport is not None and not self._leaving:
            self._transport.close()
            # What a dead broker does not take would keep the connection half closed for good.
            self._timer = self._loop.call_later(_GOODBYE, self.abort)

    def _shut(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self.open:
            self.open = False
            self._ear.closed()

    def _beat(self) -> None:
        delay = self._session.beat(self._loop.time(), listening=self._listening)
        self._flush()
        if delay is not None:
            self._timer = self._loop.call_later(delay, self._beat)


def met_itself(transport: asyncio.BaseTransport) -> bool:
    """Whether the connection is one of a socket with itself.

    TCP's simultaneous open makes one where nobody listens on a port of the range that the
    system gives to clients. It would keep that port from the broker that wants it back.
    """
    own = transport.get_extra_info("sockname")
    return own is not None and own == transport.get_extra_info("peername")


def _unavailable(error: Exception) -> Exception:
    if isinstance(error, LinkLost) and not isinstance(error, SessionTakenOver):
        return BrokerUnavailable(str(error))
    return error
