"""Many clients of one broker in one event loop: connected at a pace, kept up, made again.

There is one timer for all strands and no task for any; only who is connecting has one, and
of those there are few at a time (`telemetry.admission`). What a loss means for messages, the
ears know. All of it is counted, and told in one line a second at the most. Whom the broker
shuts out is said once and tried again seldom; the others go on.
"""

import asyncio
import logging
import math
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from telemetry.address import Address
from telemetry.admission import AT_ONCE, Admission, Hush
from telemetry.backoff import Backoff
from telemetry.certificate_trouble import certificate_trouble
from telemetry.errors import BrokerUnavailable, LinkLost, SessionTakenOver, ShutOut
from telemetry.mqtt_packets import Opening
from telemetry.outcasts import Outcasts, named
from telemetry.strand import Ear, Strand

_LOOKS: Final = 10  # parts in which the strands are looked at, one after the other
_BRIEF: Final = 10.0  # s
_SUSPICIOUS: Final = 3  # brief connections in a row
_SELDOM: Final = 30.0  # s between tries of one that is shut out, up to twice as many
_DISPLACED: Final = 1.0  # s, up to twice as many, until one whose place was taken is tried
_PATIENCE: Final = 200  # connections a second at the start, at the least
_GOODBYE: Final = 2.0  # s for the broker to close after DISCONNECT
_FAREWELLS: Final = 2000  # of them a second, at the least

_LOG: Final = logging.getLogger("telemetry.bundle")


@dataclass(slots=True)
class Connections:
    """Counts: those that stand now, were made, were lost, and tries that were in vain.

    `refused` are those of the tries to which the broker said no: credentials, a ban, a limit.
    `shut_out` are the clients that it will not have now.
    """

    standing: int = 0
    made: int = 0
    lost: int = 0
    failed: int = 0
    refused: int = 0
    shut_out: int = 0


def _log_trouble(line: str) -> None:
    _LOG.warning("%s", line)


def _log_shut_out(names: Sequence[str], why: str) -> None:
    _LOG.warning("%s: %s", named(list(names)), why)


def _nobody_hears(_name: str) -> None:
    """Nobody is told."""


