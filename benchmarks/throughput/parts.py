"""What the parts of storing one signed message cost, each by itself, in CPU microseconds.

Every part runs the program's own code on the same messages.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import mqtt5

from anchor.growing import GrowingLog
from anchor.key_entry import OperatorAuthority
from anchor.note import SignerKey
from collector.arrived import Arrived
from collector.batch import Batch, Judged, build_batch
from collector.commit import Commit, StoreShelf
from collector.keys import Keys
from collector.store import open_store
from collector.verdict import Verdict, decide
from telemetry.judgement import is_signed, judge
from telemetry.mqtt_packets import Opening, Outgoing
from telemetry.mqtt_session import MqttSession
from telemetry.record import Record, unsigned_record
from throughput.messages import OPERATOR, Message, Requests

BATCH = 2000
READ = 200  # messages that come in one read, at one moment; a backlog brings more
START = 1_764_000_000_000_000


def parts(messages: Sequence[Message], folder: Path) -> dict[str, float]:
    """Give `verify`, `link`, `store` and `hash`.

    verify: parse and check. link: packets in, acknowledgements out. store: claims, rows, the
    transaction. hash: of payload and body, records, leaves, tree, checkpoint.
    """
    keys = Keys(OperatorAuthority(OPERATOR.verifier), Requests(), collector="bench")
    keys.refresh()
    count = len(messages)
    arrived = [Arrived(*one, None, START + n // READ) for n, one in enumerate(messages)]
    found: list[Verdict] = []

    def verify() -> None:
        for one in messages:
            judge(*one, keys.keyring)

    def hash_up() -> None:
        log = GrowingLog("bench/log", SignerKey.from_seed("bench/log", bytes(32)))
        for some in leaves:
            for _, payload, signed in some:
                sha256(payload).digest()
                if signed:
                    sha256(payload[:-98]).digest()
            log = log.extend([write() for write, *_ in some]).log

    found = [decide(one.topic, one.payload, None, keys.keyring) for one in arrived]
    judged = [Judged(*pair) for pair in zip(arrived, found, strict=True)]
    batches = [
        build_batch(judged[at : at + BATCH], taken=Nothing(), collector="c", start=at, floor=0)
        for at in range(0, count, BATCH)
    ]
    leaves = [
        [(_writing(row), row[5], row[16] is not None) for row in batch.messages]
        for batch in batches
    ]
    costs = {"link": _cpu(lambda: _link(messages)), "hash": _cpu(hash_up)}
    costs["verify"] = _cpu(verify) if is_signed(messages[0][1], None) else 0.0
    with open_store(f"sqlite:///{folder}/parts.db", create=True) as store:
        shelf = StoreShelf(store)
        costs["store"] = _cpu(lambda: _store(batches, shelf))
    return {name: cost / count * 1e6 for name, cost in costs.items()}


class Nothing:
    """A store that holds nothing."""

    def numbers(self, _wanted: object) -> dict[object, object]:
        """Give none."""
        return {}

    def sightings(self, _wanted: object) -> set[object]:
        """Give none."""
        return set()


def _cpu(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


def _writing(row: tuple[Any, ...]) -> Callable[[], bytes]:
    """Give what writes the row's record, as `collector.batch` does."""
    if row[11] == "unsigned":
        return partial(unsigned_record, *row[2:5], row[6], row[15])
    return Record(*row[2:5], row[6], row[11], *row[7:10], *row[12:17]).to_bytes


def _link(messages: Sequence[Message]) -> None:
    session: MqttSession[object] = MqttSession(
        Opening(client_id="bench", receive_maximum=65_535), epoch=1, now=0.0
    )
    session.outgoing(0.0)
    session.receive(mqtt5.ConnAckPacket().write(), 0.0)
    session.events()
    for at in range(0, len(messages), BATCH):
        some = messages[at : at + BATCH]
        packets = [
            Outgoing(topic=topic, payload=payload).encode(number + 1)
            for number, (topic, payload) in enumerate(some)
        ]
        session.receive(b"".join(packets), 0.0)
        (event,) = session.events()
        session.acknowledge(event.arrivals)  # type: ignore[union-attr]
        session.outgoing(0.0)


def _store(batches: Sequence[Batch], shelf: StoreShelf) -> None:
    for batch in batches:
        shelf.put(Commit(collector="c", messages=batch.messages, claims=batch.claims))
