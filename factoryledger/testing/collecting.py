"""A collector in a thread of its own, so that a test may block or not.

It also hears a mark of its own, which is not stored: behind it, all that was published before has
come.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

from anchor.key_entry import OperatorAuthority
from collector.account import Account
from collector.service import collect
from factoryledger.data_dir import DataDir
from factoryledger.identity import identity_of
from factoryledger.running import loop_factory
from factoryledger.testing.mosquitto import Mosquitto
from telemetry.link import Arrival, Link
from telemetry.topic import matches

_PATIENCE: Final = 10.0  # seconds
_LOOK: Final = 0.002
_FLUSH: Final = 0.02
# Of the ledger's own topics, which no collector stores.
_MARK: Final = "ledger/receipt/mark"


class Collecting:
    """Stores what comes on `topics` under the test's prefix, from `start` until `stop`.

    With `recorded`, receive times are those that come with the messages. What ends it is raised
    by the next call, in the caller's thread.
    """

    def __init__(
        self, mosquitto: Mosquitto, data: DataDir, topics: Sequence[str], *, recorded: bool
    ) -> None:
        self._mosquitto = mosquitto
        self._data = data
        hears = any(matches(topic, _MARK) for topic in topics)
        self._filters = list(map(mosquitto.topic, topics if hears else [*topics, _MARK]))
        self._recorded = recorded
        self._account = Account()
        self._mark = mosquitto.topic(_MARK)
        self._marks = 0
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._ready = threading.Event()
        self._failure: BaseException | None = None

    def start(self) -> None:
        """Begin, and wait until it stores."""
        self._thread.start()
        self._ready.wait(_PATIENCE)
        self._check()

    def stop(self) -> None:
        """End, with all that has come committed."""
        if self._thread.is_alive():
            with suppress(RuntimeError):  # it has just ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(_PATIENCE)
        self._check()

    def settle(self) -> None:
        """Wait until what was published before is committed."""
        self._check()
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._settled(), self._loop).result(_PATIENCE * 2)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                runner.run(self._collect())
        except BaseException as error:  # noqa: BLE001 - said in the test's own thread
            self._failure = error
        self._ready.set()

    async def _collect(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._marked = asyncio.Event()
        address = self._mosquitto.address
        async with Link(address, client_id="", clean_start=True) as self._probe:
            await collect(
                store_url=self._data.database_url,
                link=self._link,
                filters=self._filters,
                identity_for=partial(identity_of, self._data),
                authority=OperatorAuthority(self._data.operator.verifier),
                requests=self._data.requests,
                stop=self._stop,
                prefix=self._mosquitto.prefix,
                flush_seconds=_FLUSH,
                session_expiry=0,
                recorded_clock=self._recorded,
                account=self._account,
                on_ready=self._ready.set,
            )

    def _link(self, *, on_arrivals: Callable[[list[Arrival]], None], **how: Any) -> Link:
        """Give the collector's link, which tells us when our mark has come and hides it."""

        def arrived(arrivals: list[Arrival]) -> None:
            marks = [one for one in arrivals if one.topic == self._mark]
            on_arrivals([one for one in arrivals if one.topic != self._mark])
            if marks:
                link.acknowledge(marks)
                if int(marks[-1].payload) == self._marks:
                    self._marked.set()

        link = Link(self._mosquitto.address, on_arrivals=arrived, **how)
        return link

    async def _settled(self) -> None:
        self._marks += 1
        self._marked.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self._probe.publish(self._mark, b"%d" % self._marks)
                await self._marked.wait()
                while self._account.committing or self._account.look().door.in_flight:  # noqa: ASYNC110 - counters, not events
                    await asyncio.sleep(_LOOK)

    def _check(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if not self._ready.is_set():
            raise TimeoutError(f"the collector was not ready after {_PATIENCE:g} s")
