"""A client without an outbox: numbered, unsigned messages at QoS 1, as any device may send them.

What the broker acknowledged to it rests on the broker and the collector alone: the collector
must not acknowledge before it has committed.
"""

import threading
from collections import deque

import paho.mqtt.client as mqtt

PAUSE = 0.03  # s between two messages
TOPIC = "foreign/stranger"
NOBODY = 0x10  # no subscriber has taken it


class Stranger:
    """Publishes until it is stopped; each acknowledgement until then is written down.

    paho calls back under locks of its own, which `publish` takes as well: no lock of ours.
    """

    def __init__(self, port, history):
        self._port, self._history = port, history
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._publish)
        self._numbers = {}
        self._acknowledged = deque()
        self._since = 0.0  # when the connection began

    def __enter__(self):
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id="stranger", protocol=mqtt.MQTTv5
        )
        self._client.on_connect = self._begin
        self._client.on_publish = self._take
        self._client.reconnect_delay_set(1, 1)
        self._client.connect_async("127.0.0.1", self._port)
        self._client.loop_start()
        self._thread.start()
        return self

    def stop(self):
        """Publish nothing more, and write down what was acknowledged by then."""
        self._done.set()
        self._thread.join()

    def __exit__(self, *_):
        self.stop()
        self._client.disconnect()
        self._client.loop_stop()

    def _publish(self):
        number = 0
        while not self._done.wait(PAUSE):
            if self._client.is_connected():
                sent = self._client.publish(TOPIC, b"%d" % number, qos=1)
                self._numbers[sent.mid] = number
                number += 1
            self._write_down()

    def _take(self, _client, _data, mid, code, _properties):
        if code.value < NOBODY:
            self._acknowledged.append((mid, self._since))

    def _begin(self, _client, _data, _flags, _code, _properties):
        self._since = self._history.elapsed()

    def _write_down(self):
        """In the thread that knows the numbers: an acknowledgement may come before its number."""
        while self._acknowledged:
            mid, since = self._acknowledged.popleft()
            number = self._numbers.pop(mid, None)
            if number is not None:
                self._history.put("published", number=number, since=since)
