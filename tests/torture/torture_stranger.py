"""A client without an outbox: numbered, unsigned messages at QoS 1, as any device may send them.

What the broker acknowledged to it rests on the broker and the collector alone: the collector
must not acknowledge before it has committed.
"""

import threading

import paho.mqtt.client as mqtt

PAUSE = 0.03  # s between two messages
TOPIC = "foreign/stranger"
NOBODY = 0x10  # no subscriber has taken it


class Stranger:
    """Publishes until it is stopped; each acknowledgement is written down."""

    def __init__(self, port, history):
        self._port, self._history = port, history
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._publish)
        self._numbers = {}
        self._lock = threading.Lock()

    def __enter__(self):
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id="stranger", protocol=mqtt.MQTTv5
        )
        self._client.on_publish = self._acknowledged
        self._client.reconnect_delay_set(1, 1)
        self._client.connect_async("127.0.0.1", self._port)
        self._client.loop_start()
        self._thread.start()
        return self

    def stop(self):
        """Publish nothing more; what is on its way may still be acknowledged."""
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
                with self._lock:
                    sent = self._client.publish(TOPIC, b"%d" % number, qos=1)
                    self._numbers[sent.mid] = number
                number += 1

    def _acknowledged(self, _client, _data, mid, code, _properties):
        with self._lock:
            number = self._numbers.pop(mid, None)
        if number is not None and code.value < NOBODY:
            self._history.put("published", number=number)
