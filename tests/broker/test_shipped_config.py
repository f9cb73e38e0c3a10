"""The shipped configuration, run by a real Mosquitto: limits, users, who may do what."""

import asyncio
import shutil
import socket
import subprocess
import tempfile
import uuid
from pathlib import Path

import mqtt5
import pytest

from factoryledger.broker import LocalBroker, find_mosquitto
from factoryledger.broker_config import broker_config
from telemetry.errors import BrokerUnavailable
from telemetry.link import Link, Subscription

MACHINE = "acme/berlin/milling/line1/m1"
EDGE = "spBv1.0/acme/NBIRTH/berlin_milling_line1"
DEVICE = "spBv1.0/acme/DDATA/berlin_milling_line1/m1"
USERS = ("simulator", "collector", "anchor", "watch", "m1")


def settings(name):
    lines = broker_config(name).read_text().splitlines()
    return dict(line.split(" ", 1) for line in lines if line and not line.startswith(("#", "log_")))


def test_both_configurations_have_the_same_limits():
    shared = settings("loopback.conf")
    del shared["connection_messages"]
    assert shared.items() <= settings("mosquitto.conf").items()


@pytest.mark.parametrize("name", ["loopback.conf", "mosquitto.conf", "acl", "rumqttd.toml"])
def test_every_line_stands_under_a_comment(name):
    """A line is explained by a comment above its block of lines."""
    block = []
    for line in [*broker_config(name).read_text().splitlines(), ""]:
        if line:
            block.append(line)
        elif block:
            assert block[0].startswith(("#", "[", "user ")), block
            block = []


def test_the_embedded_brokers_payload_is_as_large_as_mosquittos_packet():
    assert "max_payload_size = 2097152" in broker_config("rumqttd.toml").read_text()
    assert settings("loopback.conf")["max_packet_size"] == "2097152"


class Shipped(LocalBroker):
    """Mosquitto with mosquitto.conf as shipped, but for its port and the places of two files."""

    def _command(self):
        passwords = self.directory / "passwords"
        passwords.write_text("".join(f"{user}:secret-{user}\n" for user in USERS))
        passwd = shutil.which("mosquitto_passwd", path="/usr/bin:/usr/local/bin:/opt/homebrew/bin")
        assert passwd, "mosquitto_passwd comes with mosquitto"
        subprocess.run([passwd, "-U", str(passwords)], check=True, capture_output=True)
        acl = self.directory / "acl"
        shutil.copy(broker_config("acl"), acl)
        # Mosquitto started by root becomes a user of its own, which must read both.
        for path in (passwords, acl):
            path.chmod(0o644)
        self.directory.chmod(0o755)
        text = broker_config("mosquitto.conf").read_text()
        for old, new in (
            ("listener 1883", f"listener {self.port} 127.0.0.1"),
            ("/mosquitto/secrets/passwords", str(passwords)),
            ("/mosquitto/config/acl", str(acl)),
        ):
            assert text.count(old) == 1
            text = text.replace(old, new)
        config = self.directory / "shipped.conf"
        config.write_text(text)
        return [str(self.mosquitto), "-c", str(config)]


@pytest.fixture(scope="module")
def shipped():
    if find_mosquitto() is None:
        pytest.fail("this test needs mosquitto: apt-get install mosquitto, or brew install it")
    # Not in pytest's folder, which its maker alone may enter.
    with (
        tempfile.TemporaryDirectory(prefix="factoryledger-shipped-") as folder,
        Shipped(0, Path(folder), embedded=False) as running,
    ):
        yield running


def link(shipped, user, **rest):
    name = f"{user}-{uuid.uuid4().hex[:8]}"
    return Link(shipped.address, client_id=name, username=user, password=f"secret-{user}", **rest)


@pytest.mark.e2e
def test_nobody_gets_in_without_the_right_name_and_password(shipped):
    async def run():
        for user, password in ((None, None), ("collector", "wrong"), ("stranger", "secret")):
            with pytest.raises(BrokerUnavailable, match=r"not authorized|bad user name"):
                async with Link(shipped.address, client_id="x", username=user, password=password):
                    pass

    asyncio.run(run())


