"""A plant that speaks Sparkplug on a real broker: who receives it, as collector and as host."""

import asyncio
import contextlib
import hashlib
import uuid

from spec_host import SpecHost

from anchor.checkpoint import open_checkpoint
from anchor.key_entry import enrol
from anchor.note import SignerKey
from anchor.receipts import ReceiptTree, ReceiptVerifier
from collector.batch import Receipted
from collector.pending import Pending
from collector.receipting import owed
from simulator.edge import edges_of
from simulator.machine import Machine
from simulator.offline import test_key
from simulator.outbox import Outbox
from telemetry.errors import LinkLost
from telemetry.judgement import judge
from telemetry.keyring import Keyring, KeyStatement
from telemetry.link import Backoff, Link, Subscription, Will
from telemetry.message import Cited
from telemetry.sparkplug import DataType, Metric, Payload, Value
from telemetry.sparkplug_topic import HostState, SparkplugTopic, sparkplug_filters, state_topic
from telemetry.topic import MachineTopic, collector_topic, factory_filters

ORIGIN, COLLECTOR = "log.example", "0123456789abcdef"
SEED = 5
QUICK = Backoff(first=0.02, limit=0.2)
KINDS = ("mill", "robot", "conveyor")


def machines(count=3, line="line-1", language="sparkplug"):
    return [
        Machine(
            MachineTopic("", "works", "north", "hall", line, f"{kind}-{line[-1]}", "telemetry"),
            kind,
            SEED,
            None,
            language,
        )
        for kind in KINDS[:count]
    ]


def senders(plant):
    return [*plant, *edges_of(plant)]


def keyring_of(plant):
    ring = Keyring()
    for sender in senders(plant):
        key = test_key(SEED, sender.name).public_key
        entry = hashlib.sha256(sender.name.encode()).digest()
        ring.apply(KeyStatement(entry, "enrol", "device", sender.name, 1, key))
    return ring


@contextlib.contextmanager
def outboxes_of(plant, directory=None):
    with contextlib.ExitStack() as stack:
        opened = {}
        for sender in senders(plant):
            key = test_key(SEED, sender.name)
            box = Outbox(sender.name, key, sender.topic, directory)
            stack.callback(box.close)
            opened[sender.name] = box
        yield opened


class LogKey:
    """Checks checkpoints by the log's signature alone."""

    key = SignerKey.from_seed(ORIGIN, bytes([3]) * 32)

    def check(self, note):
        checkpoint = open_checkpoint(note, self.key.verifier)
        return Cited(checkpoint.size, hashlib.sha256(note).digest())


class Receiver:
    """Judges all that comes, as a collector, and signs real receipts where those are due."""

    def __init__(self, broker, prefix, plant, *, answers=True):
        self.prefix, self.keyring, self.answers = prefix, keyring_of(plant), answers
        operator = SignerKey.from_seed(f"{ORIGIN}/operator", bytes([1]) * 32)
        key = SignerKey.from_seed(f"{ORIGIN}/collector/{COLLECTOR}", bytes([2]) * 32)
        self.tree = ReceiptTree(key)
        self.entry = enrol(operator=operator, kind="collector", name=COLLECTOR, key=key, time=1)
        self.verifier = ReceiptVerifier(operator.verifier, ORIGIN)
        self.stored, self.statuses, self.topics = {}, {}, []
        self.link = Link(
            broker.address,
            client_id=f"receiver-{uuid.uuid4().hex[:8]}",
            clean_start=True,
            backoff=QUICK,
            subscriptions=[
                Subscription(one) for one in [*factory_filters(prefix), *sparkplug_filters(prefix)]
            ],
            on_arrivals=self._take,
            on_connected=lambda _present: asyncio.get_running_loop().call_soon(self._introduce),
        )

    def numbers(self, device):
        """The (session, seq) of what is accepted of a device."""
        return sorted((session, seq) for name, session, seq in self.stored if name == device)

    def _introduce(self):
        self._post(collector_topic(self.prefix, COLLECTOR), self.entry, retain=True)

    def _post(self, topic, payload, *, retain=False):
        with contextlib.suppress(LinkLost):
            posted = self.link.post(topic, payload, qos=1, retain=retain)
            posted.add_done_callback(lambda future: future.cancelled() or future.exception())

    def _take(self, arrivals):
        pending = Pending()
        for arrival in arrivals:
            judged = judge(
                arrival.topic, arrival.payload, self.keyring, arrival.properties.to_text()
            )
            self.topics.append(arrival.topic)
            self.statuses[judged.status] = self.statuses.get(judged.status, 0) + 1
            if judged.status == "accepted":
                place = (judged.device, judged.session, judged.seq)
                known = self.stored.setdefault(place, judged)
                assert known.body_hash == judged.body_hash
                item = Receipted(arrival.topic, place, judged.body_hash, COLLECTOR)
                pending.add([item], now=0.0, anchored_by=1_800_000_000_000_000)
        if self.answers and len(pending):
            due = owed(pending.rest(room=1000))
            for one, payload in zip(due, self.tree.seal([o.leaf for o in due]), strict=True):
                for topic in one.topics:
                    self._post(topic, payload)
        self.link.acknowledge(arrivals)


