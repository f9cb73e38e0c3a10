"""Rounds over outside ledgers: the log goes on whatever one does; nothing is lost or doubled."""

import asyncio
import sqlite3
from contextlib import closing, contextmanager

import pytest
from notary import Book, Notary
from test_service import Running, until

from anchor.account import AnchorAccount, LedgerAccount
from anchor.keeping.anchor_db import AnchorDb
from anchor.keeping.log_folder import LogFolder
from anchor.keeping.publisher import Clocks
from anchor.keeping.rounds import SECOND, Outside, Rounds
from anchor.keeping.submissions import read_submissions
from telemetry.backoff import Backoff

AT_ONCE = Backoff(first=0.001, limit=0.001)


class Line:
    """An anchor whose clocks the test moves, and one notary outside."""

    def __init__(self, path, every=0.0):
        self.running = Running(path, witnesses=(), quorum="none")
        self.notary = Notary(Book(path / "book"))
        self.now = 1_764_000_000.0
        self.every = every
        self.account = LedgerAccount()
        self.rounds = None

    @property
    def path(self):
        return self.running.path

    def publish(self, count=1):
        for _ in range(count):
            self.running.plant.collector().commit()
            self.running.once()

    @contextmanager
    def opened(self):
        """The rounds of one anchor, from its start on."""
        db = AnchorDb(self.path / "anchor.db", self.running.plant.key.name)
        with closing(db):
            clocks = Clocks(lambda: int(self.now * SECOND), lambda: self.now)
            outside = Outside(self.notary, self.notary, self.every, patience=0.05)
            yield Rounds(outside, LogFolder(self.path / "log"), db, clocks, self.account)

    def go(self, seconds=(0,)):
        """Start anew, and look once after each of these times; what was to be waited for."""

        async def rounds():
            with self.opened() as rounds:
                waits = []
                for later in seconds:
                    self.now += later
                    waits.append(await rounds.round())
                return waits

        return asyncio.run(rounds())

    @property
    def state(self):
        (state,) = read_submissions(self.path / "anchor.db")
        return state

    @property
    def stored(self):
        return sorted(path.parent.name for path in (self.path / "log").glob("receipts/*/*"))


@pytest.fixture
def line(tmp_path):
    line = Line(tmp_path)
    with closing(line.running.net):
        yield line


def test_a_new_ledger_begins_with_the_newest_checkpoint_and_takes_each_that_follows(line):
    line.publish(3)
    line.go((0, 10))
    assert (line.state.submitted, line.state.stamped) == (1, 1)
    assert line.state.size == 4
    line.publish(3)
    line.go((0, 10))
    assert (line.state.submitted, line.state.stamped) == (4, 4)
    assert len(line.stored) == 4
    assert len({digest for _, digest in line.notary.book.lines()}) == 4


def test_by_time_only_the_newest_is_given_each_time(tmp_path):
    line = Line(tmp_path, every=600)
    with closing(line.running.net):
        line.publish()
        line.go((0, 10))
        line.publish(3)
        (wait,) = line.go((10,))
        assert line.state.submitted == 1
        assert wait == 580
        line.go((580, 10))
        assert (line.state.submitted, line.state.stamped, line.state.size) == (2, 2, 5)


def test_a_clock_that_goes_back_makes_it_ask_once_and_not_for_every_checkpoint(tmp_path):
    line = Line(tmp_path, every=600)
    with closing(line.running.net):
        line.publish()
        line.go((0, 10))
        line.now -= 86_400
        line.publish()
        line.go((0, 10))
        assert line.state.submitted == 2
        line.publish()
        line.go((0, 10))
        assert line.state.submitted == 2
        line.go((600,))
        assert line.state.submitted == 3


@pytest.mark.parametrize("trouble", ["down", "hangs", "breaks"])
def test_one_that_fails_is_left_alone_for_a_while_and_tried_again(line, trouble):
    line.publish(1)
    line.notary.trouble = trouble
    if trouble == "breaks":
        # A fault of the ledger's own code ends a round; `run` takes it up again.
        with pytest.raises(RuntimeError):
            line.go()
    else:
        waits = line.go((0, 0.01, 3600, 3600))
        assert line.notary.asked == 3
        assert line.state.tries == 3
        assert 0.5 <= waits[0] <= 1
        assert line.account.failures == 3
        assert line.account.failure == line.state.failure
    line.notary.trouble = ""
    line.go((0, 10))
    assert (line.state.stamped, line.state.pending) == (1, 0)
    assert line.account.failure is None


