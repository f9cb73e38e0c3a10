"""Who a part is at the broker: a client of a role, its certificate, key and password.

Mosquitto takes the user's name for the client id, so two processes under one name would shut
each other out. A part takes the first client of its role that nobody holds, by a lock on its
password's file, which is never written again; the kernel lets go of it with the process. Edge:
the disk.
"""

import fcntl
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from factoryledger.errors import NotThere
from factoryledger.shown_certificates import tls_context
from telemetry.address import Credentials

_NUMBERED: Final = re.compile(r"[a-z]+\.[1-9][0-9]*\.password")


@dataclass(frozen=True, slots=True)
class BrokerIdentity:
    """A client that this process holds; `descriptor` keeps the lock."""

    folder: Path
    name: str
    descriptor: int

    def credentials(self, *, tls: bool, helper: str = "") -> Credentials:
        """Give what to show the broker, over TLS the certificate, else name and password.

        With `helper` those of a further client of this one's.
        """
        name = f"{self.name}.{helper}" if helper else self.name
        return certified(self.folder, name) if tls else _with_password(self.folder, name)


def take_identity(folder: Path, role: str) -> BrokerIdentity:
    """Take the first client of a role that is free; NotThere where none is."""
    home = folder / role
    names = sorted(
        (path.name for path in home.glob(f"{role}.*.password") if _NUMBERED.fullmatch(path.name)),
        key=lambda name: int(name.split(".")[1]),
    )
    if not names:
        raise NotThere(
            f"{home}: no credentials of a {role}; make them by `factoryledger init "
            "--broker-host NAME`"
        )
    for name in names:
        descriptor = os.open(home / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        return BrokerIdentity(home, name.removesuffix(".password"), descriptor)
    raise NotThere(f"{home}: all {len(names)} clients are in use; end one of them")


def certified(folder: Path, name: str) -> Credentials:
    """Give the credentials of a client by its certificate; NotThere where it never had one.

    Where it was taken from it, its key is there alone: then the broker shuts it out until it has
    another.
    """
    key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
    return Credentials(tls=tls_context(folder / "ca.crt", certificate, key, missing=key.exists()))


def _with_password(folder: Path, name: str) -> Credentials:
    return Credentials(name, (folder / f"{name}.password").read_text("ascii").strip())
