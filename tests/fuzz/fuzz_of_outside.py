"""Receipts of outside ledgers and what their servers answer: an EVM chain, OpenTimestamps, TSA."""

import hashlib
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import rlp
from cryptography.x509 import load_pem_x509_certificate
from evm_block import CHAIN, CONTRACT, OWNER, receipt_of
from fuzz_anchored import OF_JSON, REFUSALS, cosigned
from fuzz_target import Target, same, text
from local_tsa import make_authority

from anchor.errors import Malformed
from anchor.ledgers.evm.event import anchored_in
from anchor.ledgers.evm.header import open_header
from anchor.ledgers.evm.receipt import EvmReceipt
from anchor.ledgers.evm.rlp import items_of
from anchor.ledgers.evm.ticket import Ticket as EvmTicket
from anchor.ledgers.evm.trie import proven
from anchor.ledgers.evm.voucher import EvmVoucher
from anchor.ledgers.ots.block import LEAST_WORK, BlockHeader, read_headers, write_headers
from anchor.ledgers.ots.file import OtsFile, Timestamp
from anchor.ledgers.ots.path import APPEND, HEXLIFY, PREPEND, SHA256, Attestation, Operation
from anchor.ledgers.ots.path import Path as Steps
from anchor.ledgers.ots.ticket import Ticket as OtsTicket
from anchor.ledgers.ots.voucher import OtsVoucher
from anchor.ledgers.ots.web import checked_address
from anchor.ledgers.tsa.der import with_sorted_certificates
from anchor.ledgers.tsa.voucher import TsaVoucher

TIME = 1_795_420_800
WORK = 1 << 8


@cache
def evm() -> bytes:
    """A true receipt of a chain."""
    return receipt_of(cosigned()).to_bytes()


def _evm(data: bytes) -> None:
    """What counts is the true receipt alone."""
    EvmVoucher("evm", CHAIN, CONTRACT, OWNER).check(cosigned(), data)


def _rlp(data: bytes) -> None:
    assert rlp.encode(items_of(data, "it")) == data


def _receipt() -> bytes:
    opened = EvmReceipt.from_bytes(evm())
    return proven(open_header(opened.header).receipts_root, opened.transaction, opened.nodes)


def _trie(data: bytes) -> None:
    """A node that nobody's hash vouches for may say what it likes."""
    from eth_hash.auto import keccak

    found = proven(keccak(data), 2, [data])
    anchored_in(found, 0)


def _trie_seeds() -> list[bytes]:
    key = bytes([0x20]) + rlp.encode(2)
    return [bytes(rlp.encode([key, _receipt_alone()]))]


def _receipt_alone() -> bytes:
    opened = EvmReceipt.from_bytes(receipt_of(cosigned(), before=0).to_bytes())
    return proven(open_header(opened.header).receipts_root, opened.transaction, opened.nodes)


@cache
def ticket() -> bytes:
    """Two signed transactions of one nonce."""
    from eth_account import Account

    from anchor.ledgers.evm.node import address

    account = Account.from_key(bytes([7]) * 32)
    made = []
    for height, fee in ((5, 10), (9, 20)):
        signed = account.sign_transaction(
            {
                "type": 2, "chainId": CHAIN, "nonce": 3, "to": address(CONTRACT), "value": 0,
                "gas": 90_000, "maxFeePerGas": fee, "maxPriorityFeePerGas": 1, "data": "0x00",
            }
        )  # fmt: skip
        made.append(f"{height} 0x{bytes(signed.raw_transaction).hex()}\n")
    return ("factoryledger/evm-ticket/v1\n" + "".join(made)).encode()


@cache
def timestamp() -> Timestamp:
    """Two promises and a block, under a common beginning."""
    start = (Operation(APPEND, b"nonce"), Operation(SHA256))
    return Timestamp.of(
        [
            Steps(
                (*start, Operation(PREPEND, b"x" * 9), Operation(SHA256)),
                Attestation.bitcoin(840_000),
            ),
            Steps(start, Attestation.pending("https://a.pool.opentimestamps.org")),
            Steps((*start, Operation(HEXLIFY)), Attestation(b"unknown!", b"?")),
        ]
    )


def ots() -> bytes:
    """A receipt of that timestamp."""
    return OtsFile(hashlib.sha256(cosigned()).digest(), timestamp()).to_bytes()


@cache
def headers() -> bytes:
    """Two headers that follow each other, of little work."""
    found, before = {}, bytes(32)
    for height in (5, 6):
        for nonce in range(1 << 20):
            data = (
                bytes(4) + before + hashlib.sha256(ots()).digest()
                + TIME.to_bytes(4, "little") + bytes.fromhex("ffff7f1f")
                + nonce.to_bytes(4, "little")
            )  # fmt: skip
            try:
                found[height] = BlockHeader(data)
            except ValueError:
                continue
            break
        before = bytes.fromhex(found[height].hash)[::-1]
    return write_headers(found)


