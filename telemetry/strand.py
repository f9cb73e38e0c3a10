"""One client's connection in a bundle of many: an asyncio protocol around an `MqttSession`.

Made anew as often as it is lost; each time it stands is an epoch. It has no task, no future
and no timer of its own: the bundle keeps time for all. Acknowledgements wait for the next
message, or the bundle's next look, so that both leave in one piece.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final, Protocol, cast

from telemetry.certificate_trouble import certificate_trouble
from telemetry.errors import BrokerUnavailable, LinkLost, SessionTakenOver
from telemetry.mqtt_events import Arrived, Closed, Settled, Subscribed
from telemetry.mqtt_packets import Arrival, Opening, Outgoing
from telemetry.mqtt_session import MqttSession
from telemetry.mqtt_wire import met_itself
from telemetry.properties import NO_PROPERTIES, Properties

_TAKEN_OVER: Final = 0x8E
_NOWHERE: Final[tuple[Arrival, ...]] = ()


class Ear(Protocol):
    """Who listens to a strand; an exception raised there ends the bundle loudly."""

    def ready(self) -> None:
        """A connection and its subscriptions stand; what an earlier one did not settle is lost."""

    def take(self, arrivals: list[Arrival]) -> None:
        """All messages of one read, in order."""

    def settled(self, token: Any, code: int) -> None:
        """The broker's answer to the message posted with `token`: PUBACK's reason code."""

    def tick(self, now: float) -> None:
        """The bundle's regular look, in seconds of the event loop's clock."""


class Holder(Protocol):
    """Who holds strands together: the bundle."""

    @property
    def where(self) -> str:
        """The broker's address, for people."""

    def now(self) -> float:
        """The event loop's clock."""

    def write_soon(self, strand: "Strand") -> None:
        """Let the strand write when this turn of the loop is over."""

    def stands(self, strand: "Strand") -> None:
        """Take note that its subscriptions stand."""

    def lost(self, strand: "Strand", error: Exception, *, stood: bool) -> None:
        """Take note that its connection is gone."""

    def bring_back(self, strand: "Strand") -> None:
        """Connect a strand that was held."""

    def abort_later(self, transport: asyncio.Transport) -> None:
        """Cut a connection that is closing, where the broker does not take what is left."""

    def fail(self, error: Exception) -> None:
        """Give up: nothing that is tried again would help."""


