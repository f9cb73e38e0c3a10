"""A machine's key and topic, and receipts as a collector would say them."""

import sys
from pathlib import Path

import pytest

from telemetry.receipt import ReceiptLeaf, as_ranges, bodies_digest
from telemetry.signature import SigningKey
from telemetry.topic import MachineTopic

# Tests are imported by path; the modules that they share are not, so their folder is named.
sys.path.insert(0, str(Path(__file__).parent))

DEVICE = "mill-01"


@pytest.fixture(scope="session")
def key():
    return SigningKey.from_seed(bytes(range(32)))


@pytest.fixture(scope="session")
def topic():
    return MachineTopic("", "works", "north", "machining", "line-1", DEVICE, "telemetry")


@pytest.fixture(scope="session")
def receipt_for():
    """Gives the leaf that covers these entries, of one session."""

    def leaf(entries, **changes):
        entries = sorted(entries, key=lambda entry: entry.seq)
        said = {
            "collector": "0123456789abcdef",
            "device": DEVICE,
            "session": entries[0].session,
            "ranges": as_ranges(entry.seq for entry in entries),
            "bodies": bodies_digest(entry.body_hash for entry in entries),
            "anchored_by": 1_800_000_000_000_000,
        }
        return ReceiptLeaf(**(said | changes))

    return leaf


ORIGIN = "log.example"
COLLECTOR = "0123456789abcdef"


class ReceiptGiver:
    """Receives what a fleet publishes, as a collector does, and signs real receipts.

    Keeps every distinct message by (device, session, seq); a second body for a number is a
    test's failure. `answers` decides whether it gives receipts.
    """

    def __init__(self, address, prefix, keyring, *, answers=True):
        from anchor.key_entry import enrol
        from anchor.note import SignerKey
        from anchor.receipts import ReceiptTree
        from telemetry.link import Link, Subscription
        from telemetry.topic import factory_filters

        self.prefix, self.keyring, self.answers = prefix, keyring, answers
        self.operator = SignerKey.from_seed(f"{ORIGIN}/operator", bytes([1]) * 32)
        key = SignerKey.from_seed(f"{ORIGIN}/collector/{COLLECTOR}", bytes([2]) * 32)
        self.tree = ReceiptTree(key)
        self.entry = enrol(
            operator=self.operator, kind="collector", name=COLLECTOR, key=key, time=1
        )
        self.stored = {}
        self.statuses = {}
        self.deaths = []
        self.arrivals = 0
        self.receipts = []
        self.failure = None
        self.link = Link(
            address,
            client_id=f"giver-{prefix.replace('/', '-')}",
            subscriptions=[Subscription(pattern) for pattern in factory_filters(prefix)],
            on_arrivals=self._take,
            on_connected=lambda _present: self._introduce(),
            session_expiry=600,
        )

    async def __aenter__(self):
        await self.link.__aenter__()
        return self

    async def __aexit__(self, *error):
        await self.link.__aexit__(*error)

    def verifier(self):
        """What a machine checks receipts with."""
        from anchor.receipts import ReceiptVerifier

        return ReceiptVerifier(self.operator.verifier, ORIGIN)

    def sessions(self, device):
        """Entries by session of one device, in order of seq."""
        found = {}
        for (name, session, seq), judged in sorted(self.stored.items()):
            if name == device:
                found.setdefault(session, []).append((seq, judged))
        return found

    def _introduce(self):
        import asyncio

        asyncio.get_running_loop().call_soon(self._publish_entry)

    def _publish_entry(self):
        from telemetry.topic import collector_topic

        topic = collector_topic(self.prefix, COLLECTOR)
        self.post(topic, self.entry, retain=True)

    def post(self, topic, payload, *, retain=False):
        """Publish, forgiving a connection that went."""
        from telemetry.errors import LinkLost

        try:
            posted = self.link.post(topic, payload, qos=1, retain=retain)
        except LinkLost:
            return
        posted.add_done_callback(lambda future: future.cancelled() or future.exception())

    def _take(self, arrivals):
        from telemetry.judgement import judge

        batch = {}
        for arrival in arrivals:
            self.arrivals += 1
            if arrival.topic.endswith("/death"):
                self.deaths.append((arrival.topic, arrival.payload, arrival.retain))
                continue
            judged = judge(arrival.topic, arrival.payload, self.keyring)
            self.statuses[judged.status] = self.statuses.get(judged.status, 0) + 1
            if judged.status != "accepted":
                continue
            place = (judged.device, judged.session, judged.seq)
            known = self.stored.setdefault(place, judged)
            if known.body_hash != judged.body_hash:
                self.failure = f"two bodies for {place}"
            batch.setdefault((arrival.topic.rsplit("/", 1)[0], judged.session), {})[judged.seq] = (
                judged
            )
        if self.answers and batch:
            self.give(batch)
        self.link.acknowledge(arrivals)

    def give(self, batch):
        """Seal and publish receipts; batch: (topic without kind, session) to seq to judged."""
        order = sorted(batch)
        leaves = [self.leaf(batch[place]).to_bytes() for place in order]
        for (topic, _), payload in zip(order, self.tree.seal(leaves), strict=True):
            self.receipts.append((f"{topic}/receipt", payload))
            self.post(f"{topic}/receipt", payload)

    def leaf(self, judged_by_seq):
        one = next(iter(judged_by_seq.values()))
        seqs = sorted(judged_by_seq)
        return ReceiptLeaf(
            collector=COLLECTOR,
            device=one.device,
            session=one.session,
            ranges=as_ranges(seqs),
            bodies=bodies_digest(judged_by_seq[seq].body_hash for seq in seqs),
            anchored_by=1_800_000_000_000_000,
        )


@pytest.fixture(scope="session")
def receipt_giver():
    return ReceiptGiver
