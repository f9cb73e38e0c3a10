"""A program that others use for the same, as a process of its own; run by the peers' Python.

Arguments: a program's name, port, prefix, messages, folder. Says `ready` when it has subscribed,
and one line of JSON when it has kept all, or nothing more comes. With 0 messages it only opens
its session.
"""

import json
import logging
import os
import sqlite3
import sys
import threading
import time
from pathlib import Path

# Seconds without a message, after which no more comes; of a backlog all has to come.
QUIET, QUIET_BACKLOG = 5.0, 40.0
BATCH = 1000  # messages a transaction, where a program can be told
SESSIONS = ("batched", "mq-bridge")


class Count:
    """What was kept, from the first to the last."""

    def __init__(self, wanted: int, *, backlog: bool) -> None:
        # As the collector's watch: what takes a backlog is under way when it starts.
        self.warm = wanted // 5 if backlog else 0
        self.quiet = QUIET_BACKLOG if backlog else QUIET
        self.wanted, self.kept, self.before = wanted, 0, 0
        self.first = self.last = 0.0
        self.cpu = 0.0
        self.all = threading.Event()
        # What ends the listening, and what then puts on the disk what is kept until the end.
        self.stop = self.write = lambda: None

    def watch(self, handle):  # noqa: ANN001, ANN201 - several libraries' callbacks
        """Count each message once its callback has returned."""

        def counted(client, userdata, message) -> None:  # noqa: ANN001
            if not self.first and self.kept >= self.warm:
                self.first, self.cpu = time.perf_counter(), time.process_time()
                self.before = self.kept
            handle(client, userdata, message)
            self.kept += 1
            self.last = time.perf_counter()
            if self.kept == self.wanted:
                self.all.set()

        return counted

    def saw(self, kept: int) -> None:
        """So many are in its store."""
        self.kept, self.last = kept, time.perf_counter()
        if kept >= self.wanted:
            self.all.set()

    def wait(self) -> None:
        """Wait for all, or for quiet; print the figures."""
        while not self.all.wait(self.quiet):
            if self.first and time.perf_counter() - self.last > self.quiet:
                break
        spent, cpu = self.last - self.first, time.process_time() - self.cpu
        self.stop()
        begun, begun_cpu = time.perf_counter(), time.process_time()
        self.write()
        spent += time.perf_counter() - begun
        cpu += time.process_time() - begun_cpu
        timed = self.kept - self.before
        figures = {"rate": timed / spent, "kept": self.kept}
        figures["cpu_us"] = cpu / max(1, timed) * 1e6
        print(json.dumps(figures), flush=True)
        os._exit(0)


def mqtt_logger(port: int, prefix: str, count: Count, folder: str) -> None:
    """Run PyPI mqtt-logger: SQLite, a commit a message."""
    from mqtt_logger import Recorder  # noqa: PLC0415 - of the peers' environment

    recorder = Recorder(f"{folder}/log.db", [f"{prefix}/#"], "127.0.0.1", port)
    recorder._client.on_message = count.watch(recorder._on_message)  # noqa: SLF001
    recorder.start()


def mqtt_recorder(port: int, prefix: str, count: Count, folder: str) -> None:
    """Run PyPI mqtt-recorder: kept in memory, written as CSV when it stops, which counts."""
    from mqtt_recorder import recorder as peer  # noqa: PLC0415 - of the peers' environment

    # It logs every message; its lines go to a file, as a service's do.
    lines = logging.root.handlers[0]
    assert isinstance(lines, logging.StreamHandler)
    lines.setStream(Path(folder, "recorder.log").open("w"))  # noqa: SIM115 - to the end
    topics = f"{folder}/topics.json"
    Path(topics).write_text(json.dumps({"topics": [f"{prefix}/#"]}))
    tls = peer.SslContext(False, None, None, None, False)  # noqa: FBT003
    made = peer.MqttRecorder(
        "127.0.0.1",
        port,
        "recorder",
        f"{folder}/out.csv",
        None,
        None,
        tls,
        False,  # noqa: FBT003
    )
    client = made._MqttRecorder__client  # noqa: SLF001
    client.on_message = count.watch(client.on_message)
    # Its thread may take a second to end, which is no work: only the writing is timed.
    count.stop, count.write = client.loop_stop, made.stop_recording
    made.start_recording(topics, qos=1)


