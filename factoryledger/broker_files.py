"""What a broker of the shipped configuration needs, and what its clients show it.

A folder for each reader, to be mounted where it is needed and nowhere else: `server` is the
broker's, `authority` the operator's, the rest hold clients' keys by role. Rule: a file is whole
or not there, and `server/generation` is written last: a broker that reads all again when it
changes (broker-config/run) reads what belongs together. Edge: the disk and the wall clock.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from factoryledger.broker_acl import acl_file
from factoryledger.broker_book import MACHINE, SERVICES, Book, helper_names, service_names
from factoryledger.broker_config import broker_config
from factoryledger.broker_passwords import hashed, new_password
from factoryledger.certificates import Authority, Pair, due, good_for, new_authority, serial
from factoryledger.errors import WrongUsage
from factoryledger.files import locked, write_all, write_whole

_PRIVATE: Final = 0o600
_BRIEF: Final = timedelta(minutes=5)


class BrokerFiles:
    """The folder `broker` of a data folder. Making one touches nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.server = path / "server"
        self._home = path / "authority"

    @property
    def ready(self) -> bool:
        """Whether `init` has made an authority here."""
        return (self._home / "ca.crt").exists()

    def prepare(
        self, origin: str, hosts: Sequence[str], counts: Mapping[str, int] = SERVICES
    ) -> None:
        """Make what is not there yet for a broker of these names; renew what is due."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self.path / ".lock"):
            if not self.ready:
                self._keep(self._folder("authority") / "ca", new_authority(origin, _now()))
        with self._open() as (authority, book):
            book.counts = dict(counts)
            self._certify_server(authority, hosts)
            for role, count in counts.items():
                names = [*service_names(role, count), *helper_names(role, count)]
                self._certify(authority, book, role, names)
                secret = {
                    f"{name}.password": f"{new_password()}\n".encode()
                    for name in names
                    if not (self.path / role / f"{name}.password").exists()
                }
                write_all(self.path / role, secret, _PRIVATE)
            self._certify(authority, book, MACHINE, self._keyed())

    def machines(
        self,
        names: Iterable[str],
        edges: Mapping[str, Sequence[str]] = {},
        *,
        readmit: bool = False,
    ) -> None:
        """Make a certificate for each machine without a good one; `edges` by their devices.

        Who is shut out gets none, unless the operator's word is to `readmit`.
        """
        with self._open() as (authority, book):
            wanted = [name for name in names if readmit or name not in book.shut_out]
            self._certify(authority, book, MACHINE, wanted)
            book.edges.update({name: list(devices) for name, devices in edges.items()})

    def grant(self, name: str, request: bytes) -> Path:
        """Certify the key of a machine's request; BadRequest if it does not hold."""
        with self._open() as (authority, book):
            granted = authority.grant(request, name, _now())
            self._certify(authority, book, MACHINE, [])
            file = self.path / MACHINE / f"{name}.crt"
            write_whole(file, granted)
            book.note(name, serial(granted))
        return file

    def gateway(self, name: str, places: Sequence[str]) -> None:
        """Let the client of this name speak for the machines of these places, and no others."""
        with self._open() as (authority, book):
            book.gateways[name] = list(places)
            self._certify(authority, book, MACHINE, [name])

    def host(self, name: str, host: str) -> None:
        """Let the client of this name be the Sparkplug host application of this id."""
        with self._open() as (authority, book):
            book.hosts[name] = host
            self._certify(authority, book, MACHINE, [name])

    def keyless(self) -> list[str]:
        """The clients certified here that sign nothing: gateways and host applications."""
        if not self.ready:
            return []
        with self._open() as (_, book):
            return sorted({**book.gateways, **book.hosts})

    def rotate(self, name: str) -> None:
        """Let a machine's certificates so far count no more, and make another."""
        with self._open() as (authority, book):
            book.drop(name)
            (self.path / MACHINE / f"{name}.crt").unlink(missing_ok=True)
            self._certify(authority, book, MACHINE, [name])

    def shut_out(self, name: str) -> None:
        """Let no certificate of a client count any more, and deny it every topic."""
        with self._open() as (_, book):
            book.bar(name)
            (self.path / MACHINE / f"{name}.crt").unlink(missing_ok=True)

    def usurper(self, name: str) -> Pair:
        """A certificate of a client's name for minutes: who connects with it takes its place."""
        return self._authority().client(name, _now(), _BRIEF)

    def check_ready(self) -> None:
        """Raise WrongUsage, naming what makes one, where there is no authority."""
        if not self.ready:
            raise WrongUsage(
                f"{self.path}: no authority for a broker's certificates; make one by "
                "`factoryledger init --broker-host NAME`"
            )

    def _authority(self) -> Authority:
        self.check_ready()
        home = self._home
        pair = Pair((home / "ca.key").read_bytes(), (home / "ca.crt").read_bytes())
        return Authority.from_pem(pair)

    @contextmanager
    def _open(self) -> Iterator[tuple[Authority, Book]]:
        """Give the authority and its book; what changes in it reaches the broker's files."""
        authority = self._authority()
        with locked(self.path / ".lock"):
            file = self._home / "book.json"
            book = _read(file) if file.exists() else Book()
            before, rules = book.to_json(), book.rules()
            yield authority, book
            if book.rules() != rules or not (self.server / "generation").exists():
                self._publish(authority, book)
            # Last: after a crash before it the same is done again, and nothing is forgotten.
            if book.to_json() != before:
                write_whole(file, book.to_json().encode(), mode=_PRIVATE)

    def _keyed(self) -> list[str]:
        """Machines and gateways that have a certificate whose key is here, to be renewed."""
        keys = (self.path / MACHINE).glob("*.key")
        return sorted(key.stem for key in keys if key.with_suffix(".crt").exists())

    def _certify_server(self, authority: Authority, hosts: Sequence[str]) -> None:
        there = self._folder("server") / "server.crt"
        if _good(there) and good_for(there.read_bytes(), hosts):
            return
        self._keep(self.server / "server", authority.server(hosts, _now()))
        (self.server / "generation").unlink(missing_ok=True)

    def _certify(self, authority: Authority, book: Book, role: str, names: Iterable[str]) -> None:
        folder = self._folder(role)
        if not (folder / "ca.crt").exists():
            write_whole(folder / "ca.crt", authority.certificate)
        wanted = [name for name in names if not _good(folder / f"{name}.crt")]
        pairs = {name: authority.client(name, _now()) for name in wanted}
        # Keys before certificates, whose presence says that both are there.
        write_all(folder, {f"{name}.key": pair.key for name, pair in pairs.items()}, _PRIVATE)
        write_all(folder, {f"{name}.crt": pair.certificate for name, pair in pairs.items()})
        for name, pair in pairs.items():
            book.note(name, serial(pair.certificate))

    def _publish(self, authority: Authority, book: Book) -> None:
        """Write what the broker reads."""
        passwords = "".join(
            f"{name}:{hashed((self.path / role / f'{name}.password').read_text('ascii').strip())}\n"
            for role, count in book.counts.items()
            for name in [*service_names(role, count), *helper_names(role, count)]
            if name not in book.shut_out
        )
        shipped = broker_config("acl").read_text("utf-8")
        for name, said, mode in (
            ("ca.crt", authority.certificate, 0o644),
            ("crl.pem", authority.revoked(book.revoked, _now()), 0o644),
            ("acl", acl_file(shipped, book).encode(), _PRIVATE),
            ("passwords", passwords.encode(), _PRIVATE),
            ("generation", f"{secrets.token_hex(8)}\n".encode(), 0o644),
        ):
            write_whole(self.server / name, said, mode=mode)

    def _folder(self, name: str) -> Path:
        folder = self.path / name
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def _keep(self, stem: Path, pair: Pair) -> None:
        """Write a key, then its certificate, whose presence says that both are there."""
        write_whole(stem.with_name(f"{stem.name}.key"), pair.key, mode=_PRIVATE)
        write_whole(stem.with_name(f"{stem.name}.crt"), pair.certificate)


def _read(file: Path) -> Book:
    try:
        return Book.from_json(file.read_text("utf-8"))
    except ValueError as error:
        raise WrongUsage(f"{file}: {error}; put back a copy of it, it is written whole") from error


def _good(certificate: Path) -> bool:
    return certificate.exists() and not due(certificate.read_bytes(), _now())


def _now() -> datetime:
    return datetime.now(UTC)
