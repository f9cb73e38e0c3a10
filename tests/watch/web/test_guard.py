"""Whose name is asked for, what browsers are told, which files there are, who may look."""

import asyncio
import socket

import httpx
import pytest
from serve_world import served

from anchor.keeping.impatient import Door
from factoryledger.web.gate import PasswordGate
from watch.web.app import Where
from watch.web.guard import host_of, is_loopback

STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
PATHS = ("/", "/assets/main.js", "/api/v1/status", "/api/v1/nothing", "/checkpoint", "/tile/x")


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_tells_browsers_to_run_nothing_of_others(world, path):
    headers = world.get(path).headers
    assert headers["content-security-policy"] == STRICT
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "cross-origin-resource-policy" in headers
    assert "server" not in headers


def test_the_verifier_page_has_a_policy_of_its_own_by_hash(world):
    answer = world.get("/verifier")
    policy = answer.headers["content-security-policy"]
    assert answer.status_code == 200
    assert "script-src 'sha256-" in policy
    assert "unsafe" not in policy
    assert "connect-src" not in policy
    assert b"<!doctype html>" in answer.content[:20]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:8080", 200),
        ("localhost:1", 200),
        ("[::1]:8080", 200),
        ("LOCALHOST", 200),
        ("evil.example", 400),
        ("localhost.evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("127.0.0.1:8080@evil.example", 400),
        ("192.168.1.2", 400),
        ("[::1", 400),
        ("[::1]x", 400),
        ("", 400),
    ],
)
def test_only_our_own_names_are_answered(world, host, status):
    assert world.get("/api/v1/status", headers={"host": host}).status_code == status


def test_beyond_loopback_addresses_and_named_names_are_answered(stored, worlds):
    world = worlds(stored.path, where=Where("0.0.0.0", ["ledger.plant"]))
    for host, status in (
        ("ledger.plant:8080", 200),
        ("10.0.0.7", 200),
        ("[fd00::1]:80", 200),
        ("evil.example", 400),
    ):
        assert world.get("/", headers={"host": host}).status_code == status, host


def test_hosts_are_read_as_they_are():
    assert host_of("a:80") == "a"
    assert host_of("a:b") == ""
    assert is_loopback("127.8.8.8")
    assert not is_loopback("0.0.0.0")


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../server.py",
        "/assets/%2e%2e/__init__.py",
        "/assets/__init__.py",
        "/assets/..%2f..%2fpolicy",
        "/assets//etc/passwd",
        "/assets/main.js/",
        "/assets/",
        "/tile/../../keys/anchor",
        "/tile/%2e%2e/%2e%2e/keys/anchor",
        "/tile/0/000/../../../keys/anchor",
        "/tile/0/0",
        "/tile/0/000.p/0",
        "/tile/entries/000.p/257",
        "/checkpoints/../anchor.db",
        "/checkpoints/" + "0" * 64,
        "/checkpoints/" + "g" * 64,
    ],
)
def test_no_path_leads_out(world, path):
    answer = world.get(path)
    assert answer.status_code == 404
    assert b"PRIVATE" not in answer.content


@pytest.mark.parametrize("path", ["/", "/assets/main.js", "/checkpoint", "/verifier"])
def test_files_answer_head_too(world, path):
    async def ask():
        async with world.client() as client:
            return await client.head(path)

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