def paho_sqlalchemy(port: int, prefix: str, count: Count, folder: str) -> None:
    """Run what a user writes first: paho, a model, a session and a commit a message."""
    import paho.mqtt.client as paho  # noqa: PLC0415 - of our environment
    from paho.mqtt.enums import CallbackAPIVersion  # noqa: PLC0415
    from sqlalchemy import create_engine  # noqa: PLC0415
    from sqlalchemy.orm import (  # noqa: PLC0415
        DeclarativeBase,
        Mapped,
        Session,
        mapped_column,
    )

    class Base(DeclarativeBase):
        pass

    class Row(Base):
        __tablename__ = "messages"
        id: Mapped[int] = mapped_column(primary_key=True)
        topic: Mapped[str]
        payload: Mapped[bytes]

    engine = create_engine(f"sqlite:///{folder}/messages.db")
    Base.metadata.create_all(engine)

    def on_message(_client: object, _userdata: object, message: paho.MQTTMessage) -> None:
        with Session(engine) as session:
            session.add(Row(topic=message.topic, payload=message.payload))
            session.commit()

    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda made, *_: made.subscribe(f"{prefix}/#", qos=1)
    client.on_message = count.watch(on_message)
    client.connect("127.0.0.1", port)
    client.loop_start()


def database(folder: str) -> sqlite3.Connection:
    """Make a file with a write-ahead log, where a commit is on the disk, as ours has it."""
    made = sqlite3.connect(f"{folder}/messages.db", check_same_thread=False)
    made.execute("PRAGMA journal_mode=WAL")
    made.execute("PRAGMA synchronous=FULL")
    return made


def batched(port: int, prefix: str, count: Count, folder: str) -> None:
    """Run what a careful script does: a transaction for many, acknowledged after it."""
    import paho.mqtt.client as paho  # noqa: PLC0415 - of our environment
    from paho.mqtt.enums import CallbackAPIVersion  # noqa: PLC0415
    from paho.mqtt.packettypes import PacketTypes  # noqa: PLC0415
    from paho.mqtt.properties import Properties  # noqa: PLC0415

    store = database(folder)
    store.execute("CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, topic, payload)")
    held: list[paho.MQTTMessage] = []

    def on_message(client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        held.append(message)
        if len(held) < BATCH and count.kept + 1 < count.wanted:
            return
        with store:
            rows = [(one.topic, one.payload) for one in held]
            store.executemany("INSERT INTO messages (topic, payload) VALUES (?, ?)", rows)
        for one in held:
            client.ack(one.mid, one.qos)
        held.clear()

    client = paho.Client(CallbackAPIVersion.VERSION2, prefix, protocol=paho.MQTTv5, manual_ack=True)
    connect = Properties(PacketTypes.CONNECT)
    connect.SessionExpiryInterval = 600
    connect.ReceiveMaximum = 8000
    subscribed = threading.Event()
    client.on_connect = lambda made, *_: made.subscribe(f"{prefix}/#", qos=1)
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = count.watch(on_message)
    client.connect("127.0.0.1", port, clean_start=False, properties=connect)
    client.loop_start()
    subscribed.wait(10)
    if not count.wanted:
        client.disconnect()


def mq_bridge(port: int, prefix: str, count: Count, folder: str) -> None:
    """Run PyPI mq-bridge from MQTT to SQLite; its rows are counted as another reader sees them."""
    from mq_bridge import Route  # noqa: PLC0415 - of the rivals' environment

    store = database(folder)
    # Its own table would have an index more, for readers that share the work.
    store.execute("CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, payload BLOB)")
    listen = {"url": f"tcp://127.0.0.1:{port}", "topic": f"{prefix}/#", "qos": 1}
    listen |= {"client_id": prefix, "clean_session": False, "session_expiry_interval": 600}
    listen |= {"delayed_ack": True, "max_inflight": 8000, "queue_capacity": 200_000}
    rows = {"url": f"sqlite://{folder}/messages.db", "table": "messages", "auto_create_table": True}
    way = {"input": {"mqtt": listen}, "output": {"sqlx": rows}, "batch_size": BATCH}
    way["startup_timeout_ms"] = 60_000

    def look() -> None:
        query = "SELECT coalesce(max(rowid), 0) FROM messages"
        while not count.all.is_set():
            time.sleep(0.01)
            try:
                kept = store.execute(query).fetchone()[0]
            except sqlite3.OperationalError:  # the table is not there yet
                continue
            if kept > count.kept:
                count.saw(kept)

    # It reads ahead of what it stores, so the watch starts with it, not with a row.
    count.first, count.cpu = time.perf_counter(), time.process_time()
    Route.from_config(way).start()
    if count.wanted:
        threading.Thread(target=look, daemon=True).start()


def main() -> None:
    """Run one of them."""
    side, port, prefix, wanted, folder = sys.argv[1:]
    count = Count(int(wanted), backlog=side in SESSIONS)
    run = {
        "batched": batched,
        "mq-bridge": mq_bridge,
        "mqtt-logger": mqtt_logger,
        "mqtt-recorder": mqtt_recorder,
        "paho-sqlalchemy": paho_sqlalchemy,
    }[side]
    run(int(port), prefix, count, folder)
    # None of them says when its subscription stands; what has a backlog is at work at once.
    if side not in SESSIONS or not count.wanted:
        time.sleep(1.0)
    print("ready", flush=True)
    if not count.wanted:
        os._exit(0)
    count.wait()


if __name__ == "__main__":
    main()
