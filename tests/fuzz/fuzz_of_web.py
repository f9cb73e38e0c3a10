"""The web server's API and its page's door: paths, queries, headers, hosts, bodies.

An input is `METHOD /path?query`, headers, a line each, an empty line, and a body. It goes to the
application as a server hands it on, over a small ledger; no answer is a 500.
"""

import asyncio
import atexit
import base64
import shutil
import tempfile
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

from fuzz_target import Skipped, Target, text
from starlette.datastructures import QueryParams

from factoryledger.cli import run
from factoryledger.installation import installation
from factoryledger.web.answering import Answers
from factoryledger.web.files import LogFolder
from factoryledger.web.gate import PasswordGate
from factoryledger.web.proofs import Proofs
from watch.floor.floor import Floor
from watch.web import asked
from watch.web.app import Where, web_app
from watch.web.guard import host_of, is_address
from watch.web.live import Hub
from watch.web.login import Login
from watch.web.ports import WrongValue
from watch.web.service import About, Line, Service

NOW = 1_767_225_610_000_000
METHODS = ("GET", "POST", "HEAD")
PATHS = (
    "/", "/api/v1/status", "/api/v1/machines", "/api/v1/machines/mill-01", "/api/v1/alarms",
    "/api/v1/log", "/api/v1/devices", "/api/v1/messages?limit=5", "/api/v1/policy", "/checkpoint",
    "/api/v1/readings?device=mill-01&metric=power&from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:09Z",
    "/api/v1/proof?device=mill-01&session=s&seq=3", "/api/v1/proof?collector=c&position=0",
    "/tile/0/000.p/2", "/tile/entries/000.p/2", "/app.js",
)  # fmt: skip


@cache
def world() -> SimpleNamespace:
    """One ledger of a machine's seconds, its application, a loop."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-web-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file, data = folder / "a.jsonl", folder / "works"
    made = ["--machines", "1", "--duration", "4", "--seed", "7", "--out", str(file)]
    assert int(run(["simulate", *made])) == 0
    assert int(run(["ingest", str(file), "--data", str(data)])) == 0
    place = installation(data=data)
    lookout = SimpleNamespace(pipeline=None, log=None, gaps=[], devices=[], why={})
    hub = Hub(Floor(), clock=lambda: NOW)
    service = Service(
        about=About("works", "example/log", "0"), hub=hub,
        ear=SimpleNamespace(live=True, why=""), seen=lookout, answering=Answers(place),
        proving=Proofs(place), publishing=LogFolder(place), clock=lambda: NOW,
        questions=Line("questions"), proofs=Line("proofs"),
    )  # fmt: skip
    atexit.register(service.questions.close)
    atexit.register(service.proofs.close)

    async def pause(_seconds: float) -> None:
        return

    login = Login(PasswordGate(None), clock=lambda: 0.0, pause=pause)
    collector = place.ledger.collectors()[0].id
    runner = asyncio.Runner()
    atexit.register(runner.close)
    return SimpleNamespace(
        app=web_app(service, login, Where()), runner=runner,
        answers=service.answering, collector=collector,
    )  # fmt: skip


def scope_of(data: bytes) -> tuple[dict, bytes]:
    """The request as a server hands it on; Skipped for what none lets through."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    method, _, target = first.partition(b" ")
    path, _, query = target.partition(b"?")
    printable = path.startswith(b"/") and all(33 <= byte < 127 for byte in target)
    if method.decode("latin-1") not in METHODS or not printable:
        raise Skipped
    headers = [tuple(line.split(b": ", 1)) for line in lines if b": " in line]
    headers = [(name.lower(), value) for name, value in headers if name]
    decoded = unquote(path.decode("ascii"))
    return {
        "type": "http", "http_version": "1.1", "method": method.decode(), "scheme": "http",
        "path": decoded, "raw_path": path, "query_string": query, "root_path": "",
        "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }, body  # fmt: skip


def _request(data: bytes) -> None:
    scope, body = scope_of(data)
    if scope["path"].startswith("/api/v1/live"):
        raise Skipped  # it goes on for as long as somebody listens
    status = world().runner.run(_answered(scope, body))
    assert status < 500 or status == 503, status
    if status >= 400:
        raise WrongValue(str(status))


async def _answered(scope: dict, body: bytes) -> int:
    said: list[dict] = []
    parts = [body]

    async def receive():
        return {"type": "http.request", "body": parts.pop() if parts else b"", "more_body": False}

    async def send(message):
        said.append(message)

    await world().app(scope, receive, send)
    return said[0]["status"]


def requests() -> list[bytes]:
    """One for each address; the log in."""
    host = b"host: 127.0.0.1:8000\naccept: */*\ncookie: factoryledger=x\n\n"
    login = (
        b"POST /login\nhost: localhost\ncontent-type: application/json\n\n" + b'{"password":"x"}'
    )
    good = ("/", "/api/v1/status", "/api/v1/messages?limit=5", PATHS[10])
    return [*(f"GET {path}\n".encode() + host for path in good), login]


def _query(data: bytes) -> None:
    query = QueryParams(text(data))
    refused = 0
    for read in (
        asked.messages,
        asked.message,
        asked.device,
        asked.nothing,
        lambda q: asked.readings(q, NOW),
    ):
        try:
            read(query)
        except WrongValue:
            refused += 1
    if refused == 5:
        raise WrongValue("none of them takes it")


def _after(data: bytes) -> None:
    """A cursor of somebody's own making: base64 of JSON, `C` in it for a collector's id."""
    said = data.replace(b'"C"', f'"{world().collector}"'.encode())
    cursor = base64.urlsafe_b64encode(said).decode().rstrip("=")
    refused = 0
    for read, answer in (
        (lambda query: asked.readings(query, NOW), world().answers.readings),
        (asked.messages, world().answers.messages),
    ):
        try:
            answer(read(QueryParams({"device": "mill-01", "after": cursor})))
        except WrongValue:
            refused += 1
    if refused == 2:
        raise WrongValue("neither takes it")


def _host(data: bytes) -> None:
    name = host_of(data.decode("latin-1"))
    is_address(name)
    assert name == name.lower()


TOKENS = (
    b"%00",
    b"%ff",
    b"%F0%9F",
    b"after=",
    b"from=",
    b"&to=",
    b"0001-01-01T00:00:00%2B23:59",
    b"..%2f",
    b"//",
    b"limit=1000",
    b"%d9%a1",
)

TARGETS = [
    Target("request", _request, (WrongValue,), requests, TOKENS, longest=1 << 12, swollen=1 << 10),
    Target(
        "query",
        _query,
        (WrongValue,),
        lambda: [
            b"device=mill-01&status=accepted&limit=5",
            b"collector=c&position=0",
            b"device=a&from=2026-01-01T00:00:00Z&to=2026-01-01T02:00:09%2B01:00",
        ],
        TOKENS,
    ),
    Target(
        "cursor",
        _after,
        (WrongValue,),
        lambda: [b'{"C":5}', b'[1767225600000000,"C",3,"power"]'],
        (b"9" * 30, b"-1", b"\\u0000", b"\\ud800", b"null", b"[[[["),
        longest=1 << 10,
        swollen=1 << 10,
    ),
    Target(
        "host",
        _host,
        (),
        lambda: [b"127.0.0.1:80", b"[::1]:80", b"localhost"],
        (b"[", b"]", b":", b"%eth0"),
    ),
]
