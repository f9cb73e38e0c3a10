"""OPC UA, against asyncua's own server on loopback: values, times, statuses, a server that goes."""

import asyncio
import sys
from base64 import b64decode
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from test_gateway_service import Believing, Ring, entries, until

from factoryledger.broker import free_port
from gateway.errors import SourceUnavailable
from gateway.mapping_file import read_mapping
from gateway.service import GatewayAccount, run_gateway
from simulator.wire import Wire
from telemetry.address import NOBODY
from telemetry.backoff import Backoff
from telemetry.errors import NotInstalled

TEXT = """
gateway = "g"
place = "acme/north/milling/line-4"
[opcua]
url = "opc.tcp://127.0.0.1:{port}/plant"
interval = 50
[[node]]
node = "ns=2;s=Press.Temperature"
device = "press"
readings.temperature = {{ unit = "Cel", scale = 0.1 }}
[[node]]
node = "ns=2;s=Press.Order"
device = "press"
event = "order"
"""
MADE = datetime(2026, 11, 23, 8, 0, 0, 250_000, tzinfo=UTC)


class Plant:
    """A server with the two nodes; it can be stopped and started."""

    def __init__(self):
        self.port = free_port()

    async def start(self):
        from asyncua import Server, ua

        self.server = Server()
        await self.server.init()
        self.server.set_endpoint(f"opc.tcp://127.0.0.1:{self.port}/plant")
        self.server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        await self.server.register_namespace("urn:plant")
        objects = self.server.nodes.objects
        self.nodes = {
            name: await objects.add_variable(ua.NodeId(f"Press.{name}", 2), name, first)
            for name, first in (("Temperature", 0.0), ("Order", "none"))
        }
        await self.server.start()

    async def stop(self):
        await self.server.stop()

    async def say(self, name, value, status=0):
        from asyncua import ua

        said = ua.DataValue(
            ua.Variant(value), ua.StatusCode(ua.UInt32(status)), SourceTimestamp=MADE
        )
        await self.nodes[name].write_value(said)


def run(broker, topic_prefix, folder, mapping, main, plant=None):
    """Run a gateway with this mapping, the plant in its loop, while `main` says and asks things."""
    from gateway.opcua_source import OpcUaSource

    async def both():
        stop, ready, account = asyncio.Event(), asyncio.Event(), GatewayAccount()
        source = OpcUaSource(
            mapping.opcua, [one.node for one in mapping.node], backoff=Backoff(first=0.1, limit=0.2)
        )
        if plant is not None:
            await plant.start()
        task = asyncio.create_task(
            run_gateway(
                mapping=mapping, sources=[source], folder=folder, keys=Ring(),
                wire=Wire(broker.address, lambda _name: NOBODY, topic_prefix, 25.0, topic_prefix),
                receipts=Believing(), checkpoints=Believing(), drain=0.0, stop=stop,
                on_ready=ready.set, account=account,
            )
        )  # fmt: skip
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        try:
            if not task.done():
                await main(account)
        finally:
            stop.set()
            try:
                await task
            finally:
                if plant is not None:
                    await plant.stop()

    asyncio.run(both())


def test_changes_of_nodes_are_signed_and_bad_ones_are_no_numbers(broker, topic_prefix, tmp_path):
    pytest.importorskip("asyncua")
    plant = Plant()
    mapping = read_mapping(TEXT.format(port=plant.port), "m.toml")

    async def talk(account):
        await until(lambda: account.tally().signed == 2)
        await plant.say("Temperature", 215.0)
        await until(lambda: account.tally().signed == 3)
        await plant.say("Temperature", 999.0, 0x808C0000)  # BadSensorFailure
        await until(lambda: account.tally().signed == 4)
        await plant.say("Order", "white")
        await until(lambda: account.tally().signed == 5)

    run(broker, topic_prefix, tmp_path, mapping, talk, plant)
    bodies = [body for body in entries(tmp_path, "press") if "source" in body]
    good = next(body for body in bodies if body.get("readings") == {"temperature": 21.5})
    assert good["time"] == "2026-11-23T08:00:00.250000Z"
    assert (good["source"]["topic"], good["source"]["status"]) == ("ns=2;s=Press.Temperature", 0)
    bad = next(body for body in bodies if body["source"]["status"] == 0x808C0000)
    assert "readings" not in bad
    assert bad["event"] == {"name": "source-message"}
    assert sha256(b64decode(bad["source"]["base64"])).hexdigest() == bad["source"]["sha256"]
    orders = [body for body in bodies if body.get("event") == {"name": "order"}]
    assert len(orders) == 2, "the first value and the change"


@pytest.mark.long
def test_a_server_that_goes_and_comes_back_is_subscribed_again(broker, topic_prefix, tmp_path):
    """In a new session, with the values as they are then."""
    pytest.importorskip("asyncua")
    plant = Plant()
    mapping = read_mapping(TEXT.format(port=plant.port), "m.toml")

    async def talk(account):
        await until(lambda: account.tally().signed == 2)
        await plant.stop()
        await until(lambda: account.tally().source_losses == 1)
        await plant.start()
        await until(lambda: account.tally().signed == 4)
        await plant.say("Temperature", 215.0)
        await until(lambda: account.tally().signed == 5)

    run(broker, topic_prefix, tmp_path, mapping, talk, plant)


def test_a_server_that_is_away_and_a_node_that_is_not_there_are_named(
    broker, topic_prefix, tmp_path
):
    pytest.importorskip("asyncua")
    mapping = read_mapping(TEXT.format(port=free_port()), "m.toml")

    async def nothing(_account):
        raise AssertionError

    with pytest.raises(SourceUnavailable, match="is the server running"):
        run(broker, topic_prefix, tmp_path, mapping, nothing)


def test_without_the_extra_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "asyncua", None)
    monkeypatch.setitem(sys.modules, "asyncua.client.client", None)
    monkeypatch.delitem(sys.modules, "gateway.opcua_source", raising=False)
    with pytest.raises(NotInstalled, match=r"pip install 'factoryledger\[opcua\]'"):
        __import__("gateway.opcua_source")
