"""How much the strict parse costs beside plain json.loads, on the same messages in one run.

Prints microseconds a message and the ratio for each way, for 1, 10 and 50 readings.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from telemetry.judgement import judge
from telemetry.keyring import Keyring, KeyStatement
from telemetry.message import Cited, compose, parse
from telemetry.record import Record
from telemetry.signature import SigningKey, seal
from telemetry.topic import MachineTopic

ROUNDS, CALLS = 7, 2000
KEY = SigningKey.from_seed(bytes(32))
TOPIC = MachineTopic("", "ent", "site", "area", "line-1", "mill-1", "telemetry")
RING = Keyring([KeyStatement(bytes(32), "enrol", "device", "mill-1", 0, KEY.public_key)])


def payload(readings: int, name: str) -> bytes:
    """Seal a message of some readings; a name with an escape keeps it from the fast way."""
    body = compose(
        kind="telemetry",
        device="mill-1",
        session="0123456789abcdef",
        seq=41,
        prev=bytes(32),
        anchor=Cited(7, bytes(32)),
        time=1_795_420_800_000_000,
        key=KEY.key_id,
        readings={f"{name}_{n}": 61.2 + n * 0.37 for n in range(readings)},
    )
    return seal(KEY, TOPIC, body)


def record(data: bytes) -> Record:
    """Make the record of an accepted message."""
    found = judge(str(TOPIC), data, RING)
    assert found.status == "accepted"
    named = (found.device, found.session, found.seq, found.key, found.keys, found.entry)
    hashes = (bytes(32), found.body_hash)
    return Record(1_795_420_800_000_000, None, str(TOPIC), None, found.status, *named, *hashes)


def microseconds(call: Callable[[], object]) -> float:
    """Time one call: the best of several rounds, since all that disturbs only adds."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(CALLS):
            call()
        best = min(best, time.perf_counter() - start)
    return best / CALLS * 1e6


def main() -> None:
    """Print the table."""
    for readings in (1, 10, 50):
        plain, escaped = payload(readings, "temperature"), payload(readings, "temp\xe9rature")
        ways: dict[str, Callable[[], object]] = {
            "json.loads": lambda data=plain: json.loads(data),
            "parse, fast way": lambda data=plain: parse(data, "telemetry"),
            "parse, slow way": lambda data=escaped: parse(data, "telemetry"),
            "judge, signature and all": lambda data=plain: judge(str(TOPIC), data, RING),
            "record.to_bytes": record(plain).to_bytes,
        }
        base = microseconds(ways["json.loads"])
        print(f"{readings} readings, {len(plain)} bytes")
        for name, call in ways.items():
            took = microseconds(call)
            print(f"  {name:26} {took:7.2f} us  {took / base:6.2f} x json.loads")


if __name__ == "__main__":
    main()
