"""A small plant for the tests: keys, collectors with batches, requests, policies, witnesses.

In memory, and everything in it is really signed.
"""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import httpx

from anchor.growing import GrowingLog
from anchor.keeping.witness import create_app
from anchor.keeping.witness_db import WitnessState
from anchor.key_entry import OperatorAuthority, enrol, revoke
from anchor.note import COSIGNATURE, SignerKey
from anchor.policy import Policy, Witness, write_policy
from telemetry.rows import BatchRow, CollectorRow, KeyRow

ORIGIN = "example.org/log"
T0 = 1_764_000_000_000_000


def key_of(name: str, algorithm: int = 1) -> SignerKey:
    """A key that is the same in every run."""
    return SignerKey.from_seed(name, sha256(name.encode()).digest(), algorithm)


class Collector:
    """A collector's store as the anchor sees it: key entries applied, batches committed."""

    def __init__(self, plant: "Plant", name: str) -> None:
        self.name = name
        self.key = key_of(f"{ORIGIN}/collector/{name}")
        self.entry = enrol(
            operator=plant.operator, kind="collector", name=name, key=self.key, time=T0
        )
        self.row = CollectorRow(name, self.key.name, str(self.key.verifier))
        self.applied: list[bytes] = [self.entry]
        self.log: GrowingLog = GrowingLog(self.key.name, self.key)
        self.batches: list[BatchRow] = []

    def apply(self, entry: bytes) -> None:
        self.applied.append(entry)

    def commit(self, count: int = 1) -> bytes:
        """Commit a batch of `count` messages; its checkpoint."""
        start = self.log.size
        records = [f"{self.name} {position}".encode() for position in range(start, start + count)]
        grown = self.log.extend(records)
        self.log = grown.log
        number = len(self.batches)
        self.batches.append(
            BatchRow(
                self.name, number, start, count, grown.root, grown.checkpoint, len(self.applied)
            )
        )
        return grown.checkpoint


class Plant:
    """Batches and requests; `anchor.ports.Batches` and the requests folder in one object."""

    def __init__(self) -> None:
        self.key = key_of(ORIGIN)
        self.operator = key_of(f"{ORIGIN}/operator")
        self.authority = OperatorAuthority(self.operator.verifier)
        self.known: dict[str, Collector] = {}
        self.waiting: list[tuple[str, bytes]] = []

    def collector(self, name: str = "one") -> Collector:
        if name not in self.known:
            self.known[name] = Collector(self, name)
        return self.known[name]

    def request(self, entry: bytes) -> bytes:
        digest = sha256(entry).hexdigest()[:16]
        self.waiting.append((f"{T0 + len(self.waiting):016d}-{digest}.entry", entry))
        return entry

    def copy(self) -> "Plant":
        """A plant that goes on by itself from here."""
        plant = Plant()
        plant.waiting = list(self.waiting)
        for name, collector in self.known.items():
            other = plant.collector(name)
            other.applied, other.batches = list(collector.applied), list(collector.batches)
            other.log = collector.log
        return plant

    def enrol_device(self, name: str) -> bytes:
        key = key_of(f"{ORIGIN}/device/{name}")
        return enrol(operator=self.operator, kind="device", name=name, key=key, time=T0)

    def revoke(self, kind: str, name: str, prior: bytes) -> bytes:
        digest = sha256(prior).digest()
        return revoke(operator=self.operator, kind=kind, name=name, prior=digest, time=T0 + 1)

    # anchor.ports.Batches

    def collectors(self) -> list[CollectorRow]:
        return [collector.row for collector in self.known.values()]

    def batches(self, collector: str, first: int = 0) -> Iterator[BatchRow]:
        yield from self.known[collector].batches[first:]

    def key_entries(self, collector: str, first: int = 0) -> Iterator[KeyRow]:
        for number, entry in enumerate(self.known[collector].applied[first:], first):
            yield KeyRow(collector, number, sha256(entry).digest(), entry)

    # the requests folder

    def after(self, name: str) -> Sequence[tuple[str, bytes]]:
        return [request for request in self.waiting if request[0] > name]

    # policy and witnesses

    def policy(self, witnesses: Sequence[str] = (), quorum: str | int = "none") -> Policy:
        known = [Witness(n, witness_key(n).verifier, f"http://{n}") for n in witnesses]
        data = write_policy(self.key.verifier, self.operator.verifier, known, quorum)
        return Policy.from_bytes(data)


def witness_key(name: str) -> SignerKey:
    return key_of(f"witness.example/{name}", COSIGNATURE)


class Net(httpx.AsyncBaseTransport):
    """A network of witnesses in this process: real applications, reached by host name.

    `sent` keeps every checkpoint that a log submitted; `down` names hosts that do not answer;
    `step`, when set, is called before a request is handed on and after its answer came.
    """

    def __init__(self, keys: Sequence[SignerKey]) -> None:
        self.logs = {key.name: [key.verifier] for key in keys}
        self.apps: dict[str, httpx.ASGITransport] = {}
        self.states: dict[str, WitnessState] = {}
        self.down: set[str] = set()
        self.sent: list[bytes] = []
        self.asked: list[str] = []
        self.step: Callable[[], None] | None = None
        self.time = 1_764_000_000

    def add(self, name: str, state: WitnessState, key: SignerKey | None = None) -> None:
        app = create_app(
            keys=[key or witness_key(name)], logs=self.logs, state=state, clock=self._now
        )
        self.apps[name] = httpx.ASGITransport(app=app)
        self.states[name] = state

    def close(self) -> None:
        for state in self.states.values():
            state.close()

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self)

    def _now(self) -> int:
        self.time += 1
        return self.time

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.host}")
        if request.url.host in self.down:
            raise httpx.ConnectError("connection refused", request=request)
        if request.method == "POST":
            body = await request.aread()
            self.sent.append(body.partition(b"\n\n")[2])
        if self.step is not None:
            self.step()
        answer = await self.apps[request.url.host].handle_async_request(request)
        if self.step is not None:
            self.step()
        return answer


def open_net(plant: Plant, folder: Path, names: Sequence[str]) -> Net:
    """A net of witnesses whose state is in `folder`."""
    net = Net([plant.key])
    for name in names:
        net.add(name, WitnessState(folder / f"{name}.db"))
    return net
