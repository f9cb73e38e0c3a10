"""PyPI's `pysparkplug` on the other side: it reads what ours say, ours read what it says.

It runs in an environment of its own (it wants paho-mqtt below 2), on brokers of its own (it
knows no prefix); nothing of this project is installed there.
"""

import asyncio
import json
import subprocess
from pathlib import Path

import pytest
from works import LogKey, Receiver, eventually, machines, outboxes_of

from factoryledger.broker import LocalBroker
from simulator.edge import edges_of
from simulator.fleet import simulate
from telemetry.link import Link, Subscription
from telemetry.sparkplug import DataType, Metric, Payload, Value
from telemetry.sparkplug_topic import SparkplugTopic

pytestmark = pytest.mark.e2e

PYTHON = Path(__file__).parents[2] / ".venv-peers" / "bin" / "python"

HOST = """
import json, sys, threading
from pysparkplug import Client, DataType, Message, MessageType, Metric, NCmd, QoS, Topic
address, port, group, edge = sys.argv[1:]
lock = threading.Lock()
def hear(client, message):
    topic, payload = message.topic, message.payload
    metrics = getattr(payload, "metrics", None) or ()
    said = {
        "type": str(topic.message_type.value), "device": topic.device_id,
        "seq": getattr(payload, "seq", None),
        "metrics": {m.name: m.value for m in metrics},
        "types": {m.name: m.datatype.name for m in metrics},
        "bdSeq": payload.bd_seq_metric.value if hasattr(payload, "bd_seq_metric") else None,
    }
    with lock:
        print(json.dumps(said), flush=True)
client = Client(client_id="peer-host")
client.subscribe(Topic(group_id=group, message_type="#"), QoS.AT_LEAST_ONCE, hear)
client.connect(address, port=int(port), callback=lambda _: print('{"type":"ready"}', flush=True))
for line in sys.stdin:
    if line.strip() == "rebirth":
        metric = Metric(
            timestamp=1, name="Node Control/Rebirth", datatype=DataType.BOOLEAN, value=True
        )
        client.publish(Message(
            topic=Topic(group_id=group, message_type=MessageType.NCMD, edge_node_id=edge),
            payload=NCmd(timestamp=1, metrics=(metric,)), qos=QoS.AT_MOST_ONCE, retain=False,
        ), include_dtypes=True)
client.disconnect()
"""

NODE = """
import sys, time
from pysparkplug import Client, DataType, Device, EdgeNode, Metric
address, port = sys.argv[1:]
def metric(name, datatype, value, alias=None):
    return Metric(timestamp=7, name=name, datatype=datatype, value=value, alias=alias)
node = EdgeNode("peers", "edge", [metric("count", DataType.INT16, -5)], Client("peer-node"))
device = Device("press", [
    metric("level", DataType.FLOAT, 2.5, 4), metric("name", DataType.STRING, "\\u00e9", 5),
    metric("small", DataType.INT8, -1, 6), metric("on", DataType.BOOLEAN, True, 7),
    metric("big", DataType.INT64, -(2**62), 8), metric("blob", DataType.BYTES, b"\\x00\\xff", 9),
])
node.register(device)
node.connect(address, port=int(port))
while not node._connected:
    time.sleep(0.01)
time.sleep(0.2)
node.update([metric("count", DataType.INT16, 6)])
node.update_device("press", [metric("small", DataType.INT8, -128, 6)])
node.deregister("press")
time.sleep(0.2)
node.disconnect()
"""

CODEC = """
import json, sys
from pysparkplug import DData, DataType, Metric
from pysparkplug._protobuf import Payload
answers = []
for case in json.load(sys.stdin):
    theirs = Payload.FromString(bytes.fromhex(case["ours"]))
    decoded = DData.decode(bytes.fromhex(case["ours"])).metrics[0]
    value = bytes.fromhex(case["bytes"]) if "bytes" in case else case["value"]
    metric = Metric(timestamp=3, name="m", datatype=DataType[case["type"]], value=value, alias=9)
    answers.append({
        "again": theirs.SerializeToString(deterministic=True).hex(),
        "value": decoded.value.hex() if isinstance(decoded.value, bytes) else decoded.value,
        "theirs": DData(timestamp=2, seq=1, metrics=(metric,)).encode(include_dtypes=True).hex(),
    })
json.dump(answers, sys.stdout)
"""


