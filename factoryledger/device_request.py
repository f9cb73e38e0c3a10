"""What a real device sends to be enrolled: its own key entry, and a certificate request.

Pure. A file holds the entry's text with the device's proof of possession (docs/formats.md, Key
entry, without the operator's signature), then a PKCS#10 request in PEM. Each is there to show
that the device holds a key that never leaves it; either may be missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from anchor.key_entry import OperatorAuthority, countersign
from anchor.note import SignerKey
from factoryledger.errors import WrongUsage
from telemetry.canonical import time_text
from telemetry.keyring import KeyStatement

_PEM: Final = b"-----BEGIN "
_LATE: Final = 86_400 * 1_000_000  # µs
_EARLY: Final = 300 * 1_000_000  # for a device's clock that is a little ahead


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """The two parts, each empty where it is missing."""

    entry: str
    certificate: bytes

    @classmethod
    def from_bytes(cls, content: bytes) -> "DeviceRequest":
        """Take the parts of a file; WrongUsage where there is neither."""
        entry, mark, rest = content.partition(_PEM)
        try:
            text = entry.decode("ascii")
        except UnicodeDecodeError as error:
            raise WrongUsage("not a device's request: neither text nor PEM") from error
        if not text and not mark:
            raise WrongUsage("not a device's request: it is empty")
        return cls(text, mark + rest)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A device's statement under the operator's signature."""

    entry: bytes
    statement: KeyStatement
    key: bytes


def sign_request(operator: SignerKey, device: str, text: str, now: int) -> SignedRequest:
    """Sign what a device says of its key; WrongUsage unless it does, of today (`now`, µs)."""
    try:
        entry = countersign(operator, text)
        said = OperatorAuthority(operator.verifier).read(entry)
    except ValueError as error:
        raise WrongUsage(f"the request's key entry: {error}") from error
    if (said.kind, said.name) != ("device", device) or said.key is None:
        raise WrongUsage(f"the request's key entry enrols no key of {device}")
    if not -_EARLY <= now - said.time <= _LATE:
        raise WrongUsage(
            f"the request's key entry is of {time_text(said.time)}, not of the last day; let the "
            "device write another, with its clock set"
        )
    return SignedRequest(entry, said, said.key)


def check_place(device: str, prior: bytes | None, current: Sequence[bytes]) -> None:
    """Refuse a key beside another: `current` are the entries of the device's keys in use."""
    if list(current) == ([] if prior is None else [prior]):
        return
    if current:
        entries = ", ".join(entry.hex() for entry in current)
        raise WrongUsage(
            f"{device} has a key in use; revoke it, or let the device write `rotate` with the "
            f"entry of that key as `prior`: {entries}"
        )
    raise WrongUsage(f"{device} has no key in use that this one could take the place of")
