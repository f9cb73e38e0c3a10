"""Machines that cannot sign, their broker, a gateway, and a whole ledger behind it.

The source broker is not the ledger's. Publishing and checking are by paho and by the store's own
tables, independent of the gateway's code.
"""

import io
import json
import sys
from base64 import b64decode
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from hashlib import sha256
from pathlib import Path
from threading import Event

import paho.mqtt.client as mqtt

sys.path.insert(0, str(Path(__file__).parents[1] / "survival"))

from survival_line import Line

from anchor.proving.prove import ProvingLog, prove
from anchor.proving.verify import verify
from factoryledger.broker import LocalBroker, free_port
from factoryledger.cli import run
from factoryledger.data_dir import DataDir
from factoryledger.installation import installation
from factoryledger.witness_choice import WitnessChoice

EXAMPLE = Path(__file__).parents[2] / "examples" / "gateway_fischertechnik.toml"
RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings"
SMALL = """
gateway = "line-4"
place = "acme/north/milling/line-4"

[[rule]]
topic = "plc/{name}/data"
device = "plc-{name}"
time = { pointer = "/ts", form = "ms" }
readings.temperature = { pointer = "/t", unit = "Cel", scale = 0.1, low = 0, high = 90 }
readings.running = { pointer = "/on" }

[[rule]]
topic = "plc/{name}/{what}"
device = "plc-{name}"
event = "plc-message"

[otherwise]
device = "unmapped"
"""


class GatewayLine(Line):
    """A line whose machines are behind a gateway, with a witness where one is asked for."""

    def __init__(self, folder, *, witnessed=False, mapping=SMALL, **settings):
        super().__init__(folder, **settings)
        self._witnessed = free_port() if witnessed else None
        self.source = LocalBroker(0, folder / "source", embedded=False)
        self.mapping = folder / "mapping.toml"
        self.mapping.write_text(mapping, encoding="utf-8")

    def __enter__(self):
        self.source.start()
        self.broker.start()
        self.address = str(self.broker.address)
        witness = WitnessChoice("witness", f"http://127.0.0.1:{self._witnessed}")
        DataDir(self.data).create(witnesses=[witness] if self._witnessed else [])
        if self._witnessed:
            at = ["--data", self.data, "--port", self._witnessed]
            self.program("witness", "witness", *at).start()
        return self

    def __exit__(self, *_):
        super().__exit__(*_)
        self.source.kill()

    def gateway(self, *more):
        at = ["--data", self.data, "--broker", self.address]
        source = ["--source", self.source.address]
        return self.program("gateway", "gateway", self.mapping, *at, *source, "--json", *more)

    def client(self, name=""):
        return Client(self.source.address, name)

    def signed(self):
        """What gateways signed and the collector accepted: the member `source` of each."""
        rows = self.query("select payload from messages where status = 'accepted'")
        bodies = [json.loads(payload) for (payload,) in rows]
        return [body for body in bodies if "source" in body]

    def places(self):
        """How often each source message is stood for, by topic and hash of payload."""
        return Counter((one["source"]["topic"], one["source"]["sha256"]) for one in self.signed())


class Client:
    """A machine that speaks MQTT 3.1.1, as most PLCs do."""

    def __init__(self, address, name):
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv311
        )
        self._address = address
        self.sent = Counter()

    def __enter__(self):
        up = Event()
        self._client.on_connect = lambda *_: up.set()
        self._client.max_queued_messages_set(0)
        self._client.connect(self._address.host, self._address.port)
        self._client.loop_start()
        assert up.wait(30)
        return self

    def __exit__(self, *_):
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, topic, payload, qos=1, retain=False):
        payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.sent[topic, sha256(payload).hexdigest()] += 1
        return self._client.publish(topic, payload, qos, retain)

    def play(self, messages, qos=1, window=100):
        """Publish so many at a time, each until the broker has it."""
        out = []
        for topic, payload in messages:
            out.append(self.say(topic, payload, qos))
            if len(out) >= window:
                out.pop(0).wait_for_publish(30)
        for one in out:
            one.wait_for_publish(30)


def recorded(file):
    """Topics and payloads of one of the two recorded sessions."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [(one["topic"], one["payload"].encode()) for one in lines if "topic" in one]


def kept(member):
    """The source payload that a signed message holds, or None."""
    if "base64" in member:
        return b64decode(member["base64"])
    return member["text"].encode() if "text" in member else None


def prove_all(data):
    """Prove and verify every stored message; how many, and of how many the source is named.

    Each is verified from the proof file's bytes under the pinned policy alone.
    """
    proved = named = 0
    with installation(data=data) as place:
        log = ProvingLog.scan(place.log_reader, place.policy)
        for collector in place.ledger.collectors():
            for row in place.ledger.messages(collector.id):
                proof = prove(
                    ledger=place.ledger, log=place.log_reader, policy=place.policy, row=row,
                    proving=log,
                )  # fmt: skip
                found = verify(proof.to_bytes(), place.policy)
                assert found.gateway is not None, found.lines()
                assert found.witnesses or not place.policy.witnesses
                proved += 1
                if found.source is not None:
                    named += 1
                    member = json.loads(row.payload)["source"]
                    payload = kept(member)
                    assert payload is None or sha256(payload).hexdigest() == found.source.sha256
    return proved, named


def called(*arguments, code=0):
    """Run a command in this process, which is quicker; what it says."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        ended = run([str(word) for word in arguments])
    assert ended == code, said.getvalue()
    return said.getvalue()


def anchor_all(line):
    """Anchor what is there."""
    called("anchor", "--once", "--data", line.data)
