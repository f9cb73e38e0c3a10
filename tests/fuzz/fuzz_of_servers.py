"""What servers answer and what clients ask: logs, witnesses, over HTTP, without a socket.

An input is a status and headers, a line each, an empty line, and a body.
"""

import asyncio
import gzip
from functools import cache
from types import SimpleNamespace

import httpx
from fuzz_anchored import LOG, REQUEST, WITNESSES, golden
from fuzz_target import Skipped, Target

from anchor.checkpoint import sign_checkpoint
from anchor.cosignature import cosign
from anchor.errors import Diverged, Malformed, Missing, Refused, Unreachable
from anchor.keeping.add_checkpoint import Seen
from anchor.keeping.witness import create_app
from anchor.keeping.witness_client import WitnessClient
from anchor.merkle import consistency_path, leaf_hash, tree_root
from anchor.note import Note
from anchor.policy_text import Witness
from anchor.reading.http_source import HttpSource, Patience
from anchor.reading.unpacking import Unpacking
from anchor.tree_head import Checkpoint
from telemetry.backoff import Backoff

LIMIT = 1 << 16
ONCE = Patience(
    silence=1, whole=1, tries=1, longest=0, backoff=Backoff(first=0.001, limit=0.001, factor=1)
)
LEAVES = [leaf_hash(bytes([n])) for n in range(7)]


def answer(data: bytes) -> httpx.Response:
    """An answer as the input says it."""
    head, _, body = data.partition(b"\n\n")
    status, *lines = head.split(b"\n")
    try:
        code = int(status[:4])
        headers = [tuple(line.split(b": ", 1)) for line in lines if b": " in line]
        if not 200 <= code < 600:
            raise Skipped
        return httpx.Response(code, headers=headers, stream=httpx.ByteStream(body))
    except (ValueError, TypeError, UnicodeError):
        raise Skipped from None


def _log(data: bytes) -> None:
    answer(data)
    transport = httpx.MockTransport(lambda _request: answer(data))
    with HttpSource("http://log.example/x", patience=ONCE, transport=transport) as source:
        found = source.read("checkpoint", LIMIT)
    assert len(found) <= LIMIT


def _said(*headers: bytes, body: bytes, status: bytes = b"200") -> bytes:
    return b"\n".join([status, *headers]) + b"\n\n" + body


PACKED = gzip.compress(golden("log/checkpoint"), mtime=0)
BOMB = gzip.compress(bytes(1 << 22), mtime=0)


def _unpacked(data: bytes) -> None:
    """However it comes in pieces, the same comes out, and never more than it may have."""
    found = []
    for step in (len(data) or 1, 7):
        one = Unpacking("gzip", LIMIT)
        for start in range(0, len(data), step):
            one.take(data[start : start + step])
        found.append(one.whole())
    assert found[0] == found[1]
    assert len(found[0]) <= LIMIT


TREE = SimpleNamespace(
    size=7,
    root_at=lambda size: tree_root(LEAVES[:size]),
    consistency=lambda old, size: consistency_path(LEAVES[:size], old),
)
NOTE = sign_checkpoint(Checkpoint(LOG.name, 7, tree_root(LEAVES)), LOG)


def _witness(data: bytes) -> None:
    """Whatever a witness answers, only a true cosignature comes of it."""
    answer(data)

    async def ask() -> None:
        transport = httpx.MockTransport(lambda _request: answer(data))
        async with httpx.AsyncClient(transport=transport) as http:
            one = Witness("w0", WITNESSES[0].verifier, "http://w0.example")
            client = WitnessClient(witness=one, log=LOG.verifier, tree=TREE, http=http)
            client.heard = not data.endswith(b"!")
            await client.cosign(NOTE)

    asyncio.run(ask())


@cache
def cosignature() -> bytes:
    """The line that the witness would answer with."""
    note = Note.from_bytes(NOTE)
    lines = Note(note.text, (cosign(WITNESSES[0], note.text, 1_795_420_800),)).to_bytes()
    return lines[len(note.text.encode()) + 1 :]


def _asked(data: bytes) -> None:
    """A witness answers every request with a status of its own, never 500."""
    path, _, body = data.partition(b"\n")
    state = SimpleNamespace(advance=lambda _origin, decide: decide(Seen()), latest=lambda _: None)
    app = create_app(
        keys=WITNESSES[:1], logs={LOG.name: [LOG.verifier]}, state=state, clock=lambda: 9
    )
    status = asyncio.run(_call(app, "POST", path, body))
    assert status < 500, status


async def _call(app, method: str, path: bytes, body: bytes) -> int:
    sent, parts = [], [body[:9], body[9:]]

    async def receive():
        part = parts.pop(0) if parts else b""
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "http_version": "1.1", "method": method, "scheme": "http",
        "path": path.decode("latin-1"), "raw_path": path, "query_string": b"", "root_path": "",
        "headers": [], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    await app(scope, receive, send)
    return sent[0]["status"]


TARGETS = [
    Target(
        "log-answer",
        _log,
        (Malformed, Missing, Unreachable),
        lambda: [
            _said(body=golden("log/checkpoint")),
            _said(b"content-encoding: gzip", body=PACKED),
        ],
        (b"content-encoding: gzip\n", b"retry-after: 9", b"location: x", b"503", b"302"),
        base=4 << 20,
    ),
    Target("log-packed", _unpacked, (Malformed,), lambda: [PACKED], (BOMB,), base=4 << 20),
    Target(
        "witness-answer",
        _witness,
        (Malformed, Missing, Refused, Diverged),
        lambda: [_said(body=cosignature())],
        (b"409", b"404", b"422", b"!", b"\n7\n"),
        base=4 << 20,
    ),
    Target(
        "witness-request",
        _asked,
        (),
        lambda: [
            b"/add-checkpoint\n" + REQUEST.to_bytes(),
            b"/add-checkpoint\n" + REQUEST.to_bytes(),
        ],
        (b"old ", b"/checkpoint"),
        base=4 << 20,
    ),
]
