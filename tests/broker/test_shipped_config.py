"""The shipped configuration, run by a real Mosquitto: limits, users, who may do what."""

import asyncio
import contextlib
import socket
import ssl
from datetime import UTC, datetime, timedelta

import mqtt5
import pytest
from shipped_broker import COUNTS, shipped_plant

from factoryledger import shown_certificates
from factoryledger.broker_config import broker_config
from factoryledger.broker_files import BrokerFiles
from factoryledger.broker_identity import certified
from factoryledger.displacing import displace
from factoryledger.shown_certificates import tls_context
from telemetry.errors import BrokerUnavailable, ShutOut
from telemetry.link import Backoff, Link, Subscription

MACHINE = "acme/berlin/milling/line1/m1"
EDGE = "spBv1.0/acme/NBIRTH/berlin_milling_line1"
DEVICE = "spBv1.0/acme/DDATA/berlin_milling_line1/m1"


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


@pytest.fixture(scope="module")
def plant():
    with shipped_plant() as running:
        yield running


async def until(holds):
    """Wait until it does, a few seconds at most."""
    async with asyncio.timeout(5):
        while not await holds():  # noqa: ASYNC110 - what a broker does has no event here
            await asyncio.sleep(0.01)


def link(plant, user, **rest):
    """Machines over TLS, the stack's own parts by password."""
    return plant.outside(user, **rest) if user in {"m1", "m2"} else plant.inside(user, **rest)


@pytest.mark.e2e
def test_nobody_gets_in_without_the_right_name_and_password(plant):
    async def run():
        for user, password in ((None, None), ("collector.1", "wrong"), ("m1", "m1")):
            who = {"username": user, "password": password}
            with pytest.raises(BrokerUnavailable, match=r"not authorized|bad user name"):
                async with Link(plant.broker.address, client_id="x", **who):
                    pass

    asyncio.run(run())


@pytest.mark.e2e
def test_nobody_gets_in_from_outside_without_a_certificate_of_the_authority(plant, tmp_path):
    other = BrokerFiles(tmp_path / "broker")
    other.prepare("example.org/other", ["127.0.0.1"], COUNTS)
    other.machines(["m1"])
    trusting = ssl.create_default_context(cafile=plant.files.path / "machine" / "ca.crt")
    stranger = tls_context(
        plant.files.path / "machine" / "ca.crt",
        tmp_path / "broker" / "machine" / "m1.crt",
        tmp_path / "broker" / "machine" / "m1.key",
    )

    async def run():
        for tls in (trusting, stranger, certified(other.path / "machine", "m1").tls):
            with pytest.raises(BrokerUnavailable):
                async with Link(plant.broker.secure, client_id="m1", tls=tls):
                    pass
        # A password opens nothing there either.
        async with plant.inside("collector.1"):
            pass
        password = (plant.files.path / "collector" / "collector.1.password").read_text().strip()
        with pytest.raises(BrokerUnavailable):
            async with Link(
                plant.broker.secure,
                client_id="x",
                username="collector.1",
                password=password,
                tls=trusting,
            ):
                pass

    asyncio.run(run())


@pytest.mark.e2e
def test_nobody_takes_anothers_session_by_its_client_id(plant):
    async def run():
        lost = []
        patience = Backoff(first=0.02, limit=0.1)
        async with plant.inside("collector.1", on_trouble=lost.append, backoff=patience) as us:
            for user in ("m1", "watch.1", "collector.2"):
                async with link(plant, user, client_id="collector.1") as other:
                    await other.publish(f"{MACHINE}/telemetry", b"x")
            await us.publish(f"{MACHINE}/receipt", b"x")
            assert (us.epoch, lost) == (1, [])
            # Under its own name it is displaced, as who starts a process twice finds out.
            async with plant.outside("collector.1", client_id="another"):
                await until(lambda: asyncio.sleep(0, bool(lost)))

    asyncio.run(run())


