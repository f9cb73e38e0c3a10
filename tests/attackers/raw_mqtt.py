"""An MQTT client that keeps to no rule: bytes on a socket, and what came back."""

import socket
from contextlib import suppress


def text(value):
    data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    return len(data).to_bytes(2, "big") + data


def packet(kind, body, length=None):
    """A packet; `length`: what its header says instead of the truth."""
    left, size = len(body) if length is None else length, b""
    while True:
        left, digit = divmod(left, 128)
        size += bytes([digit | (0x80 if left else 0)])
        if not left:
            return bytes([kind]) + size + body


def connect(client_id, *, level=5, will=None, keep_alive=60, properties=b""):
    """CONNECT, clean; `will` is (topic, payload, retained)."""
    flags = 2 | (0 if will is None else 0x04 | 0x08 | (0x20 if will[2] else 0))
    v5 = level == 5
    body = text("MQTT") + bytes([level, flags]) + keep_alive.to_bytes(2, "big")
    body += (bytes([len(properties)]) + properties if v5 else b"") + text(client_id)
    if will is not None:
        body += (b"\0" if v5 else b"") + text(will[0]) + text(will[1])
    return packet(0x10, body)


def publish(topic, payload=b"x", *, qos=1, retain=False, properties=b"", number=1, level=5):
    body = text(topic) + (number.to_bytes(2, "big") if qos else b"")
    body += (bytes([len(properties)]) + properties) if level == 5 else b""
    return packet(0x30 | qos << 1 | retain, body + payload)


def subscribe(pattern, *, options=1, properties=b"", number=1):
    body = number.to_bytes(2, "big") + bytes([len(properties)]) + properties
    return packet(0x82, body + text(pattern) + bytes([options]))


class Raw:
    """One connection, opened at once; whoever hangs up is no matter."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *packets):
        with suppress(OSError):
            self.socket.sendall(b"".join(packets))
        return self

    def heard(self, seconds=0.2):
        """What comes until nothing comes for so long, or it is over."""
        self.socket.settimeout(seconds)
        data = b""
        with suppress(OSError):
            while part := self.socket.recv(1 << 16):
                data += part
        return data
