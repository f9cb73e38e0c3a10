"""Who there is: an operator, machines and collectors, their keys; the same in every world."""

from dataclasses import dataclass, field
from hashlib import sha256

from anchor.growing import GrowingLog
from anchor.key_entry import OperatorAuthority, enrol
from anchor.note import SignerKey
from anchor.receipts import ReceiptTree
from collector.ports import Identity
from telemetry.signature import SigningKey
from telemetry.topic import MachineTopic

ORIGIN = "works.test"
START = 1_764_000_000_000_000  # 2025-11-24T16:00:00Z


@dataclass
class Machine:
    """A machine's name, key and place."""

    name: str
    key: SigningKey
    topic: MachineTopic
    entry: bytes


@dataclass
class Requests:
    """The folder of key entries, in memory."""

    entries: list = field(default_factory=list)

    def write(self, entry):
        self.entries.append((f"{len(self.entries):016d}.entry", entry))

    def after(self, name):
        return [item for item in self.entries if item[0] > name]


def cached(make):
    known = {}

    def get(*key):
        if key not in known:
            known[key] = make(*key)
        return known[key]

    return get


class Authority(OperatorAuthority):
    """Remembers what it has read: a signature that was good stays so."""

    def __init__(self, verifier):
        super().__init__(verifier)
        self._known = {}

    def read(self, entry):
        if entry not in self._known:
            self._known[entry] = super().read(entry)
        return self._known[entry]


@cached
def operator():
    key = SignerKey.from_seed(f"{ORIGIN}/operator", bytes(32))
    return key, Authority(key.verifier)


@cached
def identity(collector):
    origin = f"{ORIGIN}/collector/{collector}"
    key = SignerKey.from_seed(origin, sha256(collector.encode()).digest())
    return Identity(
        origin=origin,
        vkey=str(key.verifier),
        key_entry=enrol(
            operator=operator()[0], kind="collector", name=collector, key=key, time=START
        ),
        receipts=ReceiptTree(key),
        log=lambda size, tile: GrowingLog.resume(origin, key, size, tile),
    )


@cached
def machines(count):
    found = []
    for number in range(count):
        name = f"mill-{number}"
        key = SigningKey.from_seed(number.to_bytes(32, "big"))
        topic = MachineTopic("", "acme", "north", "hall", "line-1", name, "telemetry")
        entry = enrol(
            operator=operator()[0], kind="device", name=name, key=key, time=START + number
        )
        found.append(Machine(name, key, topic, entry))
    return found


FORGER = SigningKey.from_seed(sha256(b"forger").digest())
STRANGER = SignerKey.from_seed(f"{ORIGIN}/collector/c0ffee0000000001", sha256(b"x").digest())
