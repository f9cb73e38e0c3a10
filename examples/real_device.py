"""A real device: plain paho-mqtt, mutual TLS, signed readings that it keeps until receipted.

    python examples/real_device.py m1 FOLDER HOST PORT < readings    # a temperature a line

FOLDER holds m1.key, m1.crt, ca.crt and signer.key (see real_device_request.py). A reading is
kept until a receipt names its number and the hash of its bytes; that the receipt is signed by
an enrolled collector, the simulator checks and this sketch does not.
"""

import json
import secrets
import sys
import time
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import paho.mqtt.client as mqtt
from cryptography.hazmat.primitives.serialization import load_pem_private_key

name, home, host, port = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
signer = load_pem_private_key((home / "signer.key").read_bytes(), None)
key = sha256(signer.public_key().public_bytes_raw()).hexdigest()[:16]
topic, session = f"example-works/north/lab/line-1/{name}/telemetry", secrets.token_hex(8)
held, prev, seq = {}, None, 0


def receipted(_client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
    """Let go of what a receipt covers."""
    leaf = json.loads(json.loads(message.payload)["leaf"])
    numbers = [n for first, last in leaf["ranges"] for n in range(first, last + 1)]
    hashes = b"".join(sha256(held[n][0]).digest() for n in numbers if n in held)
    if leaf["session"] == session and b64encode(sha256(hashes).digest()).decode() == leaf["bodies"]:
        for number in numbers:
            del held[number]


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
client.tls_set(home / "ca.crt", home / f"{name}.crt", home / f"{name}.key")
client.on_message = receipted
client.on_connect = lambda client, *_: client.subscribe(topic.replace("telemetry", "receipt"), 1)
client.connect(host, port)
client.loop_start()
for line in sys.stdin:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    said = {"device": name, "session": session, "seq": seq, "prev": prev, "anchor": None}
    said |= {"time": now, "readings": {"temperature": float(line)}, "key": key}
    body = json.dumps(said, separators=(",", ":")).encode()[:-1]
    sig = signer.sign(b"factoryledger/telemetry/v1\0" + topic.encode() + b"\0" + body)
    held[seq] = body, body + b',"sig":"' + b64encode(sig) + b'"}'
    client.publish(topic, held[seq][1], qos=1)
    prev, seq = b64encode(sha256(body).digest()).decode(), seq + 1
while held:  # what is not receipted goes again
    time.sleep(1)
    for _, payload in list(held.values()):
        client.publish(topic, payload, qos=1)
client.disconnect()
