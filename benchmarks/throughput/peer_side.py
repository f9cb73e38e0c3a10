"""A program that others use for the same, as a process of its own; run by the peers' Python.

Arguments: `mqtt-logger`, `mqtt-recorder` or `paho-sqlalchemy`, port, prefix, messages, folder.
Says `ready` when it has subscribed, and one line of JSON when it has kept all, or nothing
more comes.
"""

import json
import logging
import os
import sys
import threading
import time
from pathlib import Path

QUIET = 5.0  # seconds without a message, after which no more comes


class Count:
    """What was kept, from the first to the last."""

    def __init__(self, wanted: int) -> None:
        self.wanted, self.kept = wanted, 0
        self.first = self.last = 0.0
        self.cpu = 0.0
        self.all = threading.Event()
        # What ends the listening, and what then puts on the disk what is kept until the end.
        self.stop = self.write = lambda: None

    def watch(self, handle):  # noqa: ANN001, ANN201 - several libraries' callbacks
        """Count each message once its callback has returned."""

        def counted(client, userdata, message) -> None:  # noqa: ANN001
            if not self.first:
                self.first, self.cpu = time.perf_counter(), time.process_time()
            handle(client, userdata, message)
            self.kept += 1
            self.last = time.perf_counter()
            if self.kept == self.wanted:
                self.all.set()

        return counted

    def wait(self) -> None:
        """Wait for all, or for quiet; print the figures."""
        while not self.all.wait(QUIET):
            if self.first and time.perf_counter() - self.last > QUIET:
                break
        spent, cpu = self.last - self.first, time.process_time() - self.cpu
        self.stop()
        begun, begun_cpu = time.perf_counter(), time.process_time()
        self.write()
        spent += time.perf_counter() - begun
        cpu += time.process_time() - begun_cpu
        figures = {"rate": self.kept / spent, "kept": self.kept}
        figures["cpu_us"] = cpu / max(1, self.kept) * 1e6
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


def main() -> None:
    """Run one of them."""
    side, port, prefix, wanted, folder = sys.argv[1:]
    count = Count(int(wanted))
    run = {
        "mqtt-logger": mqtt_logger,
        "mqtt-recorder": mqtt_recorder,
        "paho-sqlalchemy": paho_sqlalchemy,
    }[side]
    run(int(port), prefix, count, folder)
    time.sleep(1.0)  # none of them says when its subscription stands
    print("ready", flush=True)
    count.wait()


if __name__ == "__main__":
    main()