@pytest.fixture(autouse=True)
def peers():
    if not PYTHON.exists():
        pytest.fail(
            "the independent programs are not installed: run `make peers`, "
            "which builds .venv-peers from requirements/peers.lock"
        )


@pytest.fixture
def bare(tmp_path):
    with LocalBroker(0, tmp_path, embedded=False) as running:
        yield running


class PeerHost:
    """The peer as a host application, in a process; `heard` fills with what it decoded."""

    def __init__(self, broker, edge):
        self.broker, self.edge, self.heard = broker, edge, []

    async def __aenter__(self):
        address, topic = self.broker.address, self.edge.sparkplug()
        arguments = [address.host, str(address.port), topic.group, topic.node]
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(
            PYTHON, "-c", HOST, *arguments, stdin=pipe, stdout=pipe, limit=1 << 20
        )
        self.reading = asyncio.create_task(self._read())
        await eventually(lambda: self.heard)
        assert self.heard.pop(0) == {"type": "ready"}
        await asyncio.sleep(0.2)  # its SUBSCRIBE goes out after that
        return self

    async def __aexit__(self, *_):
        self.process.stdin.close()
        await asyncio.wait_for(self.process.wait(), 10)
        await self.reading

    def of(self, kind):
        return [said for said in self.heard if said["type"] == kind]

    async def say(self, word):
        self.process.stdin.write(word.encode() + b"\n")
        await self.process.stdin.drain()

    async def _read(self):
        async for line in self.process.stdout:
            self.heard.append(json.loads(line))


def test_the_peer_decodes_births_and_data_and_its_rebirth_is_answered(bare):
    plant = machines(2)
    receiver = Receiver(bare, "", plant)
    [edge] = edges_of(plant)

    async def main():
        stop = asyncio.Event()
        with outboxes_of(plant) as boxes:
            async with receiver.link, PeerHost(bare, edge) as peer:
                task = asyncio.create_task(
                    simulate(
                        address=bare.address,
                        machines=plant,
                        outboxes=boxes,
                        receipts=receiver.verifier,
                        checkpoints=LogKey(),
                        interval=0.05,
                        stop=stop,
                    )
                )
                await eventually(lambda: len(peer.of("DDATA")) > 10)
                await asyncio.sleep(1.1)
                await peer.say("rebirth")
                await eventually(lambda: len(peer.of("NBIRTH")) == 2)
                await eventually(lambda: len(peer.of("DBIRTH")) == 4)
                count = len(peer.of("DDATA"))
                await eventually(lambda: len(peer.of("DDATA")) > count + 10)
                stop.set()
                tally = await task
                await eventually(lambda: peer.of("NDEATH"))
        return peer, tally

    peer, tally = asyncio.run(asyncio.wait_for(main(), 60))
    assert (tally.held, tally.recorded) == (0, len(receiver.stored))
    check_what_the_peer_heard(peer)


def check_what_the_peer_heard(peer):
    numbers = [said["seq"] for said in peer.heard if said["type"] not in {"NDEATH", "NCMD"}]
    births = [place for place, said in enumerate(numbers) if said == 0]
    assert numbers[births[1] :] == [n % 256 for n in range(len(numbers) - births[1])]
    for birth in peer.of("NBIRTH"):
        assert birth["seq"] == birth["metrics"]["bdSeq"] == 0
        assert birth["metrics"]["Node Control/Rebirth"] is False
    first = peer.of("DBIRTH")[0]
    assert first["device"] == "mill-1"
    assert first["types"]["spindle_temperature"] == "DOUBLE"
    # Born again it says what it said last; by alias and type of the birth the peer knows all.
    again = [said for said in peer.of("DBIRTH") if said["device"] == "mill-1"][1]
    assert isinstance(again["metrics"]["spindle_temperature"], float)
    assert again["metrics"]["Machine/Kind"] == "mill"
    names = {name for said in peer.of("DDATA") for name in said["metrics"]}
    assert "spindle_temperature" in names
    assert None not in names
    assert [said["bdSeq"] for said in peer.of("NDEATH")] == [0]
    assert [said["device"] for said in peer.of("DDEATH")] == ["mill-1", "robot-1"]