class Strand(asyncio.Protocol):
    """One client of the bundle. `ready`: messages may be posted; `epoch` counts connections."""

    __slots__ = (
        "_acknowledged", "_cause", "_holder", "_session", "_transport",
        "allowed", "brief", "dirty", "ear", "epoch", "opening", "queued", "ready", "refused",
        "shut_out", "since", "standing", "taken", "tries",
    )  # fmt: skip

    def __init__(self, holder: Holder, opening: Opening, ear: Ear) -> None:
        self._holder = holder
        self._session: MqttSession[Any] | None = None
        self._transport: asyncio.Transport | None = None
        self._acknowledged: Iterable[Arrival] = _NOWHERE
        self._cause: Exception | None = None
        self.opening = opening
        self.ear = ear
        self.epoch = 0
        self.ready = False
        self.refused = False  # the last CONNECT was
        self.dirty = False  # has something to write, and stands in the bundle's list
        self.shut_out = False  # the broker will not have it: it is tried seldom
        # What the bundle keeps about it: whether it may connect, whether it is queued for that,
        # tries that failed in a row, brief connections in a row and those of them that another
        # client ended, when it was connected, who waits for that.
        self.allowed = True
        self.queued = False
        self.tries = self.brief = self.taken = 0
        self.since = 0.0
        self.standing: asyncio.Future[None] | None = None

    def post(
        self,
        topic: str,
        payload: bytes,
        token: object,
        *,
        retain: bool = False,
        properties: Properties = NO_PROPERTIES,
    ) -> None:
        """Publish at QoS 1; `Ear.settled` gets the token, which is not None.

        The errors are those of `Link.post`.
        """
        if self._session is None or not self.ready:
            raise LinkLost(f"{self._holder.where}: not connected")
        message = Outgoing(topic=topic, payload=payload, retain=retain, properties=properties)
        self._session.post(message, token)
        if not self.dirty:
            self._holder.write_soon(self)

    def acknowledge(self, arrivals: Iterable[Arrival]) -> None:
        """Acknowledge messages, in order of arrival, with what is written next."""
        waiting = self._acknowledged
        self._acknowledged = arrivals if waiting is _NOWHERE else [*waiting, *arrivals]

    def cut(self, *, hold: bool = False) -> None:
        """Lose the connection without DISCONNECT; after `hold` it comes back with `restore`."""
        if hold:
            self.allowed = False
        self.abort()

    def restore(self) -> None:
        """Let a strand that was cut and held come back."""
        if not self.allowed:
            self.allowed = True
            self._holder.bring_back(self)

    @property
    def idle(self) -> bool:
        """Whether there is no connection at all, not even one that opens or ends."""
        return self._transport is None and self.standing is None

    @property
    def ending(self) -> bool:
        """Whether a connection that does not stand is still there, to go soon."""
        return self._transport is not None and self.standing is None and not self.ready

    def abort(self) -> None:
        """Cut the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    def leave(self) -> None:
        """Say DISCONNECT, so that no will is published; the broker then closes."""
        if self._session is not None:
            self._acknowledge_now()
            self._session.disconnect()
            self.write()

    def look(self, now: float) -> None:
        """Keep alive, acknowledge what waits, and let the ear look."""
        session = self._session
        if session is not None and self.ready:
            session.beat(now)
            if self._acknowledged is not _NOWHERE or session.pending:
                self.write()
            self._hear()
        try:
            self.ear.tick(now)
        except Exception as error:  # noqa: BLE001 - as in `_hear`; no look would come after it
            self._holder.fail(error)

    def write(self) -> None:
        """Write all that there is to write."""
        self.dirty = False
        session, transport = self._session, self._transport
        if session is None or transport is None:
            return
        if self._acknowledged is not _NOWHERE:
            self._acknowledge_now()
        now = self._holder.now()
        while data := session.outgoing(now):
            if not transport.is_closing():
                transport.write(data)  # may call `pause_writing`

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send CONNECT."""
        # Not asserted: uvloop's transport behaves as an asyncio.Transport and is none by class.
        self._transport = cast("asyncio.Transport", transport)
        self._cause, self._acknowledged, self.refused = None, _NOWHERE, False
        if met_itself(transport):
            self.abort()
            return
        self._session = MqttSession(self.opening, epoch=self.epoch + 1, now=self._holder.now())
        self.write()

    def data_received(self, data: bytes) -> None:
        """Take bytes, and tell the ear what they say."""
        session = self._session
        if session is not None:
            session.receive(data, self._holder.now())
            if session.pending:
                self.write()
            self._hear()

    def pause_writing(self) -> None:
        """The broker reads too slowly: no further message goes out."""
        if self._session is not None:
            self._session.hold()

    def resume_writing(self) -> None:
        """It caught up."""
        if self._session is not None:
            self._session.release()
            self.write()

    def connection_lost(self, exc: Exception | None) -> None:
        """End: what was not settled is lost to its sender, who sends again on the next one."""
        why, where = str(exc) if exc else "the broker closed the connection", self._holder.where
        trouble = self._cause or certificate_trouble(where, exc)
        error = trouble or LinkLost(f"{where}: {why}")
        self._session = self._transport = None
        self._acknowledged = _NOWHERE
        stood, self.ready = self.ready, False
        if self.standing is not None and not self.standing.done():
            self.standing.set_exception(error)
        self._holder.lost(self, error, stood=stood)

    def _acknowledge_now(self) -> None:
        assert self._session is not None, "asked only while there is one"
        waiting, self._acknowledged = self._acknowledged, _NOWHERE
        self._session.acknowledge(waiting)

    def _hear(self) -> None:
        assert self._session is not None, "asked only while there is one"
        try:
            for event in self._session.events():
                match event:
                    case Settled(token, code):
                        self.ear.settled(token, code)
                    case Arrived(arrivals):
                        self.ear.take(arrivals)
                    case Subscribed():
                        self._stand()
                    case Closed():
                        self._end(event)
        except Exception as error:  # noqa: BLE001 - the ear's fault must end the bundle loudly
            self._holder.fail(error)

    def _stand(self) -> None:
        self.epoch += 1
        self.ready = True
        self._holder.stands(self)
        self.ear.ready()

    def _end(self, closed: Closed) -> None:
        reason = f"{self._holder.where}: {closed.reason}"
        if closed.code == _TAKEN_OVER and not closed.refused:
            self._cause = SessionTakenOver(
                f"{reason}; another client with this client id is running"
            )
        else:
            self._cause = (BrokerUnavailable if closed.refused else LinkLost)(reason)
        self.refused = closed.refused
        if self._transport is not None:
            # What a dead broker does not take would keep the connection half closed for good.
            self._holder.abort_later(self._transport)
            self._transport.close()
