"""A broker of one's own: found, started, killed, started again; and the embedded one."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from factoryledger import broker_config as broker_config_module
from factoryledger.broker import LocalBroker, find_mosquitto, free_port
from factoryledger.broker_config import broker_config
from telemetry.errors import BrokerUnavailable
from telemetry.link import Backoff, Link, Subscription, Will

pytestmark = pytest.mark.e2e


def link(broker, name=None, **rest):
    rest.setdefault("on_trouble", lambda _: None)
    rest.setdefault("backoff", Backoff(first=0.02, limit=0.2))
    return Link(broker.address, client_id=name or f"t-{uuid.uuid4().hex[:10]}", **rest)


@pytest.fixture(params=["mosquitto", "embedded"])
def own(request, tmp_path):
    if request.param == "mosquitto" and find_mosquitto() is None:
        pytest.fail("this test needs mosquitto: apt-get install mosquitto, or brew install it")
    with LocalBroker(0, tmp_path / "broker", embedded=request.param == "embedded") as running:
        yield running


def collecting():
    got, more = [], asyncio.Event()

    def take(arrivals):
        got.extend(arrivals)
        more.set()

    async def until(count):
        async with asyncio.timeout(10):
            while len(got) < count:
                more.clear()
                await more.wait()
        return got

    return take, until


def test_it_answers_on_this_machine_only_and_writes_its_files(own):
    assert own.running
    assert own.address.host == "127.0.0.1"
    os.kill(own.pid, 0)
    config = (own.directory / "mosquitto.conf", own.directory / "rumqttd.toml")
    (written,) = [path.read_text() for path in config if path.exists()]
    assert f"{own.port}" in written
    assert own.log.exists()
    with socket.socket() as elsewhere, pytest.raises(OSError):
        elsewhere.connect(("127.0.0.2", own.port))


def test_it_comes_back_on_its_port_after_stop_and_after_kill(own):
    port, first = own.port, own.pid
    for end in (own.stop, own.kill):
        end()
        assert not own.running
        with pytest.raises(BrokerUnavailable, match="not running"):
            _ = own.pid
        end()  # twice is no fault
        own.start()
        assert own.port == port
        assert own.pid != first
        assert own.start() is own  # as is starting what runs


def test_what_the_line_needs_of_a_broker(own):
    """Session kept, QoS 1, retained, will, No Local, MQTT 5 properties, a payload of 1 MiB."""

    async def run():
        take, until = collecting()
        who = {
            "name": "collector",
            "subscriptions": [Subscription("f/#", no_local=True, retain_handling=1)],
            "session_expiry": 600,
        }
        async with link(own) as machine:
            await machine.publish("f/birth", b"b", retain=True)
            async with link(own, **who, on_arrivals=take) as us:
                await machine.publish("f/large", bytes(1 << 20))
                await until(2)
                us.acknowledge((await until(2))[:1])
            await machine.publish("f/away", b"a")
            again, until_again = collecting()
            sessions = []
            async with link(
                own, **who, on_arrivals=again, on_connected=sessions.append, end_session=True
            ) as us:
                us.acknowledge(await until_again(2))
            assert sessions == [True]
            late, until_late = collecting()
            subscriptions = [Subscription("f/#")]
            async with link(own, subscriptions=subscriptions, on_arrivals=late):
                doomed = link(own, will=Will("f/death", b"d"))
                async with doomed:
                    doomed._upkeep.wire.abort()
                    await until_late(2)
                    await doomed.wait_connected()
        seen = await until(2)
        assert {(one.topic, one.retain) for one in seen} == {("f/birth", True), ("f/large", False)}
        assert max(len(one.payload) for one in seen) == 1 << 20
        redelivered = {one.topic for one in await until_again(2)}
        assert "f/away" in redelivered
        assert {one.topic for one in await until_late(2)} == {"f/birth", "f/death"}

    asyncio.run(run())


def test_a_queue_of_thousands_waits_for_a_collector_that_is_away(own):
    async def run():
        take, until = collecting()
        who = {
            "name": "collector",
            "subscriptions": [Subscription("q/#", retain_handling=1)],
            "session_expiry": 600,
        }
        async with link(own, **who):
            pass
        async with link(own) as machine:
            posted = [machine.post("q/t", b"%d" % number) for number in range(5000)]
            assert set(await asyncio.gather(*posted)) == {0}

        def arrived(arrivals):
            us.acknowledge(arrivals)
            take(arrivals)

        us = link(own, **who, on_arrivals=arrived, end_session=True)
        async with us:
            got = await until(5000)
        assert [one.payload for one in got] == [b"%d" % number for number in range(5000)]

    asyncio.run(run())


def test_a_port_in_use_is_said_and_left_alone(tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(BrokerUnavailable, match=f"port {port} .* in use"):
            LocalBroker(port, tmp_path).start()


def test_a_broker_that_dies_at_once_is_said_with_its_log(tmp_path):
    broker = LocalBroker(free_port(), tmp_path)
    broker.mosquitto = Path("/bin/false")
    with pytest.raises(BrokerUnavailable, match=r"did not come up.*broker\.log"):
        broker.start()
    assert not broker.running


def test_mosquitto_is_found_beside_the_path(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find_mosquitto()
    assert found is None or found.parent.name == "sbin"
    program = tmp_path / "mosquitto"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert find_mosquitto() == program


def test_a_file_that_does_not_exist_is_looked_for_in_both_places():
    assert broker_config("loopback.conf").is_file()
    with pytest.raises(FileNotFoundError, match=r"nothing\.conf"):
        broker_config("nothing.conf")


def test_the_files_are_found_where_a_wheel_puts_them(tmp_path):
    """A wheel has broker-config inside the package and no checkout beside it."""
    package = tmp_path / "factoryledger"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copy(broker_config_module.__file__, package / "broker_config.py")
    shutil.copytree(broker_config("loopback.conf").parent, package / "broker-config")
    say = "from factoryledger.broker_config import broker_config as f; print(f('acl'))"
    found = subprocess.run(
        [sys.executable, "-c", say], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert Path(found.stdout.strip()) == package / "broker-config" / "acl"
