"""Whether a message is signed, and whether that holds: what the terminal asks of the roof. Pure.

By itself the watch knows no keys: then it says what a message has the shape of, and that
nothing was verified. The roof passes in who knows them.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from telemetry.header import find_header, message_of
from telemetry.signature import split
from watch.topics.node import Kept
from watch.topics.shown import Role
from watch.topics.structure import json_of


@dataclass(frozen=True, slots=True)
class Standing:
    """How a message's signature stands: a role for its colour, a word, a sentence."""

    role: Role
    word: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Number:
    """Which message of which machine a payload says that it is; nothing here is verified."""

    device: str
    session: str
    seq: int


class Signatures(Protocol):
    """Who knows whose key is whose."""

    def status(self, topic: str, payload: bytes, properties: str | None) -> str:
        """Judge a message: one of the statuses of docs/formats.md."""
        ...


class Refusal(Exception):  # noqa: N818 - what is said to a person, no fault
    """Why there is no proof, in a sentence for a person."""


class Prover(Protocol):
    """Who makes proofs."""

    def prove(self, number: Number, payload: bytes) -> str:
        """Write the proof of this message and give its file's path; Refusal where it cannot.

        Called in a thread of its own: it may read files and databases.
        """
        ...


_STANDINGS: Final[dict[str, Standing]] = {
    "accepted": Standing("good", "verified", "signed with the machine's enrolled key"),
    "unsigned": Standing("dim", "unsigned", "it carries no signature"),
    "bad-signature": Standing("bad", "BAD SIGNATURE", "the signature does not hold"),
    "unknown-device": Standing("open", "unknown key", "signed with a key that nobody enrolled"),
    "revoked": Standing("bad", "REVOKED", "signed with a key that was revoked or replaced"),
    "malformed": Standing("bad", "malformed", "it looks signed, and its form is not a message's"),
}
_UNVERIFIED: Final = Standing("open", "signed?", "it looks signed; no keys at hand to verify it by")
_CUT: Final = Standing("open", "not verified", "too long to be kept whole, so it is not verified")


def standing(topic: str, kept: Kept, signatures: Signatures | None) -> Standing:
    """Say how a message's signature stands: verified where keys are at hand, else by shape."""
    properties = kept.properties.to_text()
    if not kept.whole:
        return _CUT
    if signatures is None:
        signed = split(kept.payload) is not None or find_header(properties) is not None
        return _UNVERIFIED if signed else _STANDINGS["unsigned"]
    status = signatures.status(topic, kept.payload, properties)
    return _STANDINGS.get(status) or Standing("open", status, "judged so by the collector's rules")


def number_of(topic: str, kept: Kept) -> Number | None:
    """Read which message it says that it is; None where it is not signed, or says nothing."""
    if split(kept.payload) is None:
        header = message_of(topic, kept.properties.to_text())
        return None if header is None else Number(header.device, header.session, header.seq)
    value = json_of(kept.payload)
    if not isinstance(value, dict):
        return None
    device, session, seq = (value.get(name) for name in ("device", "session", "seq"))
    if not (isinstance(device, str) and isinstance(session, str)):
        return None
    if not isinstance(seq, int) or isinstance(seq, bool):
        return None
    return Number(device, session, seq)
