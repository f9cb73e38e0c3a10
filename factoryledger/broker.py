"""A broker of one's own on 127.0.0.1: for the demo and for tests.

Mosquitto where there is one, else the embedded broker of the iotcore package. It runs as a
child process; whoever started it stops it, and may start it again on the same port.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import mqtt5

from factoryledger.broker_config import broker_config
from telemetry.errors import BrokerUnavailable
from telemetry.link import Address

_SBIN = (Path("/usr/sbin"), Path("/usr/local/sbin"), Path("/opt/homebrew/sbin"))
_HOST = "127.0.0.1"
_POLL = 0.02
_NO_MOSQUITTO = (
    "no mosquitto on PATH or in /usr/sbin; install it (Debian: apt-get install mosquitto, "
    "macOS: brew install mosquitto)"
)


def find_mosquitto() -> Path | None:
    """Find the mosquitto program on PATH or where Debian and others keep servers."""
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, _SBIN)])
    found = shutil.which("mosquitto", path=places)
    return Path(found) if found else None


def free_port(wanted: int = 0) -> int:
    """Give a TCP port of 127.0.0.1 that nothing listened on a moment ago; `wanted` if it is one."""
    with socket.socket() as probe:
        # As a server binds: what an earlier one left behind does not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, wanted))
        except OSError:
            probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


class LocalBroker:
    """One broker process on 127.0.0.1, with its configuration and its log in `directory`.

    `port` 0 takes a free one at the first start and keeps it from then on. `embedded` None
    means Mosquitto where it is found, else the embedded broker; True or False decides.
    Blocking; in an event loop call `start` and `stop` through a thread. The process has a
    session of its own, so that Ctrl-C in a terminal reaches only who started it.
    """

    def __init__(self, port: int, directory: Path, *, embedded: bool | None = None) -> None:
        self.port = port
        self.directory = directory
        self.mosquitto = None if embedded else find_mosquitto()
        if embedded is False and self.mosquitto is None:
            raise BrokerUnavailable(_NO_MOSQUITTO)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """What runs: the mosquitto program's path, or `iotcore (embedded)`."""
        return str(self.mosquitto) if self.mosquitto else "iotcore (embedded)"

    @property
    def address(self) -> Address:
        """Where clients connect; known once started."""
        return Address(_HOST, self.port)

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process's id; BrokerUnavailable when it does not run."""
        if self._process is None or self._process.poll() is not None:
            raise BrokerUnavailable(f"the broker of {self.directory} is not running; start it")
        return self._process.pid

    @property
    def log(self) -> Path:
        """What the broker said, over all starts."""
        return self.directory / "broker.log"

    def start(self, timeout: float = 10.0) -> Self:
        """Start and wait until it answers MQTT; BrokerUnavailable says why it did not."""
        if self.running:
            return self
        self.directory.mkdir(parents=True, exist_ok=True)
        wanted = self.port
        for last in (False, False, False, True):
            # Between choosing a free port and listening on it, another process may take it.
            self.port = wanted or free_port()
            try:
                self._start_once(timeout)
            except BrokerUnavailable:
                if wanted or last:
                    self.port = wanted
                    raise
            else:
                break
        return self

    def stop(self, timeout: float = 5.0) -> None:
        """End it cleanly, by force after `timeout`; nothing happens if it does not run."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._reap()

    def kill(self) -> None:
        """End it by SIGKILL, as a power cut would."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
        self._reap()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _reap(self) -> None:
        if self._process is not None:
            self._process.wait()
            self._process = None

    def _start_once(self, timeout: float) -> None:
        _check_free(self.port)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,
            )
        deadline = time.monotonic() + timeout
        while not _answers(self.port):
            if not self.running or time.monotonic() > deadline:
                self.kill()
                raise BrokerUnavailable(
                    f"{self.name} did not come up on {self.address}; see {self.log}"
                )
            time.sleep(_POLL)

    def _command(self) -> list[str]:
        if self.mosquitto is not None:
            path = self.directory / "mosquitto.conf"
            limits = broker_config("loopback.conf").read_text("utf-8")
            path.write_text(f"{limits}\nlistener {self.port} {_HOST}\nallow_anonymous true\n")
            return [str(self.mosquitto), "-c", str(path)]
        path = self.directory / "rumqttd.toml"
        template = broker_config("rumqttd.toml").read_text("utf-8")
        path.write_text(template.replace(f'"{_HOST}:1883"', f'"{_HOST}:{self.port}"'))
        # It logs every packet as an error; -P keeps a folder named iotcore from being run.
        options = ["--config", str(path), "--log-level", "critical"]
        return [sys.executable, "-P", "-m", "iotcore", *options]


def _check_free(port: int) -> None:
    """Raise BrokerUnavailable if the port is taken: else a stranger's broker would answer."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise BrokerUnavailable(
                f"port {port} of {_HOST} is in use ({error.strerror}); choose another port"
            ) from error


def _answers(port: int) -> bool:
    """Whether an MQTT 5 broker answers there: with a CONNACK, not just a socket."""
    # rumqttd takes nobody without keep-alive.
    connect = mqtt5.ConnectPacket("factoryledger-probe", clean_start=True, keep_alive=10).write()
    try:
        with socket.create_connection((_HOST, port), timeout=1.0) as link:
            link.sendall(connect)
            answer, _ = mqtt5.read(memoryview(link.recv(1024)))
            link.sendall(mqtt5.DisconnectPacket().write())
    except (OSError, IndexError, ValueError):
        return False
    return isinstance(answer, mqtt5.ConnAckPacket)  # a refusal is an answer, too
