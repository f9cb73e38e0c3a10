"""A Mosquitto with the shipped configuration, its files made as `init --broker-host` makes them."""

import os
import signal
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from factoryledger.broker import LocalBroker, find_mosquitto, free_port
from factoryledger.broker_config import broker_config
from factoryledger.broker_files import BrokerFiles
from factoryledger.broker_identity import certified
from telemetry.link import Address, Credentials, Link

COUNTS = {"collector": 2, "anchor": 1, "watch": 2, "simulator": 1}


class Shipped(LocalBroker):
    """mosquitto.conf as shipped, but for its ports and where its files are.

    `server` is the folder that its files are in. `watched`: run by broker-config/run, which has
    it read them again when they change.
    """

    def __init__(self, directory: Path, server: Path, *, watched: bool = False) -> None:
        super().__init__(0, directory, embedded=False)
        self.server, self.watched = server, watched
        self.tls_port = free_port()

    @property
    def secure(self) -> Address:
        return Address("127.0.0.1", self.tls_port, tls=True)

    def reload(self) -> None:
        os.kill(self.pid, signal.SIGHUP)

    def _command(self):
        text = broker_config("mosquitto.conf").read_text()
        for old, new in (
            ("listener 1883\n", f"listener {self.port} 127.0.0.1\n"),
            ("listener 8883\n", f"listener {self.tls_port} 127.0.0.1\n"),
        ):
            assert text.count(old) == 1
            text = text.replace(old, new)
        text = text.replace("/mosquitto/secrets/", f"{self.server}/")
        # Started by root it would become a user that may not read the files.
        text += "user root\n" if os.geteuid() == 0 else ""
        config = self.directory / "shipped.conf"
        config.write_text(text)
        if not self.watched:
            return [str(self.mosquitto), "-c", str(config)]
        path = f"PATH={self.mosquitto.parent}:{os.environ['PATH']}"
        script = [str(broker_config("run")), str(config), str(self.server / "generation")]
        return ["/usr/bin/env", path, "sh", *script]


class Plant:
    """The broker, its files, and links of its clients over either listener."""

    def __init__(self, broker: Shipped, files: BrokerFiles) -> None:
        self.broker, self.files = broker, files

    def inside(self, user: str, **rest) -> Link:
        """Over the internal listener, with a password."""
        role = user.split(".", maxsplit=1)[0]
        password = (self.files.path / role / f"{user}.password").read_text().strip()
        rest.setdefault("client_id", f"{user}-says-so")
        return Link(self.broker.address, username=user, password=password, **rest)

    def tls(self, user: str):
        """What a client shows over TLS."""
        role = user.split(".", maxsplit=1)[0]
        role = role if role in COUNTS else "machine"
        return certified(self.files.path / role, user).tls

    def outside(self, user: str, **rest) -> Link:
        """Over TLS, with a certificate."""
        rest.setdefault("client_id", f"{user}-says-so")
        return Link(self.broker.secure, tls=self.tls(user), **rest)

    def who(self, user: str) -> Credentials:
        return Credentials(tls=self.tls(user))


@contextmanager
def shipped_plant(machines=("m1", "m2")):
    """Start one with these machines certified."""
    assert find_mosquitto() is not None, "needs mosquitto: apt-get install mosquitto"
    with TemporaryDirectory(prefix="factoryledger-shipped-") as folder:
        files = BrokerFiles(Path(folder) / "data" / "broker")
        files.prepare("example.org/test", ["127.0.0.1", "localhost"], COUNTS)
        files.machines(machines)
        with Shipped(Path(folder) / "run", files.server) as running:
            yield Plant(running, files)