def _headers(data: bytes) -> None:
    read_headers(data, WORK)
    read_headers(data, LEAST_WORK)


@cache
def stamped() -> tuple[bytes, bytes]:
    """A response of a time-stamp authority that was made for it, and its root in PEM."""
    with TemporaryDirectory() as folder:
        authority = make_authority(Path(folder))
        answer = authority.stamp(authority.request(cosigned()))
        return answer, authority.root.read_bytes()


def _tsa(data: bytes) -> None:
    root = load_pem_x509_certificate(stamped()[1])
    TsaVoucher("tsa", [root]).check(cosigned(), data)


def _sorted(data: bytes) -> None:
    """Whole elements change places, nothing else; what is sorted stays."""
    found = with_sorted_certificates(data)
    assert sorted(found) == sorted(data)
    assert with_sorted_certificates(found) == found


def _ots_ticket(data: bytes) -> None:
    read = OtsTicket.from_bytes(data, cosigned())
    assert len(read.commitment) == 32
    assert read.steps


def _ots_ticket_seed() -> bytes:
    begun = OtsTicket.begin(cosigned(), bytes(16), TIME)
    return begun.holding("https://a.example", timestamp()).to_bytes()


def _calendar(data: bytes) -> None:
    """A calendar's answer, and the addresses in it that would be asked next."""
    found = Timestamp.from_bytes(data, 32)
    for path in found.pending():
        checked_address(path.attestation.address, "a calendar")
    for path in found.paths:
        path.end(bytes(32))


TARGETS = [
    Target(
        "evm-receipt",
        same(EvmReceipt.from_bytes, EvmReceipt.to_bytes),
        (Malformed,),
        lambda: [evm()],
        (b"node ", b"header "),
    ),
    Target("evm", _evm, REFUSALS, lambda: [evm()], (b"node ", b"header ")),
    Target(
        "rlp",
        _rlp,
        (Malformed,),
        lambda: [EvmReceipt.from_bytes(evm()).header, *EvmReceipt.from_bytes(evm()).nodes],
        (b"\xc0", b"\xf8\xff", b"\xb8\x01", b"\xbf"),
        factor=400,
    ),
    Target(
        "evm-header",
        open_header,
        (Malformed,),
        lambda: [EvmReceipt.from_bytes(evm()).header],
        factor=400,
    ),
    Target("evm-node", _trie, REFUSALS, _trie_seeds, factor=400),
    Target(
        "evm-event", lambda data: anchored_in(data, 1), REFUSALS, lambda: [_receipt()], factor=400
    ),
    Target(
        "evm-ticket",
        same(EvmTicket.from_bytes, EvmTicket.to_bytes),
        (Malformed,),
        lambda: [ticket()],
    ),
    Target(
        "ots-file",
        same(OtsFile.from_bytes, OtsFile.to_bytes),
        (Malformed,),
        lambda: [ots()],
        (b"\xff", b"\xf0\x01a", b"\xf2", b"\xf3", b"\x80"),
        factor=2000,
    ),
    Target(
        "ots",
        lambda data: OtsVoucher("btc").check(cosigned(), data),
        REFUSALS,
        lambda: [ots()],
        (b"\xff", b"\xf3"),
        factor=2000,
    ),
    Target(
        "ots-calendar",
        _calendar,
        (Malformed,),
        lambda: [timestamp().to_bytes()],
        (b"\xff", b"\xf0\x01a", b"\xf2", b"\xf3"),
        factor=2000,
    ),
    Target("ots-ticket", _ots_ticket, REFUSALS, lambda: [_ots_ticket_seed()], OF_JSON),
    Target("ots-headers", _headers, REFUSALS, lambda: [b"#\n"], (b":", b"#")),
    Target(
        "ots-headers-of-little-work",
        lambda data: read_headers(data, WORK),
        REFUSALS,
        lambda: [headers()],
    ),
    Target(
        "tsa",
        _tsa,
        REFUSALS,
        lambda: [stamped()[0]],
        (b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"\xa0"),
    ),
    Target(
        "tsa-sorting",
        _sorted,
        (),
        lambda: [stamped()[0]],
        (b"\x30\x80", b"\xa0\x84\xff\xff\xff\xff"),
    ),
    Target(
        "address",
        lambda data: checked_address(text(data), "it"),
        (Malformed,),
        lambda: [b"https://a.example/x", b"http://127.0.0.1:1"],
        (b"[", b"]", b"@", b":", b"\xe2\x84\x80"),
    ),
]