def test_a_receipt_that_does_not_hold_is_never_stored(line):
    line.publish()
    line.notary.trouble = "lies"
    line.go((0, 10))
    assert line.stored == []
    assert line.state.refused == 1
    assert "of another checkpoint" in line.state.failure


def test_after_a_refusal_the_next_checkpoint_is_given_and_a_start_tries_the_last_again(line):
    line.publish()
    line.notary.trouble = "refuses"
    line.go((0, 3600, 3600))
    assert line.notary.asked == 1
    line.notary.trouble = ""
    line.go((0, 10))
    assert (line.state.refused, line.state.stamped) == (0, 1)


def test_a_refusal_does_not_wait_for_the_next_time(tmp_path):
    line = Line(tmp_path, every=600)
    with closing(line.running.net):
        line.publish()
        line.notary.trouble = "refuses"

        async def go():
            with line.opened() as rounds:
                await rounds.round()
                line.notary.trouble = ""
                await asyncio.to_thread(line.publish)
                for _ in range(2):
                    line.now += 5
                    await rounds.round()

        asyncio.run(go())
        assert (line.state.refused, line.state.stamped) == (1, 1)


def test_a_receipt_that_takes_its_time_holds_nothing_up(line):
    line.publish()
    line.notary.trouble = "slow"
    line.go((0, 10, 1000))
    line.publish()
    line.go((0,))
    assert (line.state.submitted, line.state.pending, line.state.tries) == (2, 2, 0)
    assert len(line.notary.book.lines()) == 2
    line.notary.trouble = ""
    line.go((1000,))
    assert line.state.stamped == 2


def test_killed_between_the_file_and_its_row_it_asks_nobody_again(line):
    line.publish()
    line.go((0, 10))
    asked = line.notary.asked
    with closing(sqlite3.connect(line.path / "anchor.db")) as db:
        db.execute("UPDATE submissions SET state = 'pending', stamp = NULL")
        db.commit()
    line.go((0,))
    assert (line.state.stamped, line.notary.asked) == (1, asked)


def test_a_false_receipt_in_the_folder_is_not_taken_for_a_stamp(line):
    line.publish()
    line.notary.trouble = "slow"
    line.go((0,))
    (_, digest) = line.notary.book.lines()[0]
    place = line.path / f"log/receipts/{digest}/notary.ots"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"seen nothing")
    line.go((1000,))
    assert line.state.refused == 1
    assert place.read_bytes() == b"seen nothing"


@pytest.mark.parametrize("trouble", ["down", "hangs", "breaks", "refuses", "lies", "slow"])
def test_whatever_a_ledger_does_the_log_goes_on_and_the_others_too(tmp_path, trouble):
    running = Running(tmp_path, witnesses=(), quorum="none")
    good, bad = (Notary(Book(tmp_path / name), name) for name in ("good", "bad"))
    bad.trouble = trouble
    ledgers = [Outside(one, one, again=AT_ONCE, look=AT_ONCE, patience=5.0) for one in (bad, good)]
    account = AnchorAccount()

    async def go():
        stop, ready = asyncio.Event(), asyncio.Event()
        options = dict(once=False, every=0.01, stop=stop, on_ready=ready.set, account=account)
        task = asyncio.create_task(running.run(**options, ledgers=ledgers))
        await ready.wait()
        for count in (1, 2, 3):
            running.plant.collector().commit()
            await until(lambda count=count: len(running.announced) == count)
        await until(lambda: account.ledgers["good"].stamped == 3)
        await until(lambda: bad.asked > 0)
        stop.set()
        await task

    with closing(running.net):
        asyncio.run(go())
        running.check()
    stored = [path.name for path in (tmp_path / "log").glob("receipts/*/*")]
    assert stored == ["good.ots"] * 3
    assert account.impediment() is None


def test_one_look_at_a_ledger_that_hangs_ends_when_it_is_to_stop(tmp_path):
    running = Running(tmp_path, witnesses=(), quorum="none")
    running.plant.collector().commit()
    hanging = Notary(Book(tmp_path / "book"))
    hanging.trouble = "hangs"

    async def go():
        stop = asyncio.Event()
        ledgers = [Outside(hanging, hanging, patience=3600.0)]
        task = asyncio.create_task(running.run(once=True, stop=stop, ledgers=ledgers))
        await until(lambda: hanging.asked > 0)
        stop.set()
        async with asyncio.timeout(30):
            await task

    with closing(running.net):
        asyncio.run(go())
        running.check()
        hanging.trouble = ""
        for _ in range(2):
            running.once(ledgers=[Outside(hanging, hanging)])
    assert len(list((tmp_path / "log").glob("receipts/*/*"))) == 1
