"""What an audit without findings leaves for the next one, which then reads only what is new.

Pure. Every place named here is a signed checkpoint's, and is held against store and log before
anything rests on it (`anchor.audit.since`). The rest is this file's word: whoever can write it
can have less read, so it is worth as much as the place where it is kept.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Self

from anchor.errors import Malformed
from anchor.policy import Policy

_VERSION: Final = "factoryledger audit memory v1"


@dataclass(frozen=True, slots=True)
class Seen:
    """How far one collector was audited, always to the end of a batch.

    `number` and `checkpoint` are that batch's, `received` and `counted` the last receive time
    and number of key entries of its records, `keys` a hash of what all batches say of those,
    `claims` the sum over claims up to there. Below `decoded` its readings are derived; None
    where none of its messages is Sparkplug's.
    """

    number: int
    checkpoint: bytes
    received: int
    counted: int
    keys: str
    claims: int
    decoded: int | None


@dataclass(frozen=True, slots=True)
class AuditMemory:
    """What was audited at `made` (POSIX seconds) under `trust`; the rest to go on with.

    `anchor` is the anchor log's checkpoint. `chains` and `births` are what
    `anchor.audit.chain` and `anchor.audit.decoded` have to know of messages read before.
    """

    made: int
    trust: str
    anchor: bytes
    collectors: Mapping[str, Seen]
    chains: Any
    births: Any

    def to_bytes(self) -> bytes:
        """The file that keeps it."""
        members = {
            "made": self.made,
            "trust": self.trust,
            "anchor": self.anchor.decode(),
            "collectors": {name: _members(seen) for name, seen in self.collectors.items()},
            "chains": self.chains,
            "births": self.births,
        }
        digest = sha256(_text(members).encode()).hexdigest()
        return f"{_text({'version': _VERSION, 'sha256': digest, 'memory': members})}\n".encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read the file; Malformed unless `to_bytes` wrote it, byte for byte."""
        try:
            read = json.loads(data)["memory"]
            memory = cls(
                made=read["made"],
                trust=read["trust"],
                anchor=read["anchor"].encode(),
                collectors={name: _seen(**seen) for name, seen in read["collectors"].items()},
                chains=read["chains"],
                births=read["births"],
            )
            same = type(memory.made) is int and memory.to_bytes() == data
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Malformed("it is damaged, or no memory of an audit") from error
        if not same:
            raise Malformed("it is damaged, or was written by another version")
        return memory


def trust_of(policy: Policy) -> str:
    """Names what a policy trusts: another one may find in old rows what this one did not."""
    return sha256(repr(policy).encode()).hexdigest()


def _members(seen: Seen) -> dict[str, Any]:
    return {
        "number": seen.number,
        "checkpoint": seen.checkpoint.decode(),
        "received": seen.received,
        "counted": seen.counted,
        "keys": seen.keys,
        "claims": f"{seen.claims:x}",
        "decoded": seen.decoded,
    }


def _seen(  # noqa: PLR0913 - the members of the file, each by name
    *,
    number: int,
    checkpoint: str,
    received: int,
    counted: int,
    keys: str,
    claims: str,
    decoded: int | None,
) -> Seen:
    numbers = (
        (number, received, counted) if decoded is None else (number, received, counted, decoded)
    )
    if any(type(value) is not int for value in numbers):
        raise ValueError("a number is due")
    return Seen(number, checkpoint.encode(), received, counted, keys, int(claims, 16), decoded)


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
