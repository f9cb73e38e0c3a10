"""Sees and writes down, while a run lasts, what machines record and what anybody is shown.

Outboxes are followed as files, by a reader of the format of our own; checkpoints and receipts
as any client gets them; witnesses' heads and the parts' memory by looking now and then.
"""

import hashlib
import json
import os
import sqlite3
import struct
import threading
import time
import zlib
from contextlib import closing, suppress

import paho.mqtt.client as mqtt
from resident import megabytes

from anchor.errors import AnchorError
from anchor.policy import Policy
from telemetry.errors import TelemetryError
from telemetry.receipt import Receipt, ReceiptLeaf

LOOK = 0.03  # s
SELDOM = 1.0  # s
FIXED = struct.Struct(">IIQ")
PLACE = struct.Struct(">QQ")
SUFFIX = 98


def frames(data):
    """The whole frames at the front of these bytes, and how many bytes they are."""
    found, at = [], 0
    while len(data) - at > FIXED.size:
        crc, length, _ = FIXED.unpack_from(data, at)
        stop = at + FIXED.size + length
        if length == 0 or stop > len(data) or zlib.crc32(data[at + 4 : stop]) != crc:
            break
        found.append(data[at + FIXED.size : stop])
        at = stop
    return found, at


class OutboxFollower:
    """Follows one outbox's file through its rewrites."""

    def __init__(self, path, history):
        self._device, self._path, self._history = path.stem, path, history
        self._file, self._inode, self._at = None, None, 0
        self._seen, self._freed = {}, {}

    def look(self):
        """Take what is new. An old file is read to its end before the new one is opened."""
        with suppress(FileNotFoundError):
            inode = self._path.stat().st_ino
            if inode != self._inode:
                self._take()
                self._open()
            self._take()

    def close(self):
        if self._file is not None:
            self._file.close()

    def _open(self):
        self.close()
        self._file = self._path.open("rb")
        self._inode, self._at = os.fstat(self._file.fileno()).st_ino, 0

    def _take(self):
        if self._file is None:
            return
        self._file.seek(self._at)
        found, size = frames(self._file.read())
        self._at += size
        for frame in found:
            if frame[:1] == b"M":
                self._message(frame[1:])
            elif frame[:1] in {b"R", b"E"}:
                self._gone(frame[1:], evicted=frame[:1] == b"E")

    def _message(self, rest):
        stop = 2 + rest[1]
        session, seq = rest[2:stop].decode("ascii"), int.from_bytes(rest[stop : stop + 8], "big")
        body = rest[stop + 8 : -SUFFIX]
        digest = hashlib.sha256(body).hexdigest()
        if self._seen.get((session, seq)) != digest:
            self._seen[session, seq] = digest
            prev = json.loads(body + b"}")["prev"]
            self._history.put(
                "recorded", device=self._device, session=session, seq=seq, body=digest,
                prev=hashed(prev),
            )  # fmt: skip

    def _gone(self, rest, *, evicted):
        stop = 1 + rest[0]
        session, ranges = rest[1:stop].decode("ascii"), [*PLACE.iter_unpack(rest[stop:])]
        self._history.put(
            "freed", device=self._device, session=session, ranges=ranges, evicted=evicted
        )


def hashed(text):
    """A hash in base64 as hexadecimal digits; None for null."""
    from base64 import b64decode

    return None if text is None else b64decode(text).hex()


class Watch:
    """All that is looked at, in a thread; the broker's messages come in paho's own."""

    def __init__(self, works, history):
        self._works, self._history = works, history
        self._followers = {}
        self._notes = set()
        self._heads = {}
        self._unread = None
        self._policy = Policy.from_bytes((works.data / "policy").read_bytes())
        self._most = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._failed = None

    def __enter__(self):
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id="torture", protocol=mqtt.MQTTv5
        )
        self._client.on_connect = self._connected
        self._client.on_message = self._heard
        self._client.reconnect_delay_set(1, 1)
        self._client.connect_async("127.0.0.1", self._works.broker.port)
        self._client.loop_start()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()
        for follower in self._followers.values():
            follower.close()
        for part, size in self._most.items():
            self._history.put("memory", part=part, megabytes=round(size, 1))
        if self._failed is not None:
            raise self._failed

    def look(self):
        """Look at everything that is recorded and published."""
        for folder in self._works.outboxes():
            for path in folder.glob("*.outbox"):
                if path not in self._followers:
                    self._followers[path] = OutboxFollower(path, self._history)
        for follower in self._followers.values():
            follower.look()
        with suppress(FileNotFoundError):
            self._note("log", (self._works.data / "log" / "checkpoint").read_bytes())

    def _look(self):
        due = 0.0
        try:
            while not self._done.wait(LOOK):
                self.look()
                if time.monotonic() > due:
                    due = time.monotonic() + SELDOM
                    self._measure()
                    self._ask_witnesses()
            self.look()
        except Exception as error:  # noqa: BLE001 - it is raised where the run is
            self._failed = error

    def _measure(self):
        for name, part in self._works.parts.items():
            with suppress(OSError, IndexError, TelemetryError):
                if part.running and name not in {"database", "broker"}:
                    self._most[name] = max(self._most.get(name, 0.0), megabytes(part.pid))

    def _ask_witnesses(self):
        for n in range(1, self._works.plan.witnesses + 1):
            path = self._works.witness_state(f"witness-{n}")
            with self._works.states, suppress(sqlite3.Error):
                if f"witness-{n}" in self._works.struck:
                    continue
                uri = f"file:{path}?mode=ro"
                with closing(sqlite3.connect(uri, uri=True, timeout=1)) as state:
                    for origin, size, root in state.execute("select origin, size, root from seen"):
                        if self._heads.get((n, origin)) != (size, root):
                            self._heads[n, origin] = size, root
                            self._history.put(
                                "checkpoint", where=f"witness-{n}", origin=origin, size=size,
                                root=root.hex(), published=False,
                            )  # fmt: skip

    def _connected(self, client, *_):
        client.subscribe([("ledger/checkpoint", 1), ("+/+/+/+/+/receipt", 1)])

    def _heard(self, _client, _data, message):
        if message.topic == "ledger/checkpoint":
            self._note("topic", message.payload)
            return
        try:
            leaf = ReceiptLeaf.from_bytes(Receipt.from_bytes(message.payload).leaf)
        except TelemetryError as error:
            self._history.put("unreadable", what="receipt", detail=str(error))
            return
        self._history.put(
            "receipt", collector=leaf.collector, device=leaf.device, session=leaf.session,
            ranges=leaf.ranges, bodies=leaf.bodies,
        )  # fmt: skip

    def _note(self, where, note):
        """A checkpoint that somebody may have seen, once for each place."""
        key = where, hashlib.sha256(note).digest()
        if key in self._notes:
            return
        self._notes.add(key)
        try:
            checkpoint = self._policy.open(note).checkpoint
        except AnchorError as error:
            self._history.put("unreadable", what="checkpoint", where=where, detail=str(error))
            return
        self._history.put(
            "checkpoint", where=where, origin=checkpoint.origin, size=checkpoint.size,
            root=checkpoint.root, published=True,
        )  # fmt: skip