def test_a_file_that_a_browser_has_is_not_sent_again(world):
    first = world.get("/")
    again = world.get("/", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def login(world, password, **headers):
    async def ask():
        async with world.client(headers=headers) as client:
            return await client.post("/login", json={"password": password})

    return asyncio.run(ask())


@pytest.fixture
def paused():
    return []


@pytest.fixture
def shut(stored, worlds, paused):
    async def pause(seconds):
        paused.append(seconds)

    made = worlds(stored.path, password="swordfish", pause=pause)
    made.look()
    return made


SHUT = (
    "machines", "machines/mill-01", "alarms", "pipeline", "log", "devices", "policy", "live",
    "readings?device=mill-01", "messages", "proof?collector=a&position=1",
)  # fmt: skip


@pytest.mark.parametrize("path", SHUT)
def test_without_the_password_nothing_of_the_factory_is_told(shut, path):
    assert shut.get(f"/api/v1/{path}").status_code == 401


def test_page_log_and_status_are_open_and_status_tells_no_reasons(shut):
    for path in ("/", "/verifier", "/checkpoint", "/tile/entries/000.p/24"):
        assert shut.get(path).status_code == 200, path
    shut.ear.live, shut.ear.why = False, "/secret/path"
    said = shut.get("/api/v1/status").json()
    assert (said["login"], said["why"]) == ("needed", {})


def test_the_password_opens_and_logging_out_shuts(shut):
    async def go():
        async with shut.client() as client:
            entered = await client.post("/login", json={"password": "swordfish"})
            inside = await client.get("/api/v1/machines")
            state = (await client.get("/api/v1/status")).json()["login"]
            cookie = entered.cookies["factoryledger"]
            await client.post("/logout")
            client.cookies.set("factoryledger", cookie)
            after = await client.get("/api/v1/machines")
            return entered, inside, state, after

    entered, inside, state, after = asyncio.run(go())
    assert (entered.status_code, inside.status_code, after.status_code) == (200, 200, 401)
    assert state == "done"
    cookie = entered.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie


def test_over_https_the_cookie_is_secure(shut):
    async def go():
        async with shut.client(base="https://127.0.0.1") as client:
            return await client.post("/login", json={"password": "swordfish"})

    assert "secure" in asyncio.run(go()).headers["set-cookie"].lower()


def test_a_session_ends(shut):
    entered = login(shut, "swordfish")
    cookies = {"cookie": f"factoryledger={entered.cookies['factoryledger']}"}
    assert shut.get("/api/v1/machines", headers=cookies).status_code == 200
    shut.seconds += 13 * 3600
    assert shut.get("/api/v1/machines", headers=cookies).status_code == 401


def test_guessing_is_slowed_and_many_at_once_are_sent_away(shut, paused):
    for _ in range(6):
        assert login(shut, "guess").status_code == 401
    assert paused == [0.25, 0.5, 1.0, 2.0, 4.0]

    async def many():
        async with shut.client() as client:
            tries = (client.post("/login", json={"password": "guess"}) for _ in range(30))
            return [answer.status_code for answer in await asyncio.gather(*tries)]

    codes = asyncio.run(many())
    assert codes.count(429) >= 20
    assert max(paused) == 8.0
    assert login(shut, "swordfish").status_code == 200
    assert shut.login.wrong >= 6


RIGHT = b'{"password":"swordfish"}'


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": "text/plain"}, RIGHT),
        ({"content-type": "application/x-www-form-urlencoded"}, b"password=swordfish"),
        ({"content-type": "application/json", "origin": "http://evil.example"}, RIGHT),
        ({"content-type": "application/json", "sec-fetch-site": "cross-site"}, RIGHT),
        ({"content-type": "application/json"}, b"{"),
        ({"content-type": "application/json"}, b'{"password":7}'),
        ({"content-type": "application/json"}, b'{"password":"' + b"a" * 5000 + b'"}'),
    ],
)
def test_no_other_page_logs_anybody_in(shut, headers, body):
    async def ask():
        async with shut.client() as client:
            return await client.post("/login", content=body, headers=headers)

    assert asyncio.run(ask()).status_code == 400


def test_a_password_is_kept_as_its_hash_alone():
    gate = PasswordGate("swordfish")
    assert gate.check("swordfish")
    assert not gate.check("swordfisH")
    assert "swordfish" not in repr(vars(gate))
    assert not PasswordGate(None).closed
    assert not PasswordGate(None).check("")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(world, method):
    async def ask():
        async with world.client() as client:
            return await client.request(method, "/api/v1/machines")

    assert asyncio.run(ask()).status_code == 405


def test_a_stream_ends_when_its_session_does(shut):
    async def go():
        async with shut.client() as client:
            entered = await client.post("/login", json={"password": "swordfish"})
            cookie = entered.cookies["factoryledger"]
        scope = {
            "type": "http", "method": "GET", "path": "/api/v1/live", "query_string": b"",
            "headers": [(b"host", b"127.0.0.1"), (b"cookie", f"factoryledger={cookie}".encode())],
        }  # fmt: skip
        sent = []

        async def send(message):
            sent.append(message)
            if b"hello" in message.get("body", b""):
                shut.seconds += 13 * 3600
                shut.hear([{"topic": "a/b/c/d/mill-9/death", "json": {}}])

        async def receive():
            await asyncio.sleep(3600)

        await asyncio.wait_for(shut.app(scope, receive, send), 10)
        return sent

    sent = asyncio.run(go())
    assert sent[0]["status"] == 200
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    assert not any(b"mill-9" in message.get("body", b"") for message in sent)


def test_who_connects_and_says_nothing_is_cut_off(world):
    door = Door(most=2, seconds=0.2)
    with served(world, http=door.protocol()) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as silent:
            assert silent.recv(1) == b""
        assert httpx.get(f"{url}/api/v1/status").status_code == 200
