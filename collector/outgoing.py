"""What a collector publishes: receipts and its key entry. None of it is needed to be kept.

A receipt that is lost is sent again when the machine sends its messages again. The key entry
is not: no receipt is believed without it, so it is published until the broker has taken it.
"""

import asyncio
from collections.abc import Callable
from functools import partial

import structlog

from telemetry.errors import LinkLost, TelemetryError
from telemetry.link import Link

_log = structlog.get_logger(__name__)

_WAITING = 10_000  # publications without an answer; a broker so far behind gets no more
_REFUSED = 0x80  # reason codes from here on are failures
_AT_THE_END = 5.0  # seconds
_AGAIN = 2.0  # seconds after a key entry was refused


class Outgoing:
    """Posts at QoS 1 and looks at the answers; nothing waits for them but `settle`."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._waiting: set[asyncio.Future[int]] = set()

    @property
    def room(self) -> int:
        """How much can be sent now; nothing where there is no connection."""
        return max(0, _WAITING - len(self._waiting)) if self._link.connected else 0

    @property
    def unanswered(self) -> int:
        """How many are still without an answer."""
        return len(self._waiting)

    def post(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        qos: int = 1,
        refused: Callable[[], None] | None = None,
    ) -> None:
        """Send, or let it be where there is no connection; `refused` where the broker says so."""
        if len(self._waiting) >= _WAITING:
            _log.warning("broker does not answer: not sent", topic=topic)
            if refused is not None:
                refused()
            return
        try:
            posted = self._link.post(topic, payload, qos=qos, retain=retain)
        except LinkLost:
            return
        except (TelemetryError, ValueError) as error:
            _log.error("cannot be sent", topic=topic, error=str(error))
            return
        self._waiting.add(posted)
        posted.add_done_callback(partial(self._answered, topic, refused))

    async def settle(self) -> None:
        """Wait a while for the answers that are still out."""
        if self._waiting:
            await asyncio.wait(set(self._waiting), timeout=_AT_THE_END)

    def _answered(
        self, topic: str, refused: Callable[[], None] | None, posted: asyncio.Future[int]
    ) -> None:
        self._waiting.discard(posted)
        if posted.cancelled() or posted.exception() is not None:
            return
        if posted.result() >= _REFUSED:
            _log.warning("the broker refused it", topic=topic, reason=f"{posted.result():#04x}")
            if refused is not None:
                refused()


class Announcement:
    """What must stand retained: published on each connection, and again where it was refused."""

    def __init__(self, outgoing: Outgoing, topic: str, payload: bytes) -> None:
        self._outgoing, self._topic, self._payload = outgoing, topic, payload
        self._due: float | None = None

    def publish(self) -> None:
        """Publish it, on a new connection."""
        self._due = None
        self._outgoing.post(self._topic, self._payload, retain=True, refused=self._refused)

    def look(self) -> None:
        """Publish it again where the broker refused it a while ago."""
        if self._due is not None and asyncio.get_running_loop().time() >= self._due:
            self.publish()

    def _refused(self) -> None:
        self._due = asyncio.get_running_loop().time() + _AGAIN
