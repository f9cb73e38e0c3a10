"""Who a part is at the broker: a client of a role, its certificate, key and password.

Mosquitto takes the user's name for the client id, so two processes under one name would shut
each other out. A part takes the first client of its role that nobody holds, by a lock on its
password's file, which is never written again; the kernel lets go of it with the process. Edge:
the disk.
"""

import fcntl
import os
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from factoryledger.errors import NotThere, WrongUsage
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
    """Give the credentials of a client by its certificate; NotThere where it is not there."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
    return Credentials(tls=tls_context(folder / "ca.crt", certificate, key))


def tls_context(
    authority: Path | None, certificate: Path | None, key: Path | None
) -> ssl.SSLContext:
    """Trust this authority (None: the system's), and show this certificate (None: none)."""
    if (certificate is None) != (key is None):
        raise WrongUsage(
            "broker_certificate_file and broker_key_file belong together: name both or neither"
        )
    for path in filter(None, (authority, certificate, key)):
        if not path.is_file():
            raise NotThere(f"{path}: no such file; the broker wants it for TLS")
    try:
        context = ssl.create_default_context(cafile=None if authority is None else str(authority))
        if certificate is not None and key is not None:
            context.load_cert_chain(certificate, key, password=_no_passphrase)
    except (ssl.SSLError, ValueError) as error:
        named = " or ".join(str(path) for path in (authority, certificate, key) if path)
        raise WrongUsage(f"{named}: not what TLS can use ({error})") from error
    return context


def _no_passphrase() -> str:
    raise ValueError("the key is sealed; give one without a passphrase, readable by its user alone")


def _with_password(folder: Path, name: str) -> Credentials:
    return Credentials(name, (folder / f"{name}.password").read_text("ascii").strip())
