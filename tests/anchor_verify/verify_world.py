"""A small factory, its collectors, its anchor log and witnesses, built by the formats alone.

Every run gives the same bytes. The store is in memory (`MemoryLedger`) or, by `to_sqlite`,
in the real schema, where attacks are plain SQL.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Table
from verify_logs import MemorySource, publish, write

from anchor.audit.whole import AuditMemory, Since, audit
from anchor.correction import Change, Correction, Subject
from anchor.correction import seal as seal_correction
from anchor.cosignature import cosign
from anchor.growing import GrowingLog
from anchor.key_entry import OperatorAuthority, enrol, erase, revoke, rotate
from anchor.merkle import leaf_hash
from anchor.note import COSIGNATURE, ML_DSA_44, Note, SignerKey
from anchor.policy import Policy, write_policy
from anchor.policy_text import Witness
from anchor.reading.log_reader import FolderSource, LogReader
from anchor.reading.row_record import named_message
from collector import tables
from collector.store import open_store
from collector.store_reader import LedgerReader
from telemetry.header import Header, header_properties, seal_header
from telemetry.judgement import judge
from telemetry.keyring import Keyring
from telemetry.message import Cited, compose
from telemetry.record import Record
from telemetry.rows import BatchRow, CollectorRow, KeyRow, MessageRow
from telemetry.signature import SigningKey, body_hash, seal
from telemetry.sparkplug_topic import SparkplugTopic
from telemetry.topic import MachineTopic

ORIGIN = "factory.example/log"
START = 1_764_000_000
US = 1_000_000


def seed(number: int) -> bytes:
    return number.to_bytes(32, "big")


@dataclass
class MemoryLedger:
    """A store in memory; lists that a test may change."""

    collector_rows: list[CollectorRow] = field(default_factory=list)
    batch_rows: list[BatchRow] = field(default_factory=list)
    key_rows: list[KeyRow] = field(default_factory=list)
    message_rows: list[MessageRow] = field(default_factory=list)
    tile_rows: dict[tuple[str, int, int], bytes] = field(default_factory=dict)
    claim_rows: list[tuple[str, str, int, str, int, bytes]] = field(default_factory=list)

    def collectors(self) -> list[CollectorRow]:
        return list(self.collector_rows)

    def batches(self, collector: str, first: int = 0) -> Iterator[BatchRow]:
        return (r for r in self.batch_rows if r.collector == collector and r.number >= first)

    def key_entries(self, collector: str, first: int = 0) -> Iterator[KeyRow]:
        return (r for r in self.key_rows if r.collector == collector and r.number >= first)

    def messages(
        self, collector: str, start: int = 0, stop: int | None = None
    ) -> Iterator[MessageRow]:
        for row in self.message_rows:
            inside = start <= row.position and (stop is None or row.position < stop)
            if row.collector == collector and inside:
                yield row

    def find(self, device: str, session: str, seq: int) -> MessageRow | None:
        for claim in self.claim_rows:
            if claim[:3] == (device, session, seq):
                return next(self.messages(claim[3], claim[4], claim[4] + 1), None)
        return None

    def tile(self, collector: str, level: int, number: int) -> bytes | None:
        return self.tile_rows.get((collector, level, number))

    def claims(self) -> Iterator[tuple[str, str, int, str, int, bytes]]:
        return iter(sorted(self.claim_rows))


@dataclass
class Machine:
    """A machine that signs; `cited` is what it puts into its messages."""

    name: str
    key: SigningKey
    session: str = "s1"
    seq: int = 0
    prev: bytes | None = None
    cited: Cited | None = None
    gateway: str | None = None

    @property
    def topic(self) -> MachineTopic:
        return MachineTopic("", "acme", "north", "milling", "line1", self.name, "telemetry")

    def message(self, time: int, **readings: float) -> tuple[str, bytes]:
        body = compose(
            kind="telemetry",
            device=self.name,
            session=self.session,
            seq=self.seq,
            prev=self.prev,
            anchor=self.cited,
            time=time,
            key=self.key.key_id,
            readings=readings or {"temperature": 20.5 + self.seq},
        )
        self.seq += 1
        self.prev = body_hash(body)
        return str(self.topic), seal(self.key, self.topic, body)

    def enclosed(self, time: int, payload: bytes) -> tuple[str, bytes, str]:
        """The next message, as a Sparkplug payload with a header; its properties come last."""
        topic = SparkplugTopic("", "acme", "DDATA", "north_milling_line1", self.name)
        body = Header(
            device=self.name,
            session=self.session,
            seq=self.seq,
            prev=self.prev,
            anchor=self.cited,
            time=time,
            payload=sha256(payload).digest(),
            key=self.key.key_id,
        ).to_body()
        self.seq += 1
        self.prev = body_hash(body)
        properties = header_properties(seal_header(self.key, topic, body)).to_text()
        assert properties is not None
        return str(topic), payload, properties

    def restart(self, session: str) -> None:
        self.session, self.seq = session, 0


@dataclass
class Collector:
    """One collector of the world: its growing log, its keyring, where it is."""

    id: str
    key: SignerKey
    log: GrowingLog
    keyring: Keyring = field(default_factory=Keyring)
    batches: int = 0
    received: int = 0


class World:
    """All keys, one store, one log. `now` is in seconds and moves on by itself."""

    def __init__(
        self,
        witnesses: int = 2,
        quorum: str | int = "all",
        algorithms: Sequence[int] = (COSIGNATURE, ML_DSA_44, COSIGNATURE),
    ) -> None:
        self.operator = SignerKey.from_seed(f"{ORIGIN}/operator", seed(1))
        self.anchor = SignerKey.from_seed(ORIGIN, seed(2))
        self.witnesses = {
            f"w{i}": SignerKey.from_seed(f"witness.example/w{i}", seed(10 + i), algorithms[i])
            for i in range(witnesses)
        }
        known = [Witness(name, key.verifier) for name, key in self.witnesses.items()]
        self.policy_bytes = write_policy(
            self.anchor.verifier, self.operator.verifier, known, quorum if witnesses else "none"
        )
        self.policy = Policy.from_bytes(self.policy_bytes)
        self.authority = OperatorAuthority(self.operator.verifier)
        self.ledger = MemoryLedger()
        self.collectors = dict[str, Collector]()
        self.requests = list[bytes]()
        self.entries = list[bytes]()
        self.pending = list[bytes]()
        self.published = dict[str, bytes]()
        self.checkpoint: bytes | None = None
        self.now = START
        self.cosigned_at = list[int]()
        self.published_at = list[dict[str, bytes]]()
        # Whether each collector has a store of its own, and knows nothing of the others.
        self.apart = False

    # -- keys ------------------------------------------------------------------------

    def time(self) -> int:
        self.now += 1
        return self.now * US

    def enrol_device(self, machine: Machine) -> bytes:
        return self.request(
            enrol(
                operator=self.operator,
                kind="device",
                name=machine.name,
                key=machine.key,
                time=self.time(),
                gateway=machine.gateway,
            )
        )

    def rotate_device(self, machine: Machine, key: SigningKey, prior: bytes) -> bytes:
        entry = rotate(
            operator=self.operator,
            name=machine.name,
            key=key,
            prior=prior,
            time=self.time(),
            gateway=machine.gateway,
        )
        machine.key = key
        return self.request(entry)

    def revoke_device(self, machine: Machine, prior: bytes) -> bytes:
        return self.request(
            revoke(
                operator=self.operator,
                kind="device",
                name=machine.name,
                prior=prior,
                time=self.time(),
            )
        )

    def rotate_collector(self, name: str) -> SignerKey:
        """Certify the collector's next key; it signs with it only after `take_key`."""
        collector = self.collectors[name]
        key = SignerKey.from_seed(collector.key.name, sha256(collector.key.public_key).digest())
        enrolled = collector.keyring.collector_key(name)
        assert enrolled is not None
        entry = rotate(
            operator=self.operator,
            kind="collector",
            name=name,
            key=key,
            prior=enrolled.entry,
            time=self.time(),
        )
        self.request(entry)
        return key

    def take_key(self, name: str, key: SignerKey) -> None:
        """Let the collector sign with this key from now on, as a restart does."""
        collector = self.collectors[name]
        tiles = self.ledger.tile_rows
        collector.key = key
        collector.log = GrowingLog.resume(
            key.name, key, collector.log.size, lambda level, n: tiles[name, level, n]
        )

    def erase_messages(
        self, collector: str, first: int, last: int, statuses: Sequence[str] = ()
    ) -> bytes:
        return self.request(
            erase(
                operator=self.operator,
                collector=collector,
                first=first,
                last=last,
                statuses=statuses,
                time=self.time(),
            )
        )

    def correct(self, row: MessageRow, **said: object) -> bytes:
        """Let the operator correct a row's temperature, or say what is `said`; its hash."""
        message = named_message(row)
        change = None
        if message is not None and message.scans:
            [scan] = message.scans
            change = Change("temperature", scan.time, repr(scan.readings["temperature"]), "19.75")
        named = None if row.device is None else (row.device, row.session, row.seq)
        correction = Correction(
            kind="correction" if change else "annotation",
            subject=Subject(row.collector, row.position, leaf_hash(record_bytes(row)), named),
            by="Erika Müller",
            meaning="authorship",
            reason="probe sat high: DEV-17",
            time=self.time(),
            change=change,
        )
        entry = seal_correction(self.operator, replace(correction, **said))
        self.pending.append(entry)
        return sha256(entry).digest()

    def request(self, entry: bytes) -> bytes:
        """Hand an entry to every collector there is and will be; gives its hash."""
        self.requests.append(entry)
        for collector in self.collectors.values():
            self._apply(collector, entry)
        return sha256(entry).digest()

    def add_collector(self, name: str) -> Collector:
        key = SignerKey.from_seed(f"{ORIGIN}/collector/{name}", seed(50 + len(self.collectors)))
        collector = Collector(name, key, GrowingLog(key.name, key))
        self.collectors[name] = collector
        self.ledger.collector_rows.append(CollectorRow(name, key.name, str(key.verifier)))
        own = enrol(
            operator=self.operator, kind="collector", name=name, key=key.raw, time=self.time()
        )
        for entry in (*self.requests, own):
            self._apply(collector, entry)
        return collector

    def _apply(self, collector: Collector, entry: bytes) -> None:
        statement = self.authority.read(entry)
        number = collector.keyring.applied
        collector.keyring.apply(statement)
        self.ledger.key_rows.append(KeyRow(collector.id, number, statement.hash, entry))

    # -- collecting ------------------------------------------------------------------

    def collect(
        self, name: str, messages: Sequence[tuple[str, bytes] | tuple[str, bytes, str]]
    ) -> list[MessageRow]:
        """Judge, record and commit one batch; the third of a message is its properties."""
        collector = self.collectors[name]
        rows = [
            self._row(collector, collector.log.size + i, *message)
            for i, message in enumerate(messages)
        ]
        self.commit(collector, rows)
        return rows

    def commit(self, collector: Collector, rows: Sequence[MessageRow]) -> None:
        extension = collector.log.extend([record_bytes(row) for row in rows])
        self.ledger.message_rows += rows
        for level, number, hashes in extension.tiles:
            self.ledger.tile_rows[collector.id, level, number] = hashes
        self.ledger.batch_rows.append(
            BatchRow(
                collector.id,
                collector.batches,
                extension.start,
                extension.size - extension.start,
                extension.root,
                extension.checkpoint,
                collector.keyring.applied,
            )
        )
        collector.batches += 1
        collector.log = extension.log
        self.pending += [r.entry for r in self.ledger.key_entries(collector.id)]
        self.pending.append(extension.checkpoint)

    def _row(
        self,
        collector: Collector,
        position: int,
        topic: str,
        payload: bytes,
        properties: str | None = None,
    ) -> MessageRow:
        found = judge(topic, payload, collector.keyring, properties)
        status = found.status
        number = (found.device, found.session, found.seq)
        if status == "accepted" and self._claimed(collector, number):
            status = "conflict"
        collector.received = max(collector.received + 1, self.now * US)
        if status == "accepted":
            self.ledger.claim_rows.append((*number, collector.id, position, found.body_hash))
        return MessageRow(
            collector=collector.id,
            position=position,
            received_at=collector.received,
            original_at=None,
            topic=topic,
            payload=payload,
            properties=properties,
            device=found.device,
            session=found.session,
            seq=found.seq,
            time=found.time,
            status=status,
            key=found.key,
            keys=found.keys,
            entry=found.entry,
            payload_hash=sha256(payload).digest(),
            body_hash=found.body_hash,
        )

    def _claimed(self, collector: Collector, number: tuple[object, ...]) -> bool:
        return any(
            claim[:3] == number and (not self.apart or claim[3] == collector.id)
            for claim in self.ledger.claim_rows
        )

    # -- anchoring -------------------------------------------------------------------

    def append(self) -> None:
        """Put what is pending into the log, each entry once, without publishing."""
        for entry in self.pending:
            if entry not in self.entries:
                self.entries.append(entry)
        self.pending = []

    def anchor_now(self) -> bytes:
        """Append what is pending and publish a cosigned checkpoint."""
        self.append()
        self.now += 5
        self.cosigned_at.append(self.now)
        files = publish(self.anchor, self.entries)
        self.checkpoint = self.cosign(files["checkpoint"])
        files["checkpoint"] = self.checkpoint
        files[f"checkpoints/{sha256(self.checkpoint).hexdigest()}"] = self.checkpoint
        self.published.update(files)
        self.published_at.append(dict(self.published))
        return self.checkpoint

    def cosign(self, checkpoint: bytes) -> bytes:
        """Let every witness cosign, one second after the other."""
        note = Note.from_bytes(checkpoint)
        for i, key in enumerate(self.witnesses.values()):
            note = note.with_signatures(cosign(key, note.text, self.now + i))
        return note.to_bytes()

    def cite(self, *machines: Machine) -> None:
        """Let machines see the newest checkpoint."""
        assert self.checkpoint is not None
        size = int(self.checkpoint.split(b"\n")[1])
        for machine in machines:
            machine.cited = Cited(size, sha256(self.checkpoint).digest())

    def write_log(self, folder: Path) -> LogReader:
        write(self.published, folder)
        return LogReader(FolderSource(folder), self.anchor.verifier)