def test_what_the_peer_says_is_read(bare):
    heard = []

    async def main():
        link = Link(
            bare.address,
            client_id="ours",
            clean_start=True,
            subscriptions=[Subscription("spBv1.0/#")],
            on_arrivals=heard.extend,
        )
        async with link:
            address = bare.address
            arguments = [address.host, str(address.port)]
            process = await asyncio.create_subprocess_exec(PYTHON, "-c", NODE, *arguments)
            assert await asyncio.wait_for(process.wait(), 20) == 0
            await eventually(lambda: len(heard) >= 6)

    asyncio.run(asyncio.wait_for(main(), 30))
    said = [(SparkplugTopic.parse(a.topic), Payload.from_bytes(a.payload)) for a in heard]
    assert [topic.type for topic, _ in said] == [
        *("NBIRTH", "DBIRTH", "NDATA", "DDATA", "DDEATH", "NDEATH"),
    ]
    by_type = {topic.type: payload for topic, payload in said}
    assert by_type["NBIRTH"].metric("count").meaning() == -5
    assert by_type["NBIRTH"].metric("bdSeq").datatype is DataType.INT64
    born = {m.name: m.meaning() for m in by_type["DBIRTH"].metrics}
    assert born == {
        "level": 2.5,
        "name": "é",
        "small": -1,
        "on": True,
        "big": -(2**62),
        "blob": b"\x00\xff",
    }
    changed = by_type["DDATA"].metrics[0]
    assert changed.meaning(DataType.INT8) == -128
    assert by_type["NDATA"].metrics[0].meaning(DataType.INT16) == 6
    # A slip of its own: what it says when it leaves has the number of its next connection.
    assert by_type["NDEATH"].metric("bdSeq").meaning() == 1


VALUES = [
    *((name, value) for name in ("INT8", "INT16", "INT32", "INT64") for value in (0, -1, 127)),
    ("INT32", -(2**31)),
    ("INT64", 2**63 - 1),
    ("UINT8", 255),
    ("UINT16", 65535),
    ("UINT32", 2**32 - 1),
    ("UINT64", 2**64 - 1),
    ("FLOAT", -0.5),
    ("DOUBLE", 61.2),
    ("DOUBLE", 5e-324),
    ("BOOLEAN", True),
    ("BOOLEAN", False),
    ("STRING", "é\U0001f600"),
    ("TEXT", ""),
    ("UUID", "00000000-0000-0000-0000-000000000000"),
    ("BYTES", b"\x00\xff"),
    ("FILE", b""),
]


def test_official_schema_and_ours_give_each_other_the_same_bytes():
    """The peer's compiled schema is Tahu's; protobuf's own runtime reads and writes it."""
    cases = []
    for name, value in VALUES:
        datatype = DataType[name]
        metric = Metric(
            name="m", alias=9, timestamp=3, datatype=datatype, value=Value.of(datatype, value)
        )
        ours = Payload(timestamp=2, metrics=(metric,), seq=1).to_bytes().hex()
        said = {"bytes": value.hex()} if isinstance(value, bytes) else {"value": value}
        cases.append({"type": name, "ours": ours, **said})
    done = subprocess.run(
        [PYTHON, "-c", CODEC],
        input=json.dumps(cases).encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    for (_, value), case, answer in zip(VALUES, cases, json.loads(done.stdout), strict=True):
        assert answer["again"] == case["ours"], case
        assert answer["theirs"] == case["ours"], case
        assert answer["value"] == (value.hex() if isinstance(value, bytes) else value), case
