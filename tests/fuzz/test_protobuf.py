"""What our reader of Sparkplug takes, Google's protobuf takes for the same (.venv-peers).

The other way round need not be: protobuf passes over what we refuse (a known field of another
wire type, groups, numbers beyond 64 bits).
"""

import json
import struct
import subprocess
from pathlib import Path

import pytest
from fuzz_mutations import mutated
from fuzz_of_wire import births
from hypothesis import HealthCheck, Phase, given, settings

from telemetry.errors import MalformedPayload
from telemetry.sparkplug import Payload

PYTHON = Path(__file__).parents[2] / ".venv-peers" / "bin" / "python"
PROGRAM = """
import json, struct, sys
from pysparkplug._protobuf.sparkplug_b_pb2 import Payload
from google.protobuf.message import DecodeError

def value(metric):
    kind = metric.WhichOneof("value")
    if metric.is_null or kind is None:
        return None
    found = getattr(metric, kind)
    if kind == "float_value":
        return struct.pack("<f", found).hex()
    if kind == "double_value":
        return struct.pack("<d", found).hex()
    if kind == "bytes_value":
        return found.hex()
    return found if kind.split("_")[0] in ("int", "long", "boolean", "string") else "opaque"

def of(one, name):
    return getattr(one, name) if one.HasField(name) else None

def said(data):
    payload = Payload()
    try:
        payload.ParseFromString(data)
        metrics = [
            [of(m, "name"), of(m, "alias"), of(m, "timestamp"), value(m)] for m in payload.metrics
        ]
        return [of(payload, "timestamp"), of(payload, "seq"), of(payload, "uuid"), metrics]
    except (DecodeError, UnicodeDecodeError):
        return "refused"

print(json.dumps([said(bytes.fromhex(one)) for one in json.load(sys.stdin)]))
"""

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="no protobuf: `make peers` builds .venv-peers"
)


def _value(metric):
    if metric.value is None:
        return "opaque" if any(field in {17, 18, 19} for field, _ in metric.opaque) else None
    raw = metric.value.raw
    if metric.value.holder in {"float", "double"}:
        return struct.pack("<f" if metric.value.holder == "float" else "<d", raw).hex()
    return raw.hex() if isinstance(raw, bytes) else raw


def ours(data):
    """What our reader says, in the other's words."""
    try:
        read = Payload.from_bytes(data)
    except MalformedPayload:
        return "refused"
    metrics = [[m.name, m.alias, m.timestamp, _value(m)] for m in read.metrics]
    return [read.timestamp, read.seq, read.uuid, metrics]


def theirs(payloads):
    """What protobuf says of each, asked at once."""
    asked = json.dumps([one.hex() for one in payloads])
    done = subprocess.run(
        [PYTHON, "-c", PROGRAM], input=asked, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def inputs():
    """Three hundred changed payloads, the same each time."""
    found = list(births())

    @settings(
        max_examples=300, derandomize=True, database=None, deadline=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(mutated(births(), ()))
    def gather(data):
        found.append(data)

    gather()
    return found


def test_what_we_take_protobuf_takes_for_the_same():
    payloads = inputs()
    taken = 0
    for data, other in zip(payloads, theirs(payloads), strict=True):
        mine = json.loads(json.dumps(ours(data)))
        if mine != "refused":
            taken += 1
            assert mine == other, data.hex()
    assert taken > 50
