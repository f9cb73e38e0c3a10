"""A works for the collector's tests: an operator, machines with real keys, and one store.

Everything is real (keys, notes, logs); only the requests folder is a list in memory.
"""

from contextlib import closing
from dataclasses import dataclass, field, fields
from hashlib import sha256

import pytest
import structlog

from anchor.growing import GrowingLog
from anchor.key_entry import OperatorAuthority, enrol, revoke
from anchor.note import SignerKey
from anchor.receipts import ReceiptTree
from collector.arrived import Arrived
from collector.counting import Door
from collector.ledger import Taken
from collector.ports import Identity
from collector.resume import Resume, Source
from collector.store import open_store
from collector.store_reader import LedgerReader
from telemetry.message import compose
from telemetry.signature import SigningKey, body_hash, seal, split
from telemetry.topic import MachineTopic

ORIGIN = "works.test"
START = 1_764_000_000_000_000  # 2025-11-24T16:00:00Z


class MemoryRequests:
    """The folder's contract in memory: names in the order of writing."""

    def __init__(self):
        self.entries = []
        self.reads = 0

    def write(self, entry):
        name = f"{len(self.entries):016d}-{sha256(entry).hexdigest()[:16]}.entry"
        self.entries.append((name, entry))

    def after(self, name):
        self.reads += 1
        return [item for item in self.entries if item[0] > name]


@dataclass
class Machine:
    """A machine with a key, composing signed messages with the next number each."""

    name: str
    seed: int
    session: str = "00000000000000aa"
    prefix: str = ""
    seq: int = 0
    prev: bytes | None = None
    key: SigningKey = field(init=False)

    def __post_init__(self):
        self.key = SigningKey.from_seed(self.seed.to_bytes(32, "big"))

    @property
    def topic(self):
        return MachineTopic(self.prefix, "acme", "site", "hall", "line", self.name, "telemetry")

    def message(self, *, seq=None, value=None, time=None, scans=None, key=None):
        """Topic and payload of the next message, or of number `seq` again."""
        number = self.seq if seq is None else seq
        readings = {"temperature": float(number if value is None else value)}
        body = compose(
            kind="telemetry",
            device=self.name,
            session=self.session,
            seq=number,
            prev=self.prev,
            anchor=None,
            time=START + number * 1_000_000 if time is None else time,
            key=(key or self.key).key_id,
            readings=None if scans else readings,
            scans=scans,
        )
        if seq is None:
            self.seq += 1
            self.prev = body_hash(body)
        return str(self.topic), seal(key or self.key, self.topic, body)

    def body_hash(self, payload):
        return body_hash(split(payload)[0])


class Works:
    """Operator, requests, collectors' keys, and a store in `folder` or at `url`."""

    def __init__(self, folder, url=None):
        self.folder = folder
        self.url = url or f"sqlite:///{folder}/ledger.db"
        self.operator = SignerKey.from_seed(f"{ORIGIN}/operator", bytes(32))
        self.authority = OperatorAuthority(self.operator.verifier)
        self.requests = MemoryRequests()
        self.identities = []
        self.revision = b""
        self._time = START
        self._machines = 0
        self._readers = []

    def identity_for(self, collector):
        self.identities.append(collector)
        origin = f"{ORIGIN}/collector/{collector}"
        key = SignerKey.from_seed(origin, sha256(collector.encode() + self.revision).digest())
        return Identity(
            origin=origin,
            vkey=str(key.verifier),
            key_entry=enrol(
                operator=self.operator, kind="collector", name=collector, key=key, time=START
            ),
            receipts=ReceiptTree(key),
            log=lambda size, tile: GrowingLog.resume(origin, key, size, tile),
        )

    def machine(self, name, *, enrolled=True, **how):
        self._machines += 1
        machine = Machine(name, self._machines, **how)
        if enrolled:
            self.enrol(machine)
        return machine

    def enrol(self, machine):
        self._time += 1
        entry = enrol(
            operator=self.operator,
            kind="device",
            name=machine.name,
            key=machine.key,
            time=self._time,
        )
        self.requests.write(entry)
        return sha256(entry).digest()

    def revoke(self, machine, prior):
        self._time += 1
        entry = revoke(
            operator=self.operator, kind="device", name=machine.name, prior=prior, time=self._time
        )
        self.requests.write(entry)
        return sha256(entry).digest()

    def open(self, **how):
        return open_store(self.url, create=True, **how)

    def resume(self, store, **how):
        return Resume(store, self.identity_for, self.authority, self.requests, **how)

    def live(self, store, *, new_id="c0ffee0000000001", anchored_size=None, **how):
        return self.resume(store, **how).live(new_id=lambda: new_id, anchored_size=anchored_size)

    def reader(self):
        """A reader that is closed with the works."""
        self._readers.append(LedgerReader(self.url))
        return self._readers[-1]

    def close(self):
        for reader in self._readers:
            reader.close()


@dataclass(frozen=True)
class Fed(Taken):
    """What a `take` did, and the receipts that were due after it."""

    receipts: list = field(kw_only=True)


class Feed:
    """Hands arrivals to a ledger with a clock and a door of its own."""

    def __init__(self, ledger, at=START):
        self.ledger = ledger
        self.at = at
        self.received = 0

    def take(self, *messages, at=None, **how):
        arrived = [
            Arrived(*message, *[None] * (3 - len(message)), (self.at + index) if at is None else at)
            for index, message in enumerate(messages)
        ]
        self.at += len(messages)
        self.received += len(messages)
        taken = self.ledger.take(arrived, Door(self.received), anchored_by=self.at, **how)
        parts = [getattr(taken, part.name) for part in fields(taken)]
        return Fed(*parts, receipts=self.ledger.receipts(100))


@pytest.fixture(autouse=True)
def quiet_log():
    """Keep what the collector logs; nothing is printed."""
    with structlog.testing.capture_logs() as lines:
        yield lines


def pytest_generate_tests(metafunc):
    """Run the tests of a store's contract on each of the databases that their module names."""
    kinds = getattr(metafunc.module, "DATABASES", None)
    if kinds and "database" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("sqlite")
        metafunc.parametrize("database", ["sqlite"] if only else kinds, indirect=True)


@pytest.fixture
def database(request):
    """Give URLs of fresh, empty databases, by the folder of their works."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return lambda folder: f"sqlite:///{folder}/ledger.db"
    server = request.getfixturevalue("postgres")
    return lambda _: server.database()


@pytest.fixture
def works_at():
    """Make works in a folder, with a store at a URL."""
    return lambda folder, url: closing(Works(folder, url))


@pytest.fixture
def works(tmp_path, database):
    with closing(Works(tmp_path, database(tmp_path))) as made:
        yield made


@pytest.fixture(scope="session")
def makers():
    """How a works and a feed are made, for a test that makes one each example."""
    return Works, Feed


@pytest.fixture
def another_works(tmp_path, database):
    """The same operator and keys over another, fresh store."""
    folder = tmp_path / "another"
    folder.mkdir()
    with closing(Works(folder, database(folder))) as made:
        yield made


@pytest.fixture
def store(works):
    with works.open() as opened:
        yield opened


@pytest.fixture
def feed(works, store):
    """A feed into a fresh live collector of `works`."""
    return Feed(works.live(store).ledger)


@pytest.fixture
def feed_for():
    """Make a feed for any ledger."""
    return Feed


@pytest.fixture
def source():
    """A source of some SHA-256."""
    return Source(sha256(b"a file").digest())
