"""Clients of a simulator that lose their right at the broker, or their certificate in time.

Simulators of several machines over mutual TLS on the shipped broker: the others go on, what is
wrong is said once with what to do, and nothing is lost when it is put right.
"""

import asyncio
import json
import sys
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from secure_line import SecureLine, last
from survival_line import until

sys.path.insert(0, str(Path(__file__).parents[1] / "anchor_verify"))

from verify_world import Machine

from factoryledger.broker_identity import certified
from factoryledger.data_dir import DataDir
from factoryledger.enrolment import Enrolments
from telemetry.errors import LinkLost, ShutOut
from telemetry.link import Link, Subscription, Will
from telemetry.sparkplug import DataType, Metric, Payload, Value
from telemetry.sparkplug_topic import HostState

pytestmark = pytest.mark.e2e

PLACE = "example-works/north"
OUT = "shut out by the broker"


@contextmanager
def secured(drain=20):
    """A line over mutual TLS; not in pytest's folder, which the broker may not enter."""
    with (
        TemporaryDirectory(prefix="factoryledger-secure-") as folder,
        SecureLine(Path(folder), interval=0.05, drain=drain) as line,
    ):
        yield line


@pytest.fixture(scope="module")
def secure():
    """One whose collector runs, for all tests that leave the broker alone."""
    with secured() as line:
        line.collector().start()
        yield line


@pytest.fixture
def machines(secure):
    """Start a simulator of these machines; ends with the test."""
    started = []

    def start(count, *more):
        program = secure.machines(count, *more)
        started.append(program)
        program.start()
        return program

    yield start
    for program in started:
        program.end()


def test_a_revoked_machine_ends_no_other_is_said_once_and_goes_on_when_enrolled_again(
    secure, machines
):
    plant = machines(4)
    others = ("chiller-01", "mill-01", "moulding-01")
    secure.more_of(*others, "compressor-01")
    secure.good("device", "revoke", "compressor-01", "--broker", secure.address)
    said = secure.said_once(plant, OUT, "certificate is revoked")
    accepted = secure.counts()["compressor-01"]
    secure.more_of(*others, count=20)
    assert secure.counts()["compressor-01"] == accepted
    assert secure.said_once(plant, OUT) == said
    assert len(said) == 1
    assert "clients=compressor-01" in said[0]
    assert "device enrol" in said[0]

    secure.good("device", "enrol", "compressor-01")
    secure.said_once(plant, "let in again", "compressor-01")
    secure.more_of(*others, "compressor-01")
    plant.stop(0)
    counts = last(plant)
    assert (counts["shut_out"], counts["held"]) == (0, 0)
    # What it signed with its former key was announced, and sent once more as evidence.
    assert counts["evicted"] > 0
    assert counts["receipted"] + counts["evicted"] == counts["recorded"]
    payloads = secure.query(
        "select payload from messages where device = 'compressor-01' and status = 'accepted'"
    )
    assert sum(b'"name":"evicted"' in payload for (payload,) in payloads) == 1
    until(lambda: secure.counts("revoked")["compressor-01"] == counts["evicted"], "all is there")


