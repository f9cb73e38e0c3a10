"""The store away, hung, locked or full under load: nothing is lost, and it recovers by itself.

Each fault lasts until the collector has met it, never so many seconds: the store's own word
that it does not answer is waited for.
"""

import asyncio
import contextlib
import signal
import sqlite3
from dataclasses import dataclass, field

import pytest

from collector.account import Account
from collector.errors import CommitFailed
from collector.service import collect
from telemetry.link import Link

pytestmark = pytest.mark.e2e

MACHINES = 4
TRYING = "the store does not answer, trying again"


@dataclass
class Plant:
    """A collector on a store, and machines that publish until each message is receipted."""

    works: object
    broker: object
    prefix: str
    said: list
    flush_count: int = 50
    account: Account = field(default_factory=Account)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0
    peak_bytes: int = 0

    @contextlib.asynccontextmanager
    async def running(self, *, drain=True):
        machines = [self.works.machine(f"press-{n}", prefix=self.prefix) for n in range(MACHINES)]
        collecting = asyncio.create_task(self._collect())
        try:
            await self.until(self.ready.is_set)
            async with Link(self.broker.address, client_id=f"{self.prefix[-8:]}-fleet") as link:
                publishing = asyncio.create_task(self._publish(machines, link))
                try:
                    yield
                finally:
                    publishing.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await publishing
                if drain:
                    await self.until(lambda: self.account.stored >= self.sent)
        finally:
            self.stop.set()
            self.stats = await asyncio.wait_for(collecting, 60)

    def _collect(self):
        return collect(
            store_url=self.works.url,
            link=lambda **how: Link(self.broker.address, **how),
            filters=[f"{self.prefix}/#"],
            identity_for=self.works.identity_for,
            authority=self.works.authority,
            requests=self.works.requests,
            prefix=self.prefix,
            flush_count=self.flush_count,
            flush_seconds=0.02,
            stop=self.stop,
            on_ready=self.ready.set,
            new_id=lambda: self.prefix.rpartition("/")[2],
            account=self.account,
            last_tries=0.5,
        )

    async def _publish(self, machines, link):
        while True:
            codes = await asyncio.gather(*[link.publish(*m.message()) for m in machines])
            assert set(codes) == {0}
            self.sent += len(machines)
            moment = self.account.look()
            self.peak_bytes = max(self.peak_bytes, moment.waiting_bytes)
            await asyncio.sleep(0.002)

    async def until(self, check):
        async with asyncio.timeout(90):
            while not check():  # noqa: ASYNC110 - several parts are looked at
                await asyncio.sleep(0.01)

    async def stored_more(self, count):
        """Wait until so many more are committed."""
        before = self.account.stored
        await self.until(lambda: self.account.stored >= before + count)

    async def sent_more(self, count):
        """Wait until so many more are published, whatever becomes of them."""
        before = self.sent
        await self.until(lambda: self.sent >= before + count)

    async def met(self):
        """Wait until the collector has found that its store does not answer."""
        await self.until(lambda: any(line["event"] == TRYING for line in self.said))

    def check(self):
        """Every message that was published is stored once, and the sum holds."""
        rows = [
            row
            for found in self.works.reader().collectors()
            for row in self.works.reader().messages(found.id)
        ]
        assert {row.status for row in rows} == {"accepted"}
        numbers = [(row.device, row.seq) for row in rows]
        assert len(numbers) == len(set(numbers))
        # The last round may have been cut off by the end of the test.
        assert self.sent <= len(numbers) <= self.sent + MACHINES
        assert self.stats.conserved
        assert (self.stats.gaps, self.stats.refused, self.stats.in_flight) == ((), 0, 0)
        # Four batches and what one read brings, whatever the broker makes of Receive Maximum
        # (Mosquitto 2.0.11 sends more than six times that).
        assert self.peak_bytes <= 2**19 < self.sent * 300


def run(scenario):
    return asyncio.run(asyncio.wait_for(scenario, 240))


@pytest.fixture
def works(postgres_of_ones_own, works_at, tmp_path):
    with works_at(tmp_path, postgres_of_ones_own.database()) as made:
        yield made


