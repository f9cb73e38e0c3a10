"""Where a broker is: mqtt[s]://HOST[:PORT], and who one is there.

Pure. User and password never stand in an address: addresses are shown and logged.
"""

import ssl
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Address:
    """A broker's host and TCP port, with or without TLS; `str()` gives it back as a URL."""

    host: str
    port: int = 1883
    tls: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `mqtt://host[:port]` or `mqtts://host[:port]`; ValueError says what is wrong."""
        url = urlsplit(text)
        if url.scheme not in _PORTS:
            raise ValueError(f"broker address {text!r}: write mqtt://HOST[:PORT] or mqtts://…")
        if "@" in url.netloc:
            # The text is left out of the message: it may hold a password.
            raise ValueError(
                "broker address: user and password do not belong there; give them as settings"
            )
        if url.path not in {"", "/"} or url.query or url.fragment or not url.hostname:
            raise ValueError(f"broker address {text!r}: a host and a port, nothing else")
        try:
            port = _PORTS[url.scheme] if url.port is None else url.port
        except ValueError as error:
            raise ValueError(f"broker address {text!r}: {error}") from error
        if port == 0:
            raise ValueError(f"broker address {text!r}: port 0 is no port")
        return cls(url.hostname, port, url.scheme == "mqtts")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name and a password at the broker; both None is nobody in particular.

    `tls` is for `mqtts`: whom to trust, and the certificate to show; None is the system's
    trust and no certificate.
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False, compare=False)


NOBODY = Credentials()