ALLOWED = {
    "simulator.1": {
        "write": [],
        "read": ["ledger/checkpoint", "ledger/collector/c1", f"{MACHINE}/event"],
    },
    "collector.2": {
        "write": [f"{MACHINE}/receipt", "ledger/receipt/m2", "ledger/collector/c1"],
        "read": [f"{MACHINE}/telemetry", "any/thing", "ledger/checkpoint"],
    },
    "anchor.1": {
        "write": ["ledger/checkpoint"],
        "read": ["ledger/checkpoint", "ledger/collector/c1"],
    },
    "watch.2": {"write": [], "read": [f"{MACHINE}/telemetry", "any/thing", "ledger/checkpoint"]},
    "m1": {
        "write": [
            *(f"{MACHINE}/{kind}" for kind in ("telemetry", "birth", "state", "death", "event")),
            *("spBv1.0/acme/NDATA/m1", "ledger/outbox/spBv1.0/acme/DBIRTH/m1/pump"),
        ],
        "read": [f"{MACHINE}/receipt", "ledger/checkpoint", "ledger/collector/c1"],
    },
}
TOPICS = sorted(
    {topic for rights in ALLOWED.values() for topics in rights.values() for topic in topics}
    | {MACHINE[:-2] + "m2/telemetry", MACHINE[:-2] + "m2/receipt", EDGE, DEVICE}
    | {"spBv1.0/acme/NCMD/m1", "spBv1.0/STATE/scada", EDGE.replace("NBIRTH", "NCMD")}
)


@pytest.mark.e2e
@pytest.mark.parametrize("user", sorted(ALLOWED))
def test_each_user_publishes_its_own_topics_and_no_others(plant, user):
    async def run():
        async with link(plant, user) as us:
            allowed = [t for t in TOPICS if await us.publish(t, b"x") < 0x80]
        extra = []
        if user == "collector.2":
            extra = [MACHINE[:-2] + "m2/receipt", *(t for t in TOPICS if "/NCMD/" in t)]
        assert set(allowed) == {*ALLOWED[user]["write"], *extra}

    asyncio.run(run())


@pytest.mark.e2e
@pytest.mark.parametrize("user", sorted(ALLOWED))
def test_each_user_hears_its_own_topics_and_no_others(plant, user):
    """Each topic is published by someone who may; what comes through shows what may be read."""

    async def run():
        got, last = [], asyncio.Event()

        def take(arrivals):
            got.extend(one.topic for one in arrivals if one.payload == b"read")
            if any(one.payload == b"last" for one in arrivals):
                last.set()

        async with link(plant, user, subscriptions=[Subscription("#")], on_arrivals=take) as us:
            for writer, rights in ALLOWED.items():
                # One name is one connection: who listens also says its own.
                sender = contextlib.nullcontext(us) if writer == user else link(plant, writer)
                async with sender as other:
                    for topic in rights["write"]:
                        await other.publish(topic, b"read")
            # All that was published before it has been through the same queue by then.
            async with link(plant, "collector.1") as other:
                await other.publish("ledger/collector/c1", b"last")
            await asyncio.wait_for(last.wait(), 5)
        expected = {
            topic
            for rights in ALLOWED.values()
            for topic in rights["write"]
            if user in {"collector.2", "watch.2"} or topic in ALLOWED[user]["read"]
        }
        assert set(got) == expected

    asyncio.run(run())


@pytest.mark.e2e
def test_a_gateway_speaks_for_its_place_and_no_other(plant):
    plant.files.gateway("gateway.hall-1", ["acme/berlin/milling"])
    plant.broker.reload()

    async def run():
        async with plant.outside("gateway.hall-1") as us:

            async def speaks():
                return await us.publish(f"{MACHINE}/telemetry", b"x") < 0x80

            await until(speaks)  # the broker has read the file again
            for topic in (
                "acme/berlin/turning/line1/m1/telemetry",
                "acme/hamburg/milling/line1/m1/telemetry",
                f"{MACHINE}/receipt",
                "ledger/checkpoint",
            ):
                assert await us.publish(topic, b"x") >= 0x80, topic

    asyncio.run(run())