class Bundle:
    """Strands to one broker; `async with` connects them, and says DISCONNECT for all at the end.

    BrokerUnavailable where the first one does not come to stand; who fails after it is tried
    again like who is lost later. `failed` is set when the bundle gave up: a session was
    taken over, or an ear raised; `failure` says which. A client with a certificate may be
    displaced by who revokes that: the bundle gives up only where most of them are, again and
    again, by others that go by their names.
    """

    def __init__(  # noqa: PLR0913 - all keywords with a default but the address
        self,
        address: Address,
        *,
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
        at_once: int = AT_ONCE,
        look_every: float = 1.0,
        connect_timeout: float = 10.0,
        tls: ssl.SSLContext | None = None,
        on_trouble: Callable[[str], None] = _log_trouble,
        seldom: float = _SELDOM,
        on_shut_out: Callable[[Sequence[str], str], None] = _log_shut_out,
        on_return: Callable[[str], None] = _nobody_hears,
    ) -> None:
        """At most `at_once` strands connect at a time; each is looked at every `look_every` s.

        `on_shut_out` gets clients that the broker will not have any more, and why; `on_return`
        one that it has again.
        """
        self.where = str(address)
        self.strands: list[Strand] = []
        self.counts = Connections()
        self.failure: Exception | None = None
        self.failed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._address, self._tls = address, tls
        self._steady, self._timeout, self._look_every = backoff.steady, connect_timeout, look_every
        self._admission: Admission[Strand] = Admission(backoff, at_once)
        self._hush: Hush[Exception] = Hush(self._say)
        self._on_trouble = on_trouble
        self._seldom, self._outcasts = seldom, Outcasts()
        self._on_shut_out, self._on_return = on_shut_out, on_return
        self._connecting: set[asyncio.Task[None]] = set()
        self._dirty: list[Strand] = []
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._retry_at = math.inf
        self._all_stand = asyncio.Event()
        self._part = 0
        self._leaving = False

    def add(self, opening: Opening, ear: Ear) -> Strand:
        """Add a client, before the bundle is entered; ValueError for what CONNECT cannot carry."""
        opening.connect()
        strand = Strand(self, opening, ear)
        self.strands.append(strand)
        return strand

    async def __aenter__(self) -> Self:
        """Connect: the first alone, then all others, as many at a time as may."""
        if not self.strands:
            return self
        try:
            await self._connect(self.strands[0])
            for strand in self.strands[1:]:
                strand.queued = True
            self._admission.add(self.strands[1:])
            self._pump()
            self._look()
            await self._wait_for_all()
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Say DISCONNECT for all, and wait until the broker has closed so that it was read."""
        await self._leave()

    async def run(self) -> None:
        """Wait until the bundle gives up, and raise why."""
        await self.failed.wait()
        assert self.failure is not None, "set before the event"
        raise self.failure

    def now(self) -> float:
        """The event loop's clock, s."""
        return self._loop.time()

    def write_soon(self, strand: Strand) -> None:
        """What the strand has to write goes out when this turn of the loop is over."""
        strand.dirty = True
        if not self._dirty:
            self._loop.call_soon(self._write_all)
        self._dirty.append(strand)

    def hurry(self) -> None:
        """Wait no longer for all to stand: those that do not are tried on, as ever."""
        self._all_stand.set()

    def stands(self, strand: Strand) -> None:
        """Take note that a strand's subscriptions stand."""
        strand.since = self.now()
        if strand.standing is not None and not strand.standing.done():
            strand.standing.set_result(None)
        self.counts.standing += 1
        self.counts.made += 1
        strand.shut_out = False
        if self._outcasts.remove(strand.opening.client_id):
            self.counts.shut_out = len(self._outcasts)
            self._on_return(strand.opening.client_id)
        self._see_whether_all_stand()

    def lost(self, strand: Strand, error: Exception, *, stood: bool) -> None:
        """Take note that a connection is gone; one that stood is made again in time."""
        if not stood:
            return  # whoever was connecting hears of it
        self.counts.standing -= 1
        if self._leaving:
            return
        self.counts.lost += 1
        suspected = self._suspect(strand, error)
        if isinstance(error, SessionTakenOver):
            self._displaced(strand, error)
            return
        self._hush.tell(suspected, self.now())
        self._retry(strand)

    def bring_back(self, strand: Strand) -> None:
        """Connect a strand that was held."""
        if not self._leaving:
            self._retry(strand)

    def abort_later(self, transport: asyncio.Transport) -> None:
        """Cut a connection that is closing, where the broker does not take what is left."""
        self._loop.call_later(_GOODBYE, transport.abort)

    def fail(self, error: Exception) -> None:
        """Give up: nothing that is tried again would help."""
        if self.failure is None:
            self.failure = error
            self.failed.set()
            self._all_stand.set()

    def _suspect(self, strand: Strand, error: Exception) -> Exception:
        """The error, or what is behind it where a strand is lost soon again and again."""
        lived = self.now() - strand.since
        strand.brief = strand.brief + 1 if lived < _BRIEF else 0
        strand.taken = strand.taken if lived < _BRIEF else 0
        if lived >= self._steady:
            strand.tries = 0
        if strand.brief < _SUSPICIOUS:
            return error
        # Mosquitto 2.0 tells nobody that a session was taken over.
        name = strand.opening.client_id
        return LinkLost(f"{error}; again and again: does another client call itself {name!r}?")

    def _write_all(self) -> None:
        dirty, self._dirty = self._dirty, []
        for strand in dirty:
            strand.write()

    def _look(self) -> None:
        """Look at one part of the strands, and come back for the next."""
        now, part = self.now(), self._part
        self._part = (part + 1) % _LOOKS
        for strand in self.strands[part::_LOOKS]:
            strand.look(now)
        self._timers["look"] = self._loop.call_later(self._look_every / _LOOKS, self._look)

    async def _wait_for_all(self) -> None:
        """Until all stand; after a while for so many, those that do not are left to be retried."""
        patience = self._timeout + len(self.strands) / _PATIENCE
        try:
            async with asyncio.timeout(patience):
                await self._all_stand.wait()
        except TimeoutError:
            missing = BrokerUnavailable(f"{self.where}: not all clients are connected yet")
            self._hush.tell(missing, self.now())
        if self.failure is not None:
            raise self.failure

    def _see_whether_all_stand(self) -> None:
        """Who is shut out is not waited for."""
        if self.counts.standing + len(self._outcasts) >= len(self.strands):
            self._all_stand.set()

    def _displaced(self, strand: Strand, error: SessionTakenOver) -> None:
        """Tell a twin of ours from who shuts this one client out: its certificate ends then."""
        if strand.opening.credentials.tls is None:
            self.fail(error)
            return
        strand.taken += 1
        if strand.taken < _SUSPICIOUS:
            self._hush.tell(error, self.now())
            self._retry(strand, min(_DISPLACED, self._seldom))
            return
        self._shut_out(strand, error)
        if self._outcasts.displaced > len(self.strands) / 2:
            self.fail(error)

    def _shut_out(self, strand: Strand, why: Exception) -> None:
        """Try it seldom from now on, and say so once; those of one second in one line."""
        strand.shut_out, strand.taken = True, 0
        self._outcasts.add(strand.opening.client_id, why)
        self.counts.shut_out = len(self._outcasts)
        if self._outcasts.unsaid and "outcasts" not in self._timers:
            self._timers["outcasts"] = self._loop.call_later(1.0, self._say_outcasts)
        self._see_whether_all_stand()
        if not self._leaving:
            self._retry(strand, self._seldom)

    def _say_outcasts(self) -> None:
        self._timers.pop("outcasts", None)
        for names, why in self._outcasts.say():
            self._on_shut_out(names, why)

    def _retry(self, strand: Strand, seldom: float = 0.0) -> None:
        if not strand.queued:
            self._queue(strand, seldom)
            strand.tries += 1
        self._pump()

    def _queue(self, strand: Strand, seldom: float = 0.0) -> None:
        """Let it connect in time; once, whoever asks: two tries at a time would be two sockets."""
        strand.queued = True
        self._admission.add_later(strand, strand.tries, self.now(), seldom)

    def _pump(self) -> None:
        """Start connecting those that may; come back when others may."""
        if self._leaving or self.failure is not None:
            return
        # One moment for both questions: between two, a pause may end that neither then tells of.
        now = self.now()
        while (strand := self._admission.next(now)) is not None:
            strand.queued = False
            if strand.idle and strand.allowed:
                self._connecting.add(self._loop.create_task(self._try(strand)))
                continue
            self._admission.passed()
            if strand.ending:
                self._queue(strand)
        due = self._admission.due(now)
        if due is not None:
            self._set_timer(due)

    def _set_timer(self, due: float) -> None:
        if due < self._retry_at:
            self._retry_at = due
            if "retry" in self._timers:
                self._timers["retry"].cancel()
            self._timers["retry"] = self._loop.call_at(due, self._retry_due)

    def _retry_due(self) -> None:
        self._retry_at = math.inf
        self._pump()

    async def _try(self, strand: Strand) -> None:
        """One try to connect, which never raises."""
        try:
            await self._connect(strand)
            self._admission.succeeded()
        except asyncio.CancelledError:
            self._admission.passed()
            raise
        except ShutOut as error:
            self._admission.passed()  # the broker has time to answer
            self.counts.failed += 1
            self.counts.refused += 1
            self._shut_out(strand, error)
        except Exception as error:  # noqa: BLE001 - counted, told, tried again
            self._admission.failed(self.now())
            self._failed(strand, error)
        finally:
            self._connecting.discard(asyncio.current_task())
            self._loop.call_soon(self._pump)

    def _failed(self, strand: Strand, error: Exception) -> None:
        self.counts.failed += 1
        self.counts.refused += strand.refused
        if isinstance(error, SessionTakenOver):
            self._displaced(strand, error)
            return
        self._hush.tell(error, self.now())
        if not self._leaving:
            self._retry(strand)

    def _context(self, strand: Strand) -> ssl.SSLContext:
        """A strand's own trust and certificate, else the bundle's, else the system's trust."""
        if strand.opening.credentials.tls is not None:
            return strand.opening.credentials.tls
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    async def _connect(self, strand: Strand) -> None:
        """Make one connection, subscriptions included; BrokerUnavailable says why not."""
        context = self._context(strand) if self._address.tls else None
        strand.standing = self._loop.create_future()
        host, port = self._address.host, self._address.port
        try:
            async with asyncio.timeout(self._timeout):
                await self._loop.create_connection(lambda: strand, host, port, ssl=context)
                await strand.standing
        except TimeoutError as error:
            raise self._silent(f"{self._timeout:g} s") from error
        except OSError as error:
            silent = self._silent(error.strerror or str(error))
            raise certificate_trouble(self.where, error) or silent from error
        except RuntimeError as error:  # uvloop's word for one that closed while it opened
            raise self._silent(str(error)) from error
        except SessionTakenOver:
            raise
        except LinkLost as error:
            raise BrokerUnavailable(str(error)) from error
        finally:
            strand.standing = None
            if not strand.ready:
                strand.abort()

    async def _leave(self) -> None:
        self._leaving = True
        for timer in self._timers.values():
            timer.cancel()
        self._say_outcasts()
        for task in self._connecting:
            task.cancel()
        if self._connecting:
            await asyncio.wait(self._connecting)
        for strand in self.strands:
            strand.leave()
        await self._wait_until_idle()
        for strand in self.strands:
            strand.abort()
        await self._wait_until_idle()

    async def _wait_until_idle(self) -> None:
        end = self.now() + _GOODBYE + len(self.strands) / _FAREWELLS
        while any(not strand.idle for strand in self.strands) and self.now() < end:  # noqa: ASYNC110 - many, one end
            await asyncio.sleep(0.01)

    def _say(self, error: Exception, unsaid: int) -> None:
        more = f" ({unsaid} more such since)" if unsaid else ""
        standing, all_ = self.counts.standing, len(self.strands)
        out = f", {self.counts.shut_out} shut out" if self.counts.shut_out else ""
        self._on_trouble(f"{error}{more}; {standing} of {all_} connected{out}")

    def _silent(self, reason: str) -> BrokerUnavailable:
        return BrokerUnavailable(
            f"no broker answers at {self.where} ({reason}); is it running, and is the address "
            "right?"
        )