ALLOWED = {
    "simulator": {
        "write": [
            *(f"{MACHINE}/{kind}" for kind in ("telemetry", "birth", "state", "death", "event")),
            *(EDGE, DEVICE, f"ledger/outbox/{DEVICE}"),
        ],
        "read": [
            *(f"{MACHINE}/receipt", "ledger/receipt/m2"),
            *("ledger/checkpoint", "ledger/collector/c1"),
        ],
    },
    "collector": {
        "write": [f"{MACHINE}/receipt", "ledger/receipt/m2", "ledger/collector/c1"],
        "read": [f"{MACHINE}/telemetry", "any/thing", "ledger/checkpoint"],
    },
    "anchor": {"write": ["ledger/checkpoint"], "read": []},
    "watch": {"write": [], "read": [f"{MACHINE}/telemetry", "any/thing", "ledger/checkpoint"]},
    "m1": {
        "write": [
            *(f"{MACHINE}/telemetry", f"{MACHINE}/birth"),
            *("spBv1.0/acme/NDATA/m1", "ledger/outbox/spBv1.0/acme/DBIRTH/m1/pump"),
        ],
        "read": [f"{MACHINE}/receipt"],
    },
}
TOPICS = sorted(
    {topic for rights in ALLOWED.values() for topics in rights.values() for topic in topics}
    | {MACHINE[:-2] + "m2/telemetry", MACHINE[:-2] + "m2/receipt"}
    | {"spBv1.0/acme/NCMD/m1", "spBv1.0/STATE/scada", EDGE.replace("NBIRTH", "NCMD")}
)


@pytest.mark.e2e
@pytest.mark.parametrize("user", sorted(ALLOWED))
def test_each_user_publishes_its_own_topics_and_no_others(shipped, user):
    async def run():
        async with link(shipped, user) as us:
            allowed = [t for t in TOPICS if await us.publish(t, b"x") < 0x80]
        extra = [MACHINE[:-2] + "m2/telemetry"] if user == "simulator" else []
        if user == "simulator":
            extra += ALLOWED["m1"]["write"][2:]
        if user == "collector":
            extra = [MACHINE[:-2] + "m2/receipt", *(t for t in TOPICS if "/NCMD/" in t)]
        if user == "m1":
            extra = [t for t in TOPICS if t.startswith(f"{MACHINE}/") and not t.endswith("receipt")]
            assert EDGE not in allowed
        assert set(allowed) == {*ALLOWED[user]["write"], *extra}

    asyncio.run(run())


@pytest.mark.e2e
@pytest.mark.parametrize("user", sorted(ALLOWED))
def test_each_user_hears_its_own_topics_and_no_others(shipped, user):
    """Each topic is published by someone who may; what comes through shows what may be read."""

    async def run():
        got, last = [], asyncio.Event()

        def take(arrivals):
            got.extend(one.topic for one in arrivals if one.payload == b"read")
            if any(one.payload == b"last" for one in arrivals):
                last.set()

        subscriptions = [Subscription("#")]
        async with link(shipped, user, subscriptions=subscriptions, on_arrivals=take) as us:
            for writer, rights in ALLOWED.items():
                async with link(shipped, writer) as other:
                    for topic in rights["write"]:
                        await other.publish(topic, b"read")
            # All that was published before it has been through the same queue by then.
            own = {"anchor": None}.get(user, f"{MACHINE}/receipt")
            if own is not None:
                async with link(shipped, "collector") as other:
                    await other.publish(own, b"last")
                await asyncio.wait_for(last.wait(), 5)
            else:
                await us.publish("ledger/checkpoint", b"round trip")
        expected = {
            topic
            for rights in ALLOWED.values()
            for topic in rights["write"]
            if user in {"collector", "watch"} or topic in ALLOWED[user]["read"]
        }
        assert set(got) == expected

    asyncio.run(run())


@pytest.mark.e2e
def test_the_broker_tells_its_limits_when_a_client_connects(broker):
    with socket.create_connection(("127.0.0.1", broker.port)) as raw:
        raw.sendall(mqtt5.ConnectPacket("limits", clean_start=True, keep_alive=10).write())
        answer, _ = mqtt5.read(memoryview(raw.recv(1024)))
    assert answer.max_packet_size == 2_097_152
    assert answer.receive_max == 4096