def memory_of(world: World, memory: AuditMemory | None = None) -> AuditMemory:
    """What an audit of the world as it is now leaves, through the file that keeps it."""
    log = LogReader(MemorySource(dict(world.published)), world.anchor.verifier)
    since = Since(world.now, memory, only_new=memory is not None)
    found = audit(ledger=world.ledger, log=log, policy=world.policy, since=since)
    assert found.memory is not None, found.findings
    return AuditMemory.from_bytes(found.memory.to_bytes())


def part_of(ledger: MemoryLedger, collector: str) -> MemoryLedger:
    """What one collector wrote, as a store of its own."""
    return MemoryLedger(
        [row for row in ledger.collector_rows if row.id == collector],
        [row for row in ledger.batch_rows if row.collector == collector],
        [row for row in ledger.key_rows if row.collector == collector],
        [row for row in ledger.message_rows if row.collector == collector],
        {place: hashes for place, hashes in ledger.tile_rows.items() if place[0] == collector},
        [claim for claim in ledger.claim_rows if claim[3] == collector],
    )


def to_sqlite(ledger: MemoryLedger, path: Path) -> LedgerReader:
    """A store in the real schema, in a file that attacks may edit."""
    return to_store(ledger, f"sqlite:///{path}")


def to_store(ledger: MemoryLedger, url: str) -> LedgerReader:
    """A store in the real schema, that attacks may edit."""
    with ExitStack() as stack:
        store = stack.enter_context(open_store(url, create=True))
        store.make_room(max((row.position for row in ledger.message_rows), default=0))
        connection = stack.enter_context(store.writing())

        def put(table: Table, rows: Iterable[dict[str, object]]) -> None:
            for row in rows:
                connection.execute(table.insert(), row)

        put(
            tables.collectors,
            (
                {"ordinal": i, "kind": "live", **asdict(row)}
                for i, row in enumerate(ledger.collector_rows)
            ),
        )
        put(tables.messages, map(asdict, ledger.message_rows))
        put(tables.batches, map(asdict, ledger.batch_rows))
        put(tables.key_entries, map(asdict, ledger.key_rows))
        names = ("device", "session", "seq", "collector", "position", "body_hash")
        put(tables.claims, (dict(zip(names, c, strict=True)) for c in ledger.claim_rows))
        put(
            tables.tiles,
            (
                {"collector": c, "level": level, "number": number, "hashes": hashes}
                for (c, level, number), hashes in ledger.tile_rows.items()
            ),
        )
    return LedgerReader(url)


