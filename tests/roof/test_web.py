"""`web` as a process: ready, live, without its broker and with it again, stopped."""

import json
import re
import signal
import socket
import time
from queue import SimpleQueue

import httpx
import pytest
from paho.mqtt.client import CallbackAPIVersion, Client

from factoryledger.broker import LocalBroker


def until(check, seconds=30):
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


class LocalPublisher:
    """A stranger on the broker, by paho."""

    def __init__(self, address):
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._heard = SimpleQueue()
        self._client.on_message = lambda _client, _data, message: self._heard.put(message.payload)
        self._client.connect(address.host, address.port)

    def __enter__(self):
        self._client.loop_start()
        return self

    def __exit__(self, *_):
        self._client.disconnect()
        self._client.loop_stop()

    def next(self, topic):
        self._client.subscribe(topic)
        return self._heard.get(timeout=20)

    def send(self, topic, payload):
        self._client.publish(topic, payload, 1).wait_for_publish(20)


def events(url, wanted, **query):
    """Read the live stream until it has said these; by name, the last of each."""
    said, name = {}, ""
    with httpx.stream("GET", f"{url}/api/v1/live", params=query, timeout=20) as answer:
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            if line.startswith("data: "):
                said[name] = json.loads(line.removeprefix("data: "))
            if wanted <= said.keys():
                return said
    raise AssertionError(f"the stream ended after {list(said)}")


@pytest.mark.e2e
def test_the_page_goes_on_without_a_broker_and_with_it_again(tmp_path, program, await_line):
    with LocalBroker(0, tmp_path / "broker", embedded=False) as broker:
        at = ["--data", tmp_path / "d", "--broker", broker.address]
        web = program("web", *at, "--port", 0)
        url = re.search(r"web on (http://127\.0\.0\.1:\d+): ready", await_line(web, "ready"))[1]
        simulate = program("simulate", *at, "--machines", 2, "--outbox", tmp_path / "outbox")
        await_line(simulate, ": ready")

        def status():
            return httpx.get(f"{url}/api/v1/status").json()

        until(lambda: len(httpx.get(f"{url}/api/v1/machines").json()["machines"]) == 2)
        said = events(url, {"hello", "machines", "readings"}, device="mill-01")
        assert said["hello"]["status"]["live"] is True
        assert said["readings"]["device"] == "mill-01"
        assert said["readings"]["points"][0][1]

        def mill():
            return httpx.get(f"{url}/api/v1/machines/mill-01").json()

        # The page was there before the keys.
        until(lambda: mill()["signature"] == "verified")
        assert mill()["alarms"] == []
        topic = f"{mill()['topic']}/telemetry"
        with LocalPublisher(broker.address) as publisher:
            heard = publisher.next(topic)
            publisher.send(topic, heard.replace(b'"readings":{', b'"readings":{"forged":1,', 1))
        (alarm,) = until(lambda: mill()["alarms"])
        assert (alarm["kind"], "forged" in mill()["recent"]) == ("forged", False)
        assert status()["store"] is False

        broker.stop()
        until(lambda: not status()["live"])
        assert str(broker.address.port) in status()["why"]["live"]
        assert len(httpx.get(f"{url}/api/v1/machines").json()["machines"]) == 2
        broker.start()
        until(lambda: status()["live"])
        events(url, {"readings"}, device="mill-01")

        web.send_signal(signal.SIGTERM)
        assert web.wait(15) == 0


@pytest.mark.e2e
def test_a_page_that_looks_on_does_not_hold_up_the_end(tmp_path, program, await_line):
    web = program("web", "--data", tmp_path / "d", "--port", 0, "--broker", "mqtt://127.0.0.1:1")
    url = re.search(r"http://\S+:\d+", await_line(web, "ready"))[0]
    with httpx.stream("GET", f"{url}/api/v1/live", timeout=20) as answer:
        parts = answer.iter_bytes()
        assert b"hello" in next(parts)
        web.send_signal(signal.SIGTERM)
        assert web.wait(15) == 0
        assert b"event: " not in b"".join(parts)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_beyond_this_machine_it_wants_a_password(command, tmp_path, host):
    result = command("web", "--data", tmp_path / "d", "--host", host, "--port", 0)
    assert result.code == 2
    assert "FACTORYLEDGER_WEB_PASSWORD_FILE" in result.err


def test_an_empty_password_is_none(command, tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("\n")
    monkeypatch.setenv("FACTORYLEDGER_WEB_PASSWORD_FILE", str(tmp_path / "secret"))
    result = command("web", "--data", tmp_path / "d", "--port", 0)
    assert result.code == 2
    assert "no password on its first line" in result.err


def test_an_address_that_is_taken_is_said_at_once(command, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = command("web", "--data", tmp_path / "d", "--port", port)
    assert result.code == 3
    assert "in use" in result.err


@pytest.mark.e2e
def test_with_a_password_it_serves_beyond_this_machine(tmp_path, program, await_line):
    (tmp_path / "secret").write_text("swordfish\n")
    web = program(
        *("web", "--data", tmp_path / "d", "--host", "0.0.0.0", "--port", 0),
        *("--broker", "mqtt://127.0.0.1:1", "--name", "ledger.plant"),
        FACTORYLEDGER_WEB_PASSWORD_FILE=str(tmp_path / "secret"),
    )
    port = await_line(web, "ready").split(":")[2]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        assert client.get("/api/v1/machines").status_code == 401
        assert client.post("/login", json={"password": "swordfish"}).status_code == 200
        assert client.get("/api/v1/machines").status_code == 200
        named = client.get("/api/v1/status", headers={"host": "ledger.plant"})
        assert named.status_code == 200
        assert client.get("/", headers={"host": "evil.example"}).status_code == 400
