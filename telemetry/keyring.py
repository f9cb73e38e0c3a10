"""Which key is whose, and until which entry: the state that key entries build up.

Pure: entries go in, in the order in which they were applied; look-ups come out.
Statements are already checked (operator's signature, possession); this only keeps them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Action = Literal["enrol", "rotate", "revoke", "erase"]
Kind = Literal["device", "collector", "messages"]


@dataclass(frozen=True, slots=True)
class KeyStatement:
    """What one operator-signed key entry says (docs/formats.md, Key entry).

    `hash` is the SHA-256 of the whole entry, `time` in microseconds since the epoch;
    `key` is a 32-byte Ed25519 public key; `prior` the hash of the entry that this one ends.
    """

    hash: bytes
    action: Action
    kind: Kind
    name: str
    time: int
    key: bytes | None = None
    prior: bytes | None = None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One key of a device: the 32-byte key, the entry that enrolled it, the one that ended it."""

    public_key: bytes
    entry: bytes
    ended_by: bytes | None = None
