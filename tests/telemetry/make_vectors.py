"""Writes `vectors/*.json`: fixed inputs and every byte that comes of them.

For implementations in other languages to check themselves by; all keys are test keys, whose
seeds stand in the files. Run it to write the files anew: a test says if they are out of date.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from telemetry.canonical import b64
from telemetry.header import Header, header_properties, header_signed_bytes, seal_header
from telemetry.message import Cited, Scan, compose
from telemetry.properties import Properties
from telemetry.receipt import ReceiptLeaf, as_ranges, bodies_digest
from telemetry.record import Record
from telemetry.signature import SigningKey, body_hash, seal, signed_bytes
from telemetry.sparkplug import DataType, Metric, Payload, Value
from telemetry.sparkplug_topic import SparkplugTopic
from telemetry.topic import MachineTopic

FOLDER = Path(__file__).parent / "vectors"
TIME = 1_795_420_800_000_000


def _key(name: str) -> SigningKey:
    return SigningKey.from_seed(hashlib.sha256(f"factoryledger test key {name}".encode()).digest())


def _contents(key: SigningKey) -> dict[str, tuple[str, dict[str, Any]]]:
    metrics = {"spindle_temperature": {"unit": "Cel", "low": -20, "high": 120.5}}
    scan = Scan(TIME + 1, {"spindle_temperature": 61.2})
    return {
        "readings": ("telemetry", {"readings": {"spindle_temperature": 61.2, "parts": 17}}),
        "numbers": (
            "telemetry",
            {"readings": {"a": -0.0, "b": 5e-324, "c": 1e16, "d": -(2**63), "e": 0.1}},
        ),
        "names": ("telemetry", {"readings": {'"\\/\b\t\x7f': 1.5, "é\u2028\U0001f600": 2}}),
        "scans": ("telemetry", {"scans": [scan, Scan(TIME + 2, {})]}),
        "birth": (
            "birth",
            {
                "content": {
                    "metrics": metrics,
                    "kind": "mill",
                    "public_key": b64(key.public_key),
                }
            },
        ),
        "state": ("state", {"content": {"name": "Execute", "number": 6}}),
        "event": ("event", {"content": {"name": "evicted", "first": 3, "last": 9}}),
    }


def messages() -> list[dict[str, Any]]:
    """One session of one machine: each message names the one before it."""
    key, made, prev = _key("mill-1"), [], None
    for seq, (name, (kind, content)) in enumerate(_contents(key).items()):
        topic = MachineTopic("some/prefix", "ent", "site-1", "area", "line_2", "mill-1", kind)
        anchor = None if seq == 0 else Cited(seq, hashlib.sha256(b"checkpoint %d" % seq).digest())
        body = compose(
            kind=kind,
            device="mill-1",
            session="0123456789abcdef",
            seq=seq,
            prev=prev,
            anchor=anchor,
            time=TIME + seq * 1_000_000,
            key=key.key_id,
            **content,
        )
        prev = body_hash(body)
        made.append(
            {
                "name": name,
                "seed": key.seed.hex(),
                "public_key": key.public_key.hex(),
                "key_id": key.key_id,
                "topic": str(topic),
                "payload": seal(key, topic, body).decode(),
                "body": body.decode(),
                "body_hash": prev.hex(),
                "signed": signed_bytes(topic, body).hex(),
            }
        )
    return made


def _payloads() -> dict[str, tuple[str, Payload]]:
    at = TIME // 1000
    hot = Value.of(DataType.DOUBLE, 61.2)
    born = Metric(
        name="spindle_temperature", alias=17, timestamp=at, datatype=DataType.DOUBLE, value=hot
    )
    number = Value.of(DataType.INT32, -6)
    data = (Metric(alias=17, timestamp=at, value=hot), Metric(alias=18, timestamp=at, value=number))
    return {
        "birth": ("DBIRTH", Payload(timestamp=at, metrics=(born,), seq=1)),
        "data": ("DDATA", Payload(timestamp=at, metrics=data, seq=2)),
        "null": ("DDATA", Payload(timestamp=at, metrics=(Metric(alias=17),), seq=255)),
        "death": ("DDEATH", Payload(timestamp=at, seq=0)),
    }


def headers() -> list[dict[str, Any]]:
    """One session of one device that speaks Sparkplug: signed headers beside payloads."""
    key, made, prev = _key("mill-1"), [], None
    for seq, (name, (kind, said)) in enumerate(_payloads().items()):
        topic = SparkplugTopic("some/prefix", "ent", kind, "north_area_line-2", "mill-1", seq == 1)
        payload = said.to_bytes()
        body = Header(
            device="mill-1",
            session="fedcba9876543210",
            seq=seq,
            prev=prev,
            anchor=None if seq == 0 else Cited(seq, hashlib.sha256(b"checkpoint").digest()),
            time=TIME + seq * 1_000_000,
            payload=hashlib.sha256(payload).digest(),
            key=key.key_id,
        ).to_body()
        value = seal_header(key, topic, body)
        prev = body_hash(body)
        made.append(
            {
                "name": name,
                "public_key": key.public_key.hex(),
                "topic": str(topic),
                "payload": payload.hex(),
                "header": value,
                "properties": header_properties(value).to_text(),
                "body_hash": prev.hex(),
                "signed": header_signed_bytes(topic, body).hex(),
            }
        )
    return made


def _records() -> dict[str, Record]:
    sent = messages()[0]
    payload = hashlib.sha256(sent["payload"].encode()).digest()
    body = bytes.fromhex(sent["body_hash"])
    entry = hashlib.sha256(b"a key entry").digest()
    properties = Properties(1, "application/json", "a/b", b"\0\xff", (("n", "v"), ("n", "é")))
    named = {"device": "mill-1", "session": "0123456789abcdef", "seq": 0, "key": sent["key_id"]}
    nobody = dict.fromkeys([*named, "entry"])
    plain = {"received": TIME + 5, "original": None, "topic": sent["topic"], "properties": None}
    signed = {"payload": payload, "body": body, "keys": 3}
    foreign = {"payload": hashlib.sha256(b"").digest(), "body": None, "keys": 0}
    lifted = {**plain, "original": TIME - 1}
    odd = {**plain, "topic": 'é"\\\x7f/\U0001f600', "properties": properties.to_text()}
    return {
        "accepted": Record(status="accepted", **plain, **named, entry=entry, **signed),
        "lifted": Record(status="conflict", **lifted, **named, entry=entry, **signed),
        "revoked": Record(status="revoked", **plain, **named, entry=entry, **signed),
        "unknown": Record(status="unknown-device", **plain, **nobody, **signed),
        "forged": Record(status="bad-signature", **plain, **nobody, **signed),
        "malformed": Record(status="malformed", **plain, **nobody, **{**signed, "keys": 0}),
        "foreign": Record(status="unsigned", **odd, **nobody, **foreign),
    }


def records() -> list[dict[str, Any]]:
    """Records, and their leaf hashes by RFC 9162 section 2.1.1."""
    made = []
    for name, record in _records().items():
        data = record.to_bytes()
        leaf_hash = hashlib.sha256(b"\0" + data).hexdigest()
        made.append({"name": name, "record": data.decode(), "leaf_hash": leaf_hash})
    return made


def receipts() -> list[dict[str, Any]]:
    """Leaves of receipts over messages of the session above."""
    bodies = [bytes.fromhex(sent["body_hash"]) for sent in messages()]
    made = []
    for name, seqs in {"all": range(7), "one": [3], "with gaps": [0, 1, 3, 5, 6]}.items():
        leaf = ReceiptLeaf(
            collector="file-0",
            device="mill-1",
            session="0123456789abcdef",
            ranges=as_ranges(seqs),
            bodies=bodies_digest(bodies[seq] for seq in seqs),
            anchored_by=TIME + 60_000_000,
        )
        data = leaf.to_bytes()
        made.append(
            {
                "name": name,
                "seqs": list(seqs),
                "leaf": data.decode(),
                "leaf_hash": hashlib.sha256(b"\0" + data).hexdigest(),
            }
        )
    return made


def files() -> dict[str, str]:
    """Every file's text, by name."""
    vectors = {
        "messages": messages(),
        "headers": headers(),
        "records": records(),
        "receipts": receipts(),
    }
    return {f"{name}.json": json.dumps(made, indent=1) + "\n" for name, made in vectors.items()}


if __name__ == "__main__":
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
