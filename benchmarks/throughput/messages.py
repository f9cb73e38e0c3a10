"""Messages of some machines, signed or foreign, and the keys that belong to them.

Signatures leave out the prefix of a topic, so one set of payloads serves every side.
"""

from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from itertools import count, islice

from anchor.growing import GrowingLog
from anchor.key_entry import enrol
from anchor.note import SignerKey
from anchor.receipts import ReceiptTree
from collector.ports import Identity
from telemetry.message import compose
from telemetry.signature import SigningKey, body_hash, seal
from telemetry.topic import MachineTopic

ORIGIN = "bench.test"
TIME = 1_764_000_000_000_000
MACHINES = 50
OPERATOR = SignerKey.from_seed(f"{ORIGIN}/operator", bytes(32))
KEYS = [SigningKey.from_seed(sha256(b"%d" % n).digest()) for n in range(MACHINES)]

Message = tuple[str, bytes]


def topic(machine: int, prefix: str) -> MachineTopic:
    """Give a machine's topic."""
    return MachineTopic(prefix, "acme", "site", "hall", "line", f"press-{machine}", "telemetry")


def later(seq: int) -> int:
    """Give the time of a message where it does not matter: one a second."""
    return TIME + seq * 1_000_000


def signing(readings: int, time_of: Callable[[int], int] = later) -> Iterator[tuple[int, bytes]]:
    """Make messages without end, machine by machine in turn: machine and payload."""
    prevs: list[bytes | None] = [None] * MACHINES
    values = {f"m{n}": 61.25 + n for n in range(readings)}
    for number in count():
        machine, seq = number % MACHINES, number // MACHINES
        body = compose(
            kind="telemetry",
            device=f"press-{machine}",
            session="0123456789abcdef",
            seq=seq,
            prev=prevs[machine],
            anchor=None,
            time=time_of(seq),
            key=KEYS[machine].key_id,
            readings=values,
        )
        prevs[machine] = body_hash(body)
        yield machine, seal(KEYS[machine], topic(machine, ""), body)


def signed(number: int, readings: int) -> list[tuple[int, bytes]]:
    """Make this many of them."""
    return list(islice(signing(readings), number))


def unsigned(size: int = 200) -> Iterator[tuple[int, bytes]]:
    """Make messages of no format of ours, without end."""
    for number in count():
        start = b'{"station":%d,"count":%d,"note":"' % (number % MACHINES, number)
        yield number % MACHINES, start + b"x" * (size - len(start) - 2) + b'"}'


def foreign(number: int, size: int = 200) -> list[tuple[int, bytes]]:
    """Make this many of them."""
    return list(islice(unsigned(size), number))


def placed(messages: list[tuple[int, bytes]], prefix: str) -> list[Message]:
    """Put them on topics under a prefix."""
    topics = [str(topic(machine, prefix)) for machine in range(MACHINES)]
    return [(topics[machine], payload) for machine, payload in messages]


class Requests:
    """The enrolments of the machines, as a requests folder holds them."""

    def __init__(self) -> None:
        self._entries = [
            (
                f"{n:016d}",
                enrol(operator=OPERATOR, kind="device", name=f"press-{n}", key=key, time=TIME + n),
            )
            for n, key in enumerate(KEYS)
        ]

    def after(self, name: str) -> list[tuple[str, bytes]]:
        """Give those after a name."""
        return [entry for entry in self._entries if entry[0] > name]


def identity_for(collector: str) -> Identity:
    """Give a collector's keys."""
    origin = f"{ORIGIN}/collector/{collector}"
    key = SignerKey.from_seed(origin, sha256(collector.encode()).digest())
    entry = enrol(operator=OPERATOR, kind="collector", name=collector, key=key, time=TIME)
    return Identity(
        origin=origin,
        vkey=str(key.verifier),
        key_entry=entry,
        receipts=ReceiptTree(key),
        log=partial(GrowingLog.resume, origin, key),
    )
