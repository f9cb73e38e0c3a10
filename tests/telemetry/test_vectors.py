"""The vectors are what the code writes, and hold without it: other libraries, plain slicing."""

import base64
import hashlib
import json
import runpy
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from telemetry.judgement import judge
from telemetry.keyring import Keyring, KeyStatement
from telemetry.receipt import ReceiptLeaf
from telemetry.record import Record

HERE = Path(__file__).parent


def load(name):
    return json.loads((HERE / "vectors" / name).read_text(encoding="utf-8"))


MESSAGES = load("messages.json")
HEADERS = load("headers.json")
RECORDS = load("records.json")
RECEIPTS = load("receipts.json")


def named(vectors):
    return pytest.mark.parametrize("vector", vectors, ids=[vector["name"] for vector in vectors])


def test_the_files_are_what_the_code_writes():
    written = runpy.run_path(str(HERE / "make_vectors.py"))["files"]()
    assert sorted(written) == sorted(path.name for path in (HERE / "vectors").glob("*.json"))
    for name, text in written.items():
        assert (HERE / "vectors" / name).read_text(encoding="utf-8") == text, name


@named(MESSAGES)
def test_a_message_verifies_without_any_of_our_code(vector):
    payload = vector["payload"].encode()
    body, suffix = payload[:-98], payload[-98:]
    assert (suffix[:8], suffix[-2:]) == (b',"sig":"', b'"}')
    signature = base64.b64decode(suffix[8:-2], validate=True)
    levels = vector["topic"].split("/")[-6:]
    signed = b"\0".join([f"factoryledger/{levels[5]}/v1".encode(), "/".join(levels).encode(), body])
    assert signed.hex() == vector["signed"]
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(vector["public_key"]))
    public.verify(signature, signed)
    with pytest.raises(InvalidSignature):
        public.verify(signature, signed + b" ")
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vector["seed"]))
    assert private.sign(signed) == signature
    assert private.public_key() == public
    assert hashlib.sha256(body).hexdigest() == vector["body_hash"]
    assert hashlib.sha256(bytes.fromhex(vector["public_key"])).hexdigest()[:16] == vector["key_id"]
    members = json.loads(payload)
    assert members.pop("sig") == suffix[8:-2].decode()
    assert json.dumps(members, separators=(",", ":")) == body.decode() + "}"
    assert list(members)[-1] == "key"


def test_each_message_names_the_one_before_it():
    members = [json.loads(vector["payload"]) for vector in MESSAGES]
    assert [m["seq"] for m in members] == list(range(len(MESSAGES)))
    hashes = [base64.b64encode(bytes.fromhex(v["body_hash"])).decode() for v in MESSAGES]
    assert [m["prev"] for m in members] == [None, *hashes[:-1]]


@named(MESSAGES)
def test_a_message_is_accepted(vector):
    key = bytes.fromhex(vector["public_key"])
    ring = Keyring([KeyStatement(b"e" * 32, "enrol", "device", "mill-1", 0, key)])
    found = judge(vector["topic"], vector["payload"].encode(), ring)
    assert (found.status, found.entry) == ("accepted", b"e" * 32)
    assert found.body_hash.hex() == vector["body_hash"]


@named(HEADERS)
def test_a_header_verifies_without_any_of_our_code(vector):
    value, payload = vector["header"].encode(), bytes.fromhex(vector["payload"])
    body, suffix = value[:-98], value[-98:]
    assert (suffix[:8], suffix[-2:]) == (b',"sig":"', b'"}')
    levels = vector["topic"].partition("spBv1.0/")
    unprefixed = levels[1] + levels[2]
    signed = b"\0".join([b"factoryledger/header/v1", unprefixed.encode(), body])
    assert signed.hex() == vector["signed"]
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(vector["public_key"]))
    public.verify(base64.b64decode(suffix[8:-2], validate=True), signed)
    assert hashlib.sha256(body).hexdigest() == vector["body_hash"]
    members = json.loads(value)
    assert base64.b64decode(members["payload"]) == hashlib.sha256(payload).digest()
    named = ["device", "session", "seq", "prev", "anchor", "time", "payload", "key", "sig"]
    assert list(members) == named
    assert json.loads(vector["properties"]) == {
        "user_properties": [["factoryledger-header", vector["header"]]]
    }


@named(HEADERS)
def test_a_message_with_a_header_is_accepted(vector):
    key, payload = bytes.fromhex(vector["public_key"]), bytes.fromhex(vector["payload"])
    ring = Keyring([KeyStatement(b"e" * 32, "enrol", "device", "mill-1", 0, key)])
    found = judge(vector["topic"], payload, ring, vector["properties"])
    assert (found.status, found.entry) == ("accepted", b"e" * 32)
    assert found.body_hash.hex() == vector["body_hash"]


MEMBERS = [
    *("record", "received", "original", "topic", "properties", "status", "device", "session"),
    *("seq", "key", "keys", "entry", "payload", "body"),
]


@named(RECORDS)
def test_a_record_is_plain_json_and_its_leaf_plain_sha256(vector):
    data = vector["record"].encode()
    members = json.loads(data)
    assert list(members) == MEMBERS
    assert json.dumps(members, separators=(",", ":")).encode() == data
    assert hashlib.sha256(b"\x00" + data).hexdigest() == vector["leaf_hash"]
    assert Record.from_bytes(data).to_bytes() == data


def test_a_record_binds_the_message():
    members = json.loads(RECORDS[0]["record"])
    payload = MESSAGES[0]["payload"].encode()
    for name, data in {"payload": payload, "body": payload[:-98]}.items():
        assert base64.b64decode(members[name]) == hashlib.sha256(data).digest()


@named(RECEIPTS)
def test_a_receipt_covers_its_messages(vector):
    data = vector["leaf"].encode()
    members = json.loads(data)
    seqs = [seq for first, last in members["ranges"] for seq in range(first, last + 1)]
    assert seqs == vector["seqs"]
    joined = b"".join(
        hashlib.sha256(MESSAGES[seq]["payload"].encode()[:-98]).digest() for seq in seqs
    )
    assert base64.b64decode(members["bodies"]) == hashlib.sha256(joined).digest()
    assert hashlib.sha256(b"\0" + data).hexdigest() == vector["leaf_hash"]
    assert ReceiptLeaf.from_bytes(data).to_bytes() == data