@pytest.fixture
def hasty_works(postgres_of_ones_own, works_at, tmp_path):
    """On a database that a connection is waited for no longer than libpq's least."""
    with works_at(tmp_path, f"{postgres_of_ones_own.database()}?connect_timeout=2") as made:
        yield made


@pytest.fixture
def sqlite_works(works_at, tmp_path):
    with works_at(tmp_path, f"sqlite:///{tmp_path}/ledger.db") as made:
        yield made


@pytest.mark.parametrize("how", ["SIGINT", "SIGQUIT"])
def test_a_database_that_stops_and_starts_again(
    works, broker, topic_prefix, postgres_of_ones_own, quiet_log, how
):
    """SIGINT cuts every session; SIGQUIT is a crash, with recovery at the start."""
    plant = Plant(works, broker, topic_prefix, quiet_log)

    async def scenario():
        async with plant.running():
            await plant.stored_more(100)
            postgres_of_ones_own.stop(getattr(signal, how))
            await plant.met()
            await plant.sent_more(2000)
            assert plant.account.look().connected
            assert plant.account.impediment(asyncio.get_running_loop().time() + 60) is not None
            postgres_of_ones_own.start()
            await plant.stored_more(500)
            assert plant.account.impediment(asyncio.get_running_loop().time()) is None

    run(scenario())
    plant.check()


def test_a_database_that_hangs(works, broker, topic_prefix, postgres_of_ones_own, quiet_log):
    plant = Plant(works, broker, topic_prefix, quiet_log)

    async def scenario():
        async with plant.running():
            await plant.stored_more(100)
            postgres_of_ones_own.pause()
            try:
                await plant.until(lambda: plant.account.committing > 0)
                await plant.sent_more(2000)
            finally:
                postgres_of_ones_own.resume()
            await plant.stored_more(500)

    run(scenario())
    plant.check()


def test_a_stop_while_the_database_hangs_ends_with_nothing_acknowledged(
    hasty_works, broker, topic_prefix, postgres_of_ones_own, quiet_log
):
    works = hasty_works
    plant = Plant(works, broker, topic_prefix, quiet_log)

    async def scenario():
        async with plant.running(drain=False):
            await plant.stored_more(100)
            postgres_of_ones_own.pause()
            await plant.sent_more(2000)

    try:
        with pytest.raises(CommitFailed, match="nothing is lost"):
            run(scenario())
    finally:
        postgres_of_ones_own.resume()
    again = Plant(works, broker, topic_prefix, quiet_log, sent=plant.sent)

    async def take_the_rest():
        before = works.reader().stats().stored
        collecting = asyncio.create_task(again._collect())
        await again.until(lambda: before + again.account.stored >= plant.sent)
        again.stop.set()
        again.stats = await collecting

    run(take_the_rest())
    again.check()


def test_a_file_that_another_process_locks(sqlite_works, broker, topic_prefix, quiet_log):
    plant = Plant(sqlite_works, broker, topic_prefix, quiet_log)

    async def scenario():
        async with plant.running():
            await plant.stored_more(100)
            with contextlib.closing(
                sqlite3.connect(sqlite_works.folder / "ledger.db", timeout=30)
            ) as other:
                other.execute("BEGIN IMMEDIATE")
                await plant.met()
                await plant.sent_more(2000)
                other.rollback()
            await plant.stored_more(500)

    run(scenario())
    plant.check()


def test_a_full_disk_that_gets_room(small_disk, works_at, broker, topic_prefix, quiet_log):
    folder, grow = small_disk(1)

    async def scenario(plant):
        async with plant.running():
            await plant.met()
            assert "full" in next(line["error"] for line in quiet_log if line["event"] == TRYING)
            await plant.sent_more(2000)
            grow(64)
            await plant.stored_more(500)

    with works_at(folder, f"sqlite:///{folder}/ledger.db") as works:
        plant = Plant(works, broker, topic_prefix, quiet_log)
        run(scenario(plant))
        plant.check()
