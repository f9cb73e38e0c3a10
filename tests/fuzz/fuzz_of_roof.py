"""Files that a person or another program hands to the command: settings, keys, requests."""

import os
import tempfile
from base64 import b64encode
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from fuzz_anchored import LOG, MEMORY, OPERATOR, WITNESSES, entries
from fuzz_of_messages import TIME
from fuzz_target import Target, text

from anchor.note import Note
from factoryledger.backup.manifest import Manifest
from factoryledger.broker_book import Book
from factoryledger.certificates import BadRequest, requested_key
from factoryledger.device_request import DeviceRequest, sign_request
from factoryledger.erasing import wanted_of
from factoryledger.errors import WrongUsage
from factoryledger.files import first_line
from factoryledger.kept_audit import KeptAudit
from factoryledger.key_files import KeyFiles
from factoryledger.ledger_file import pinned, read_ledgers
from factoryledger.part_folders import parse_part
from factoryledger.proving import parse_place, parse_range
from factoryledger.sealed_key import open_key, seal_key
from factoryledger.settings import SETTINGS_FILE
from factoryledger.settings_sources import read_settings
from factoryledger.witness_choice import parse_witness

PASSPHRASE = "correct horse"
LEDGERS = b"""\
[tsa]
url = "https://tsa.example"
roots = ["tsa.pem"]
policy = "1.2.3.4"
[chain]
kind = "evm"
chain_id = 31337
contract = "0x0102030405060708090a0b0c0d0e0f1011121314"
account = "0x0102030405060708090a0b0c0d0e0f1011121314"
max_fee_gwei = 2.5
[btc]
kind = "ots"
calendars = ["https://a.pool.opentimestamps.org"]
work = 60
"""
SETTINGS = b"""\
data = "works"
broker = "mqtt://127.0.0.1:1883"
database = ["sqlite:///a.db", "sqlite:///b.db"]
log_format = "json"
"""
TOML = (
    b"[[[[",
    b"a=[[[[", b"a={b={b=", b"[a.a.a.a", b'"""', b"'''", b"nan", b"inf", b"1979-05-27",
    b"0x" + b"f" * 5000,
    b"9" * 5000, b"a.b.c = 1\n", b"[[tsa]]\n",
)  # fmt: skip


def _in_folder(name: str, data: bytes, read) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        path.chmod(0o600)
        read(path)


def _ledgers(data: bytes) -> None:
    _in_folder("ledgers.toml", data, lambda path: pinned(read_ledgers(path), path))


def _settings(data: bytes) -> None:
    def read(path: Path) -> None:
        before = Path.cwd()
        os.chdir(path.parent)
        try:
            read_settings()
        finally:
            os.chdir(before)

    _in_folder(str(SETTINGS_FILE), data, read)


def _key_file(data: bytes) -> None:
    def read(path: Path) -> None:
        path.parent.chmod(0o700)
        files = KeyFiles(path.parent)
        for stem in files.stems():
            files.public(stem)
            files.read(stem)

    _in_folder("log.key", data, read)


@cache
def sealed() -> tuple[bytes, ...]:
    """Keys under a passphrase."""
    return tuple(seal_key(key, PASSPHRASE).encode() for key in (LOG, WITNESSES[2]))


