"""A collector and an anchor for one test, in this process, in a folder of their own.

The collector runs in a thread with an event loop of its own, so a test may block or not.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from anchor.errors import AnchorError
from anchor.keeping.service import run_anchor
from anchor.key_entry import OperatorAuthority
from collector.account import Account
from collector.service import collect
from collector.stats import Stats
from collector.store_reader import LedgerReader
from factoryledger.auditing import run_audit, sentence
from factoryledger.data_dir import DataDir
from factoryledger.enrolment import Enrolments
from factoryledger.identity import identity_of
from factoryledger.installation import Installation
from factoryledger.running import loop_factory
from factoryledger.settings import Settings
from factoryledger.stores import Tailed
from factoryledger.testing.machines import keys_of
from factoryledger.testing.mosquitto import Mosquitto
from factoryledger.testing.stored import Message, Stored
from telemetry.link import Arrival, Link
from telemetry.signature import SigningKey
from telemetry.topic import matches

Result = TypeVar("Result")

_PATIENCE: Final = 10.0  # seconds
_LOOK: Final = 0.002
_FLUSH: Final = 0.02
# Of the ledger's own topics, which no collector stores: behind it, all before it has come.
_MARK: Final = "ledger/receipt/mark"


class Ledger:
    """What is published under the test's prefix, stored; entered and left by its fixture.

    `topics` are filters under the prefix; `clock` "recording" takes the receive times of
    `replay(…, times=True)`, so that rows and roots are the same each time.
    """

    def __init__(
        self,
        mosquitto: Mosquitto,
        folder: Path,
        *,
        topics: Sequence[str] = ("#",),
        clock: str = "system",
    ) -> None:
        if clock not in {"system", "recording"}:
            raise ValueError(f"clock {clock!r}: system or recording")
        self.mosquitto = mosquitto
        self.data = DataDir(folder)
        hears = any(matches(topic, _MARK) for topic in topics)
        self._filters = list(map(mosquitto.topic, topics if hears else [*topics, _MARK]))
        self._recorded = clock == "recording"
        self._account = Account()
        self._mark = mosquitto.topic(_MARK)
        self._marks = 0
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._ready = threading.Event()
        self._failure: BaseException | None = None

    @property
    def stored(self) -> Stored:
        """What is stored, once everything that was published before has come in."""
        self._settle()
        cut = len(self.mosquitto.prefix) + 1
        with LedgerReader(self.data.database_url) as reader:
            counts = reader.stats(gaps=False)
            messages = [
                Message(
                    row.topic[cut:],
                    row.payload,
                    row.status,
                    row.received_at,
                    row.properties,
                    row.device,
                    row.session,
                    row.seq,
                    row.time,
                )
                for one in reader.collectors()
                for row in reader.messages(one.id)
            ]
        return Stored(messages, counts.duplicates, counts.refused)

    @property
    def stats(self) -> Stats:
        """The counters, as `factoryledger stats` shows them."""
        self._settle()
        with LedgerReader(self.data.database_url) as reader:
            return reader.stats()

    @property
    def roots(self) -> list[bytes]:
        """The root of the log after each batch."""
        self._settle()
        with LedgerReader(self.data.database_url) as reader:
            rows = [row for one in reader.collectors() for row in reader.batches(one.id)]
        return [row.root for row in rows]

    def enrol(self, device: str, key: SigningKey | None = None) -> SigningKey:
        """Enrol a machine, by a key that is made unless it is given; give the key."""
        if key is not None:
            self.data.replace_device(device, key)
        return Enrolments(self.data).ensure_device(device)

    def enrol_machines(self, file: Path) -> None:
        """Enrol the machines of a recording that the simulator made, by its test keys.

        WrongUsage for any other recording: nobody here has its machines' keys.
        """
        for name, key in keys_of(file).items():
            self.enrol(name, key)

    def assert_verified(self) -> None:
        """Anchor what is stored and audit all of it; AssertionError says what is not right."""
        __tracebackhide__ = True
        if not len(self.stored):
            raise AssertionError("nothing is stored, so nothing is verified")
        found = _apart(self._audit)
        if found:
            raise AssertionError("\n".join(["the ledger does not verify:", *found]))

    def _audit(self) -> list[str]:
        settings = Settings.model_construct(data=self.data.path, processes=0)
        with Installation(settings) as place:
            with asyncio.Runner() as runner:
                try:
                    runner.run(self._anchor(place))
                except AnchorError as error:
                    return [f"it cannot be anchored: {error}"]
            return [sentence(finding) for finding in run_audit(place).findings]

    async def _anchor(self, place: Installation) -> None:
        await run_anchor(
            batches=Tailed(place.ledger),
            requests=self.data.requests,
            folder=place.log,
            db=self.data.anchor_db,
            key=self.data.anchor,
            policy=place.policy,
            once=True,
            stop=asyncio.Event(),
        )

    def __enter__(self) -> Self:
        self.data.create()
        self._thread.start()
        self._ready.wait(_PATIENCE)
        self._check()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            with suppress(RuntimeError):  # it has just ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(_PATIENCE)
        self._check()

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
        address = self.mosquitto.address
        async with Link(address, client_id="", clean_start=True) as self._probe:
            await collect(
                store_url=self.data.database_url,
                link=self._link,
                filters=self._filters,
                identity_for=partial(identity_of, self.data),
                authority=OperatorAuthority(self.data.operator.verifier),
                requests=self.data.requests,
                stop=self._stop,
                prefix=self.mosquitto.prefix,
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

        link = Link(self.mosquitto.address, on_arrivals=arrived, **how)
        return link

    def _settle(self) -> None:
        """Wait until what was published before is committed."""
        self._check()
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._settled(), self._loop).result(_PATIENCE * 2)

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


def _apart(work: Callable[[], Result]) -> Result:
    """Run what has an event loop of its own in a thread: the test may be in one."""
    found: list[Result] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again where it belongs
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]