@pytest.mark.e2e
def test_who_is_shut_out_is_denied_at_once_displaced_and_does_not_come_back(plant):
    """Of a connection that stands the list of revoked certificates alone would not let go."""

    async def run():
        lost = []
        patience = Backoff(first=0.02, limit=0.1)
        async with plant.outside("m2", on_trouble=lost.append, backoff=patience) as us:
            topic = MACHINE[:-2] + "m2/telemetry"
            assert await us.publish(topic, b"x") < 0x80
            plant.files.shut_out("m2")
            plant.broker.reload()

            async def denied():
                return await us.publish(topic, b"x") >= 0x80

            await until(denied)
            await displace(plant.broker.secure, plant.files, "m2", hold=0.3)
            await until(lambda: asyncio.sleep(0, bool(lost)))
            assert not us.connected
        # A new certificate lets it in again.
        plant.files.machines(["m2"])
        assert "m2.crt" not in {path.name for path in (plant.files.path / "machine").iterdir()}
        plant.files.machines(["m2"], readmit=True)
        plant.broker.reload()
        async with plant.outside("m2") as us:

            async def speaks():
                return await us.publish(topic, b"x") < 0x80

            await until(speaks)

    asyncio.run(run())


@pytest.mark.e2e
def test_the_broker_tells_its_limits_when_a_client_connects(broker):
    with socket.create_connection(("127.0.0.1", broker.port)) as raw:
        raw.sendall(mqtt5.ConnectPacket("limits", clean_start=True, keep_alive=10).write())
        answer, _ = mqtt5.read(memoryview(raw.recv(1024)))
    assert answer.max_packet_size == 2_097_152
    assert answer.receive_max == 4096


@pytest.mark.e2e
def test_a_client_that_is_refused_is_told_why(plant, tmp_path):
    """Its certificate has ended, is another authority's, or there is none; and the broker's own."""
    machine = plant.files.path / "machine"
    ca, now = machine / "ca.crt", datetime.now(UTC)
    authority = plant.files._authority()
    over = authority.client("m1", now, timedelta(seconds=-60))
    other = BrokerFiles(tmp_path / "broker")
    other.prepare("example.org/other", ["127.0.0.1"], COUNTS)
    other.machines(["m1"])
    theirs = other.path / "machine"
    (tmp_path / "over.crt").write_bytes(over.certificate)
    (tmp_path / "over.key").write_bytes(over.key)

    async def told(*files):
        tls = tls_context(*files)
        with pytest.raises(BrokerUnavailable) as refused:
            async with Link(plant.broker.secure, client_id="m1", tls=tls):
                pass
        return type(refused.value), str(refused.value)

    async def main():
        kind, said = await told(ca, tmp_path / "over.crt", tmp_path / "over.key")
        assert (kind, "its certificate has expired" in said) == (ShutOut, True)
        kind, said = await told(ca, theirs / "m1.crt", theirs / "m1.key")
        assert (kind, "of an authority that the broker does not know" in said) == (ShutOut, True)
        kind, said = await told(ca, None, None)
        assert (kind, "it shows no certificate" in said) == (ShutOut, True)
        kind, said = await told(theirs / "ca.crt", None, None)
        assert (kind, "the broker's certificate does not hold" in said) == (BrokerUnavailable, True)

    asyncio.run(main())


def test_a_certificate_is_warned_of_in_its_last_month_once_a_day(tmp_path, capsys):
    files = BrokerFiles(tmp_path / "broker")
    files.prepare("example.org/test", ["127.0.0.1"], COUNTS)
    files.machines(["m-warned"])
    shown = files.path / "machine"
    context = tls_context(shown / "ca.crt", shown / "m-warned.crt", shown / "m-warned.key")
    [(_, end)] = context.ends.values()
    day = 86_400

    def warned(now):
        shown_certificates.warn_of_ends(now, [context])
        return "m-warned.crt" in "".join(capsys.readouterr())

    days = (400, 31, 29, 28.5, 28, 27.5, 27)
    assert [warned(end - left * day) for left in days] == [
        False, False, True, False, True, False, True,
    ]  # fmt: skip
    assert warned(end + 2 * day)
