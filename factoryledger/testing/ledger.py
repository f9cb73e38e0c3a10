"""A collector and an anchor for one test, in this process, in a folder of their own.

What is stored is read, and what is read waits until all that was published before is stored.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self, TypeVar

from anchor.errors import AnchorError
from anchor.keeping.service import run_anchor
from collector.stats import Stats
from collector.store_reader import LedgerReader
from factoryledger.auditing import run_audit, sentence
from factoryledger.data_dir import DataDir
from factoryledger.enrolment import Enrolments
from factoryledger.installation import Installation
from factoryledger.settings import Settings
from factoryledger.stores import Tailed
from factoryledger.testing.collecting import Collecting
from factoryledger.testing.machines import keys_of
from factoryledger.testing.mosquitto import Mosquitto
from factoryledger.testing.stored import Message, Stored
from telemetry.signature import SigningKey

Result = TypeVar("Result")


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
        self._collecting = Collecting(mosquitto, self.data, topics, recorded=clock == "recording")

    @property
    def stored(self) -> Stored:
        """What is stored, once everything that was published before has come in."""
        self._collecting.settle()
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
        self._collecting.settle()
        with LedgerReader(self.data.database_url) as reader:
            return reader.stats()

    @property
    def roots(self) -> list[bytes]:
        """The root of the log after each batch."""
        self._collecting.settle()
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
        self._collecting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._collecting.stop()


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
