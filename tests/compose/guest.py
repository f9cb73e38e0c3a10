"""What an enrolled device gets from the stack's broker; run in a container, by paho.

Prints JSON: reason codes of what it published, topics that it was sent, and whether it gets in
without a certificate, or by the internal listener without a name.
"""

import json
import sys
import time

import paho.mqtt.client as mqtt

name, other, place, folder = sys.argv[1:]
found = {"published": {}, "heard": []}


def client(certified=True):
    made = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="any", protocol=mqtt.MQTTv5)
    files = {"certfile": f"{folder}/{name}.crt", "keyfile": f"{folder}/{name}.key"}
    made.tls_set(f"{folder}/ca.crt", **(files if certified else {}))
    return made


def gets_in(made, port):
    said = []
    made.on_connect = lambda _c, _u, _f, reason, _p: said.append(not reason.is_failure)
    try:
        made.connect("mosquitto", port)
        made.loop_start()
        end = time.monotonic() + 3
        while not said and time.monotonic() < end:
            time.sleep(0.05)
        made.loop_stop()
    except OSError:
        return False
    return said[:1] == [True]


own = client()
acknowledged = {}
own.on_publish = lambda _c, _u, mid, reason, _p: acknowledged.update({mid: reason.value})
own.on_message = lambda _c, _u, message: found["heard"].append(message.topic)
own.connect("mosquitto", 8883)
own.loop_start()
while not own.is_connected():
    time.sleep(0.05)
own.subscribe([("#", 1), (f"+/+/+/+/{other}/receipt", 1), ("+/+/+/+/+/telemetry", 1)])
sent = {}
for whose in (name, other):
    info = own.publish(f"{place}/{whose}/telemetry", b"not signed", qos=1)
    sent[whose] = info.mid
sent["receipt"] = own.publish(f"{place}/{name}/receipt", b"forged", qos=1).mid
sent["checkpoint"] = own.publish("ledger/checkpoint", b"forged", qos=1).mid
time.sleep(5)
own.loop_stop()
found["published"] = {what: acknowledged.get(mid) for what, mid in sent.items()}
found["heard"] = sorted(set(found["heard"]))
found["without certificate"] = gets_in(client(certified=False), 8883)
plain = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
found["without name"] = gets_in(plain, 1883)
print(json.dumps(found))  # noqa: T201
