"""TLS by files that may be renewed: each connection shows and trusts what they hold by then.

A certificate that nears its end is warned of once a day, ours and the broker's that we met.
Edge: the disk and the wall clock.
"""

import asyncio
import ssl
import sys
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self
from weakref import WeakSet

import structlog

from factoryledger.errors import NotThere, WrongUsage

SOON: Final = 30 * 86_400.0
"""Seconds before its end from which a certificate is warned of; of a short one, a third."""
_FIRST_LOOK: Final = 1.0
_LOOK_EVERY: Final = 60.0
_AGAIN: Final = 86_400.0
_NAMED: Final = 3

_log = structlog.get_logger(__name__)

Stamp = tuple[tuple[int, int] | None, ...]


class RenewedContext(ssl.SSLContext):
    """A client's side of TLS: this authority (None: the system's), this certificate (None: none).

    A file that is gone or does not hold leaves what was read before: the broker says no to it.
    """

    def __new__(cls, *_: Path | None) -> Self:
        """Make a client's side, whatever it reads then."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, authority: Path | None, certificate: Path | None, key: Path | None) -> None:
        """Read the files; OSError, ssl.SSLError and ValueError for what TLS cannot use."""
        self.minimum_version = ssl.TLSVersion.TLSv1_2
        if sys.version_info >= (3, 13):  # as ssl.create_default_context does it
            self.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
        self._files = authority, certificate, key
        # Begin and end of the certificates met, s since the epoch, by whose they are.
        self.ends: dict[str, tuple[float, float]] = {}
        self.sslobject_class = _Watched
        if authority is None:
            self.load_default_certs()
        self._stamp = self._found()
        self._read()
        _ALIVE.add(self)

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        """Begin a connection, with what the files hold now."""
        found = self._found()
        if found != self._stamp:
            with suppress(OSError, ssl.SSLError, ValueError):
                self._read()
                self._stamp = found
        return super().wrap_bio(*arguments, **named)

    def seen(self, peer: Mapping[str, Any]) -> None:
        """Take note of a broker's certificate, as `getpeercert` gives it."""
        begin, end = peer.get("notBefore"), peer.get("notAfter")
        if isinstance(begin, str) and isinstance(end, str):
            life = ssl.cert_time_to_seconds(begin), ssl.cert_time_to_seconds(end)
            self.ends["the broker"] = life

    def _read(self) -> None:
        authority, certificate, key = self._files
        if authority is not None:
            self.load_verify_locations(str(authority))
        if certificate is not None and key is not None and certificate.exists():
            self.load_cert_chain(certificate, key, password=_no_passphrase)
            self.ends[certificate.name] = _life(certificate)

    def _found(self) -> Stamp:
        return tuple(map(_stamp, self._files))


class _Watched(ssl.SSLObject):
    """A connection that tells its context whose certificate it met."""

    def do_handshake(self) -> None:
        super().do_handshake()
        if isinstance(self.context, RenewedContext):
            self.context.seen(self.getpeercert() or {})


_ALIVE: Final[WeakSet[RenewedContext]] = WeakSet()
_WARNED: Final[dict[str, tuple[float, float]]] = {}


def tls_context(
    authority: Path | None, certificate: Path | None, key: Path | None, *, missing: bool = False
) -> RenewedContext:
    """Trust this authority (None: the system's), and show this certificate (None: none).

    With `missing` a certificate may come later: until then the broker shuts its client out.
    """
    if (certificate is None) != (key is None):
        raise WrongUsage(
            "broker_certificate_file and broker_key_file belong together: name both or neither"
        )
    for path in filter(None, (authority, None if missing else certificate, key)):
        if not path.is_file():
            raise NotThere(f"{path}: no such file; the broker wants it for TLS")
    try:
        return RenewedContext(authority, certificate, key)
    except (ssl.SSLError, ValueError) as error:
        named = " or ".join(str(path) for path in (authority, certificate, key) if path)
        raise WrongUsage(f"{named}: not what TLS can use ({error})") from error


@asynccontextmanager
async def watching_ends() -> AsyncIterator[None]:
    """Look now and then whether a certificate nears its end, while it lasts."""

    async def look() -> None:
        await asyncio.sleep(_FIRST_LOOK)
        while True:
            warn_of_ends(time.time())
            await asyncio.sleep(_LOOK_EVERY)

    task = asyncio.create_task(look())
    try:
        yield
    finally:
        task.cancel()


def warn_of_ends(now: float, contexts: Iterable[RenewedContext] = _ALIVE) -> None:
    """Say once a day what ends soon or has ended, all at once; `now` in s since the epoch."""
    due: dict[str, float] = {}
    for context in contexts:
        for name, (begin, end) in context.ends.items():
            if end - now < min(SOON, (end - begin) / 3):
                known = _WARNED.get(name)
                if known is None or known[0] != end or now - known[1] >= _AGAIN:
                    _WARNED[name] = end, now
                    due[name] = end
    if not due:
        return
    names = sorted(due, key=due.__getitem__)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    _log.warning(
        "a certificate for the broker ends soon",
        of=", ".join(names[:_NAMED]) + more,
        days=round((due[names[0]] - now) / 86_400, 2),
        renew="`factoryledger init --broker-host NAME`; a real device's: `device enrol --csr`",
    )


def _life(certificate: Path) -> tuple[float, float]:
    from cryptography import x509  # noqa: PLC0415 - only over TLS

    read = x509.load_pem_x509_certificate(certificate.read_bytes())
    return read.not_valid_before_utc.timestamp(), read.not_valid_after_utc.timestamp()


def _stamp(path: Path | None) -> tuple[int, int] | None:
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _no_passphrase() -> str:
    raise ValueError("the key is sealed; give one without a passphrase, readable by its user alone")