@cache
def requests() -> tuple[bytes, ...]:
    """Certificate requests, and a device's whole request."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mill-01")])
    made = []
    for key, by in (
        (ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()),
        (ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)), None),
    ):
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, by)
        made.append(request.public_bytes(Encoding.PEM))
    return tuple(made)


def _der(data: bytes) -> None:
    """The request behind its PEM, which hides it from whoever changes bytes."""
    pem = b64encode(data)
    lines = [pem[at : at + 64] for at in range(0, len(pem), 64)]
    mark = b"CERTIFICATE REQUEST-----\n"
    requested_key(b"\n".join([b"-----BEGIN " + mark[:-1], *lines, b"-----END " + mark]), "mill-01")


def requests_in_der() -> list[bytes]:
    """The same in DER."""
    read = map(x509.load_pem_x509_csr, requests())
    return [one.public_bytes(Encoding.DER) for one in read]


def _device_request(data: bytes) -> None:
    read = DeviceRequest.from_bytes(data)
    if read.entry:
        sign_request(OPERATOR, "mill-01", read.entry, TIME)
    if read.certificate:
        requested_key(read.certificate, "mill-01")


def _state(data: bytes) -> None:
    def read(path: Path) -> None:
        KeptAudit(path, only_new=True, clock=lambda: 5.0).load()

    _in_folder("state", data, read)


def _options(data: bytes) -> None:
    """What stands in an option, by each that has a grammar."""
    said, refused = text(data), 0
    readers = (parse_place, parse_part, parse_witness, lambda one: parse_range("m", one, one, None))
    for read in readers:
        try:
            read(said)
        except WrongUsage:
            refused += 1
    if refused == len(readers):
        raise WrongUsage("none of them takes it")


def _secret(data: bytes) -> None:
    """A file whose first line is a password, a passphrase, a key."""
    _in_folder("secret", data, lambda path: first_line(path, "secret"))


TARGETS = [
    Target("secret-file", _secret, (WrongUsage,), lambda: [b"secret\n"], (b"\xff", b"\n")),
    Target(
        "options",
        _options,
        (WrongUsage,),
        lambda: [
            b"c0:5",
            b"anchor=there",
            f"w {LOG.verifier} https://w.example".encode(),
            b"2026-01-01T00:00:00Z",
        ],
        (b":", b"=", b"://", b"9" * 5000, b"+23:59", b"0001-01-01T00:00:00+23:59"),
    ),
    Target(
        "backup",
        Manifest.from_bytes,
        (WrongUsage,),
        lambda: [Manifest("t", "0.1", "o", 5, {"a": "sqlite"}, {"f": "00"}).to_bytes()],
        (b"null", b"[[[[", b"1.0"),
    ),
    Target(
        "ledgers", _ledgers, (WrongUsage,), lambda: [LEDGERS], TOML, longest=1 << 13, factor=400
    ),
    Target(
        "settings", _settings, (WrongUsage,), lambda: [SETTINGS], TOML, longest=1 << 13, factor=400
    ),
    Target("key-file", _key_file, (WrongUsage,), lambda: [f"{LOG.to_text()}\n".encode()]),
    Target(
        "sealed-key",
        lambda data: open_key(text(data), PASSPHRASE),
        (ValueError,),
        sealed,
        base=64 << 20,
        longest=1 << 13,
    ),
    Target(
        "certificate-request",
        lambda data: requested_key(data, "mill-01"),
        (BadRequest,),
        requests,
        (b"-----BEGIN CERTIFICATE REQUEST-----\n",),
    ),
    Target(
        "certificate-request-der",
        _der,
        (BadRequest,),
        requests_in_der,
        (b"\x02\x01\x01", b"\x30\x80", b"\x06\x03\x55\x04\x03", b"\x13", b"\x1e"),
    ),
    Target(
        "device-request",
        _device_request,
        (WrongUsage, BadRequest),
        lambda: [
            Note.from_bytes(entries()[0]).text.encode(),
            Note.from_bytes(entries()[0]).text.encode() + requests()[0],
            requests()[1],
        ],
    ),
    Target(
        "erasure",
        lambda data: wanted_of(text(data), ["unsigned"]),
        (WrongUsage,),
        lambda: [b"c0:0-9"],
        (b":", b"-", b"9" * 5000),
    ),
    Target("audit-state", _state, (WrongUsage,), lambda: [MEMORY.to_bytes()]),
    Target(
        "broker-book",
        lambda data: Book.from_json(text(data)),
        (ValueError,),
        lambda: [Book({"mill-01": [5]}, {"watch": 2}).to_json().encode()],
        (b"null", b"[[[["),
    ),
]
