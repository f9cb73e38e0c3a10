"""A collector over an SQLite file: what it acknowledged is stored once, and nothing by halves."""

import importlib.util
from contextlib import closing
from pathlib import Path

from anchor.merkle import tree_root
from anchor.reading.row_record import leaf_of
from collector.arrived import Arrived
from collector.counting import Door
from collector.patience import Patience
from collector.store import open_store
from collector.store_reader import LedgerReader

BATCHES, EACH = 6, 4
START = 1_764_000_000_000_000
ALONE = True  # all that it keeps is on its own disk


def module_of(path):
    spec = importlib.util.spec_from_file_location("collector_works", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


Works = module_of(Path(__file__).parents[1] / "collector" / "conftest.py").Works
ACKNOWLEDGED = "acknowledged"


class World:
    """The same machine, operator and messages in every process."""

    def __init__(self, folder):
        self.url = f"sqlite:///{folder}/disk/ledger.db"
        self.works = Works(folder, self.url)
        machine = self.works.machine("press-0")
        self.messages = [machine.message() for _ in range((BATCHES + 1) * EACH)]

    def open(self):
        store = open_store(self.url, create=True)
        with store.reading() as connection:
            connection.exec_driver_sql("PRAGMA wal_autocheckpoint=40")
        patience = Patience(attempts=8, first=0.001, longest=0.01)
        return store, self.works.live(store, patience=patience).ledger

    def take(self, ledger, numbers, tell):
        arrived = [Arrived(*self.messages[n], None, START + n) for n in numbers]
        ledger.take(arrived, Door(len(arrived)), anchored_by=START)
        tell(ACKNOWLEDGED, list(numbers))


def prepare(folder):
    (folder / "disk").mkdir()
    store, _ = World(folder).open()
    store.close()


def run(folder, tell):
    world = World(folder)
    store, ledger = world.open()
    with closing(store):
        for number in range(BATCHES):
            world.take(ledger, range(number * EACH, (number + 1) * EACH), tell)
        ledger.survey(everything=True)


def resume(folder, tell, told, cut):
    """All outboxes send again; what was in the store is acknowledged first."""
    check(folder, told, cut)
    world = World(folder)
    _, ledger = world.open()
    for number in range(len(world.messages) // EACH):
        world.take(ledger, range(number * EACH, (number + 1) * EACH), tell)
    assert len(rows_of(folder)) == len(world.messages), "lost or doubled"
    check(folder, [(ACKNOWLEDGED, range(len(world.messages)))], cut=False)


def rows_of(folder):
    with closing(LedgerReader(f"sqlite:///{folder}/disk/ledger.db")) as reader:
        collectors = reader.collectors()
        assert len(collectors) == 1, "it did not go on with its log"
        return list(reader.messages(collectors[0].id))


def check(folder, told, cut):
    del cut
    rows = rows_of(folder)
    messages = World(folder).messages
    assert [row.position for row in rows] == list(range(len(rows)))
    assert {row.status for row in rows} <= {"accepted"}
    numbers = sorted(row.seq for row in rows)
    assert len(set(numbers)) == len(numbers), "stored twice"
    due = {n for _, acknowledged in told for n in acknowledged}
    assert due <= set(numbers), f"acknowledged and lost: {sorted(due - set(numbers))}"
    assert all((row.topic, row.payload) == messages[row.seq] for row in rows)
    with closing(LedgerReader(f"sqlite:///{folder}/disk/ledger.db")) as reader:
        batches = list(reader.batches(reader.collectors()[0].id))
        assert len(list(reader.claims())) == len(rows), "half a batch"
    leaves, end = [leaf_of(row) for row in rows], 0
    for number, batch in enumerate(batches):
        assert (batch.number, batch.start) == (number, end)
        end += batch.size
        assert batch.root == tree_root(leaves[:end]), "another root than its rows have"
    assert end == len(rows), "half a batch"