def record_bytes(row: MessageRow) -> bytes:
    return Record(
        received=row.received_at,
        original=row.original_at,
        topic=row.topic,
        properties=row.properties,
        status=row.status,
        device=row.device,
        session=row.session,
        seq=row.seq,
        key=row.key,
        keys=row.keys,
        entry=row.entry,
        payload=row.payload_hash,
        body=row.body_hash,
    ).to_bytes()


def machines(count: int) -> list[Machine]:
    return [Machine(f"mill-{i}", SigningKey.from_seed(seed(100 + i))) for i in range(count)]


def foreign(number: int) -> tuple[str, bytes]:
    return f"other/topic/{number % 3}", b"\x00\xff foreign %d" % number


def small_world(**options: object) -> tuple[World, list[Machine]]:
    """Two machines, one collector, three batches of a few messages, all anchored."""
    world = World(**options)
    fleet = machines(2)
    for machine in fleet:
        world.enrol_device(machine)
    world.add_collector("c0")
    for batch in range(3):
        found = [m.message(world.time()) for m in fleet for _ in range(2)]
        world.collect("c0", [*found, foreign(batch)])
        world.anchor_now()
        world.cite(*fleet)
    return world, fleet


def large_world(
    anchored: Callable[[World], None] = lambda _: None,
) -> tuple[World, list[Machine]]:
    """Some hundred messages of every status, two collectors, rotation, revocation, erasure.

    `anchored` is called each time that the log has published.
    """
    world = World()
    fleet = machines(4)
    priors = [world.enrol_device(machine) for machine in fleet]
    world.add_collector("c0")
    world.add_collector("file-1")
    stranger = Machine("mill-9", SigningKey.from_seed(seed(999)))
    for batch in range(12):
        if batch == 5:
            world.rotate_device(fleet[1], SigningKey.from_seed(seed(201)), priors[1])
        found = [m.message(world.time()) for m in fleet[:3] for _ in range(17)]
        found += [foreign(batch * 2), foreign(batch * 2 + 1)]
        if batch % 3 == 0:
            found += [stranger.message(world.time()), malformed(fleet[0]), forged(fleet[0])]
            world.collect("file-1", [fleet[3].message(world.time()) for _ in range(9)])
        if batch == 8:
            world.revoke_device(fleet[2], priors[2])
        world.collect("c0", found)
        if batch % 2:
            world.anchor_now()
            anchored(world)
            world.cite(*fleet)
        if batch == 6:
            fleet[0].restart("s2")
    return world, fleet


def malformed(machine: Machine) -> tuple[str, bytes]:
    """A message with two members of one name; the machine does not count it."""
    topic, payload = replace(machine).message(0)
    return topic, payload.replace(b'"seq":', b'"seq":1,"seq":')


def forged(machine: Machine) -> tuple[str, bytes]:
    """Under the enrolled device's name and key id, but signed by another key."""
    forger = replace(machine, key=ForgedKey(machine.key, SigningKey.from_seed(seed(998))))
    return forger.message(0)


@dataclass
class ForgedKey:
    """Says that it is one key and signs with another."""

    says: SigningKey
    signs: SigningKey

    @property
    def key_id(self) -> str:
        return self.says.key_id

    def sign(self, message: bytes) -> bytes:
        return self.signs.sign(message)