class Chatter:
    """A device of its own that sends all the time, as its certificate lets it."""

    def __init__(self, line, name):
        self.line, self.name = line, name
        line.good("device", "enrol", name)
        self.machine = Machine(name, Enrolments(DataDir(line.data)).ensure_device(name))
        self.codes, self.lost = [], []

    async def send(self, until_done):
        tls = certified(self.line.files.path / "machine", self.name).tls
        async with Link(
            self.line.broker.secure,
            client_id=self.name,
            tls=tls,
            clean_start=True,
            on_trouble=self.lost.append,
            seldom=0.1,
        ) as link:
            while not until_done.done() or not link.shut_out:
                with suppress(LinkLost):
                    link.post(*self.machine.message(time.time_ns() // 1000)).add_done_callback(
                        self._answered
                    )
                await asyncio.sleep(0.01)

    def _answered(self, posted):
        if posted.exception() is None:
            self.codes.append(posted.result())


def test_once_the_command_returns_broker_collector_and_log_all_have_the_word(secure):
    """In this order: the word, what is judged by it, the denial, the end of the connection."""
    chatter = Chatter(secure, "device-07")

    async def revoke():
        await asyncio.to_thread(secure.more_of, "device-07")
        words = ("device", "revoke", "device-07", "--broker", secure.address)
        await asyncio.to_thread(secure.good, *words)

    async def main():
        async with asyncio.timeout(60):
            done = asyncio.ensure_future(revoke())
            await chatter.send(done)
            await done

    asyncio.run(main())
    assert chatter.lost  # cut, and then:
    assert isinstance(chatter.lost[-1], ShutOut)
    assert "its certificate is revoked" in str(chatter.lost[-1])
    # What the broker took and what it denied: no word in between.
    denied = [code >= 0x80 for code in chatter.codes]
    assert denied == sorted(denied)
    query = "select status from messages where device = 'device-07' order by position"
    said = [status for (status,) in secure.query(query)]
    assert said == sorted(said)
    assert set(said) <= {"accepted", "revoked"}
    listed = json.loads(secure.good("device", "list", "--json"))["keys"]
    [key] = [key for key in listed if key["device"] == "device-07"]
    assert key["ended_by"] == "revoke"
    secure.good("anchor", "--once")
    listed = json.loads(secure.good("device", "list", "--json"))["keys"]
    [key] = [key for key in listed if key["device"] == "device-07"]
    assert key["ended_index"] > key["enrolled_index"]


@pytest.mark.long
def test_a_simulator_that_starts_again_lets_nobody_in_and_says_who_is_out(secure, machines):
    """What was revoked is not certified anew, and the exit code and the last lines tell of it."""
    plant = machines(6)
    secure.more_of("furnace-01")
    secure.good("device", "revoke", "furnace-01", "--broker", secure.address)
    plant.stop(3)
    accepted = secure.counts()["furnace-01"]
    plant.start()
    secure.said_once(plant, OUT, "shows no certificate")
    secure.more_of("lathe-01")
    plant.stop(3)
    assert last(plant)["shut_out"] == 1
    assert last(plant)["held"] > 0
    assert "1 client shut out by the broker" in plant.said()
    assert secure.counts()["furnace-01"] == accepted


def test_gateways_bring_their_machines_receipts_and_one_that_is_revoked_ends_no_other(
    secure, machines
):
    """And a machine behind a gateway is revoked alone; the gateway goes on for the others."""
    for area in ("moulding", "utilities"):
        name = f"example-works-north-{area}-line-1-gateway"
        secure.good("device", "gateway", name, f"{PLACE}/{area}/line-1")
    secure.good(
        "device", "gateway", "example-works-north-machining-line-1-gateway", f"{PLACE}/machining"
    )
    plant = machines(4, "--gateway", "line", "--outbox", secure.data / "gateways", "--drain", 0.5)
    secure.more_of("moulding-01", "chiller-01", "compressor-01", "mill-01")

    secure.good("device", "revoke", "chiller-01", "--broker", secure.address)
    secure.more_of("chiller-01", status="revoked")
    secure.more_of("compressor-01", "mill-01")  # the first behind the same gateway

    moulding = "gateway.example-works-north-moulding-line-1-gateway"
    secure.good("device", "revoke", moulding, "--broker", secure.address)
    said = secure.said_once(plant, OUT, "certificate is revoked")
    assert len(said) == 1
    assert "clients=example-works-north-moulding-line-1-gateway" in said[0]
    accepted = secure.counts()["moulding-01"]
    secure.more_of("compressor-01", "mill-01", count=20)
    assert secure.counts()["moulding-01"] == accepted

    place = f"{PLACE}/moulding/line-1"
    secure.good("device", "gateway", moulding.removeprefix("gateway."), place)
    secure.said_once(plant, "let in again")
    secure.more_of("moulding-01", "mill-01", count=20)
    plant.stop(3)  # the revoked machine's have no receipt
    counts = last(plant)
    assert counts["shut_out"] == 0
    assert counts["receipted"] >= 20 * 2
    held = counts["held"]
    revoked = secure.counts("revoked")["chiller-01"]
    assert revoked <= held


SCENARIO = """\
description: a line that speaks Sparkplug beside one that does not
enterprise: works
site: north
primary_host: scada
lines:
  - {name: packing, area: hall, language: sparkplug, machines: [{kind: robot}, {kind: conveyor}]}
machines:
  - {kind: press, area: hall, line: forming}
"""
NODE = "north_hall_packing"


class Host:
    """A host application with the rights that `device host` gives."""

    def __init__(self, line):
        self.heard = []
        tls = certified(line.files.path / "machine", "host.scada").tls
        self.link = Link(
            line.broker.secure,
            client_id="host.scada",
            tls=tls,
            clean_start=True,
            subscriptions=[Subscription("spBv1.0/#")],
            on_arrivals=lambda all_: self.heard.extend(one.topic for one in all_),
            will=Will("spBv1.0/STATE/scada", state(online=False, at=1), retain=True),
        )

    @asynccontextmanager
    async def online(self):
        async with self.link:
            await self.say(online=True, at=2)
            yield self
            await self.say(online=False, at=3)

    async def say(self, *, online, at):
        topic = "spBv1.0/STATE/scada"
        said = state(online=online, at=at)
        async with asyncio.timeout(10):  # until the broker has read its files again
            while await self.link.publish(topic, said, retain=True) >= 0x80:  # noqa: ASYNC110 - its news
                await asyncio.sleep(0.05)

    async def hears(self, *kinds):
        async with asyncio.timeout(30):
            while not all(any(f"/{kind}/" in topic for topic in self.heard) for kind in kinds):  # noqa: ASYNC110 - others' news
                await asyncio.sleep(0.02)

    async def ask_rebirth(self):
        held = Value.of(DataType.BOOLEAN, value=True)
        metric = Metric(
            name="Node Control/Rebirth", timestamp=1, datatype=DataType.BOOLEAN, value=held
        )
        payload = Payload(timestamp=1, metrics=(metric,)).to_bytes()
        assert await self.link.publish(f"spBv1.0/works/NCMD/{NODE}", payload, qos=1) < 0x80


def state(*, online, at):
    return HostState(online=online, timestamp=at).to_bytes()


def test_edge_nodes_speak_sparkplug_to_their_host_and_the_ledger_and_one_may_be_revoked(
    secure, machines
):
    secure.good("device", "host", "scada")
    file = secure.folder / "works.yaml"
    file.write_text(SCENARIO)
    plant = secure.program(
        "simulate",
        *("simulate", "--data", secure.data, "--broker", secure.address, "--json"),
        *("--scenario", file, "--outbox", secure.data / "edges"),
    )

    async def follow():
        host = Host(secure)
        async with host.online():
            await asyncio.to_thread(plant.start)
            await host.hears("NBIRTH", "DBIRTH", "DDATA")
            host.heard.clear()
            await host.ask_rebirth()
            await host.hears("NBIRTH")
        host.heard.clear()
        return host

    try:
        asyncio.run(follow())
        devices = {"robot-01", "conveyor-01", "press-01"}
        until(lambda: devices <= set(secure.counts()), "all is taken", 30)
        secure.more_of("press-01", "robot-01", "conveyor-01")
        secure.good("device", "revoke", NODE, "--broker", secure.address)
        said = secure.said_once(plant, OUT, "certificate is revoked")
        assert [NODE in line for line in said] == [True]
        secure.more_of("press-01", count=20)
        secure.good("device", "enrol", NODE)
        secure.said_once(plant, "let in again", NODE)
        secure.more_of("robot-01", "press-01")
        secure.more_of(NODE, count=1)  # its birth, under its new key
        plant.stop(0)
        counts = last(plant)
        assert (counts["shut_out"], counts["held"]) == (0, 0)
        assert counts["receipted"] + counts["evicted"] == counts["recorded"]
    finally:
        plant.end()


@pytest.mark.long
def test_certificates_end_and_are_renewed_and_nothing_is_lost():
    """The broker's and a machine's: warned of before, called so after, taken up when renewed."""
    with secured() as line:
        files, broker = line.files, line.broker
        authority = files._authority()
        brief = timedelta(seconds=12)
        now = datetime.now(UTC)
        pair = authority.server(["127.0.0.1"], now, brief)
        ends = time.monotonic() + brief.total_seconds()
        files._keep(files.server / "server", pair)
        broker.reload()
        collector, plant = line.collector(), line.machines(3)
        collector.start()
        plant.start()
        line.more_of("mill-01", "moulding-01", "compressor-01")
        for program in (collector, plant):
            line.said_once(program, "a certificate for the broker ends soon", "of='the broker'")
        time.sleep(max(0.0, ends + 1 - time.monotonic()))
        line.more_of("mill-01")  # a connection that stands goes on
        broker.stop()
        broker.start()
        for program in (collector, plant):
            line.said_once(program, "the broker's certificate has expired", "init --broker-host")
        time.sleep(max(0.0, ends + 2 - time.monotonic()))
        line.good("init", "--broker-host", "127.0.0.1")
        line.more_of("mill-01", "moulding-01", "compressor-01")

        over = authority.client("mill-01", now, timedelta(seconds=-1))
        files._keep(files.path / "machine" / "mill-01", over)
        broker.stop()
        broker.start()
        assert len(line.said_once(plant, OUT, "certificate has expired")) == 1
        line.more_of("moulding-01", "compressor-01")
        line.good("init", "--broker-host", "127.0.0.1")
        line.said_once(plant, "let in again", "mill-01")
        line.more_of("mill-01")
        plant.stop(0)
        counts = last(plant)
        assert (counts["held"], counts["receipted"]) == (0, counts["recorded"])
        collector.stop()
        assert sum(line.counts().values()) == counts["recorded"]