class HostApplication:
    """A host on the broker: minds the rules of what it hears live, commands, has a state."""

    def __init__(self, broker, prefix, edge, host="scada"):
        self.spec, self.edge, self.prefix = SpecHost(), edge.sparkplug(prefix), prefix
        self.state_topic, self.failure, self.heard = state_topic(prefix, host), None, []
        self.clock, self.blind, self.asked_at = 1000, True, 0.0
        self.link = Link(
            broker.address,
            client_id=f"host-{uuid.uuid4().hex[:8]}",
            clean_start=True,
            subscriptions=[Subscription(f"{prefix}/spBv1.0/{self.edge.group}/#")],
            on_arrivals=self._take,
            on_connected=lambda _present: self._lose_sight(),
            backoff=QUICK,
            will=Will(
                self.state_topic,
                HostState(online=False, timestamp=self.clock).to_bytes(),
                retain=True,
            ),
        )

    async def say(self, *, online, timestamp=None):
        """Publish its state; by default newer than all before."""
        self.clock += 1
        at = self.clock if timestamp is None else timestamp
        state = HostState(online=online, timestamp=at).to_bytes()
        await self.link.publish(self.state_topic, state, retain=True)

    async def ask_rebirth(self, *, value=True):
        held = Value.of(DataType.BOOLEAN, value)
        metric = Metric(
            name="Node Control/Rebirth", timestamp=1, datatype=DataType.BOOLEAN, value=held
        )
        payload = Payload(timestamp=1, metrics=(metric,)).to_bytes()
        await self.link.publish(str(self.edge.of("NCMD")), payload, qos=1)

    def _lose_sight(self):
        """What it missed it cannot know: it waits for a birth, and asks for one."""
        self.spec.seq, self.blind = None, True

    def _ask_once(self):
        now = asyncio.get_running_loop().time()
        if now - self.asked_at > 1.0:
            self.asked_at = now
            self.asking = asyncio.ensure_future(self.ask_rebirth())

    def types(self):
        return [SparkplugTopic.parse(topic).type for topic in self.heard]

    def _take(self, arrivals):
        for arrival in arrivals:
            kind = SparkplugTopic.parse(arrival.topic).type
            if kind in {"NCMD", "DCMD"}:
                continue
            if kind == "NBIRTH":
                self.blind = False
            elif self.blind:
                self._ask_once()
                continue
            self.heard.append(arrival.topic)
            try:
                self.spec.hear(
                    arrival.topic, arrival.payload, qos=arrival.qos, retain=arrival.retain
                )
            except AssertionError as error:
                self.failure = self.failure or f"{arrival.topic}: {error}"
        self.link.acknowledge(arrivals)


async def eventually(check, seconds=15):
    for _ in range(int(seconds * 100)):
        if check():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")
