"""The proof file: everything that shows what one message said and when (docs/formats.md).

Nothing in it is trusted for being there. One spelling: it is read by writing it again.
"""

import json
from dataclasses import dataclass
from typing import Any, Self

from anchor.errors import Malformed
from anchor.merkle import HASH
from anchor.spelling import MAX_NUMBER, decoded, octets
from anchor.stamped import StampedCheckpoint, read_all_stamped, stamped_text
from anchor.tlog_proof import TlogProof
from telemetry.canonical import b64, quote

VERSION = 1
STAMPED_VERSION = 2
"""With receipts of outside ledgers; without any a file is of version 1."""
CORRECTED_VERSION = 3
"""With corrections of the message; it has the stamped checkpoints too, or none of them."""
MAX_FILE = 1 << 29
"""MQTT carries payloads of up to 256 MiB, which base64 makes a third longer."""

_MEMBERS = (
    "factoryledger",
    "version",
    "payload",
    "record",
    "message_proof",
    "checkpoint_proof",
    "keys",
    "cited",
)
_STAMPED_MEMBERS = (*_MEMBERS, "stamped")
_CORRECTED_MEMBERS = (*_STAMPED_MEMBERS, "corrections")


@dataclass(frozen=True, slots=True)
class IncludedEntry:
    """A key entry and its path in the tree of the checkpoint inside `checkpoint_proof`.

    Or a correction, and its path in the tree of the checkpoint that stands beside it.
    """

    entry: bytes
    index: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class IncludedCorrections:
    """Corrections of the message, in the tree of a later checkpoint of the anchor log.

    `path` is that of the entry which `checkpoint_proof` proves, in the same tree.
    """

    checkpoint: bytes
    path: tuple[bytes, ...]
    entries: tuple[IncludedEntry, ...]


@dataclass(frozen=True, slots=True)
class ProofFile:
    """A message (None once erased), its record, both proofs, key entries, what it cites.

    `record` is the collector's leaf; `keys` holds the collector's entry first, then those
    that the judgement rests on; `cited` is the cosigned checkpoint that the message names;
    `stamped` are checkpoints that contain the message and that outside ledgers stamped;
    `corrections` are what the operator said of it later.
    """

    payload: bytes | None
    record: bytes
    message_proof: TlogProof
    checkpoint_proof: TlogProof
    keys: tuple[IncludedEntry, ...]
    cited: bytes | None
    stamped: tuple[StampedCheckpoint, ...] = ()
    corrections: IncludedCorrections | None = None

    def to_bytes(self) -> bytes:
        """The file: compact JSON and a newline."""
        values = [
            quote("proof"),
            str(self._version()),
            "null" if self.payload is None else f'"{b64(self.payload)}"',
            verbatim(self.record),
            verbatim(self.message_proof.to_bytes()),
            verbatim(self.checkpoint_proof.to_bytes()),
            f"[{','.join(map(entry_text, self.keys))}]",
            "null" if self.cited is None else verbatim(self.cited),
        ]
        names: tuple[str, ...] = _MEMBERS
        if self._version() != VERSION:
            names = _STAMPED_MEMBERS
            values.append(f"[{','.join(map(stamped_text, self.stamped))}]")
        if self.corrections is not None:
            names = _CORRECTED_MEMBERS
            values.append(_corrections_text(self.corrections))
        members = (f'"{name}":{value}' for name, value in zip(names, values, strict=True))
        return f"{{{','.join(members)}}}\n".encode()

    def _version(self) -> int:
        if self.corrections is not None:
            return CORRECTED_VERSION
        return STAMPED_VERSION if self.stamped else VERSION

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a proof file, nothing in it checked; Malformed unless `to_bytes` writes it."""
        if len(data) > MAX_FILE:
            raise Malformed(f"a proof file of {len(data)} bytes; at most {MAX_FILE} are read")
        members = _parse(data)
        try:
            proof = cls._from_members(members)
        except (KeyError, TypeError, AttributeError, UnicodeEncodeError) as error:
            raise Malformed(f"a member of the proof file has the wrong form: {error}") from error
        if proof.to_bytes() != data:
            raise Malformed("the proof file is not in the one spelling that `prove` writes")
        return proof

    @classmethod
    def _from_members(cls, members: dict[str, Any]) -> Self:
        payload, cited = members["payload"], members["cited"]
        return cls(
            payload=None if payload is None else octets(payload, "payload"),
            record=members["record"].encode(),
            message_proof=bare_proof(members["message_proof"]),
            checkpoint_proof=bare_proof(members["checkpoint_proof"]),
            keys=tuple(map(included_entry, members["keys"])),
            cited=None if cited is None else cited.encode(),
            stamped=read_all_stamped(members.get("stamped", ())),
            corrections=_corrections(members["corrections"]) if "corrections" in members else None,
        )


def _parse(data: bytes) -> dict[str, Any]:
    try:
        members = json.loads(decoded(data, "a proof file"))
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not a proof file: {error}") from error
    if not isinstance(members, dict) or members.get("factoryledger") != "proof":
        raise Malformed('not a proof file: it has no "factoryledger":"proof"')
    version = members.get("version")
    if version not in (VERSION, STAMPED_VERSION, CORRECTED_VERSION):
        raise Malformed(
            f"proof file of version {version!r}; this reads {VERSION} to {CORRECTED_VERSION}"
        )
    return members


def bare_proof(text: str) -> TlogProof:
    """Read a tlog-proof without extra data: no hash or signature of it binds what is there."""
    proof = TlogProof.from_bytes(text.encode())
    if proof.extra is not None:
        raise Malformed("a tlog-proof in a file of ours has extra data, which nothing vouches for")
    return proof


def included_entry(member: dict[str, Any]) -> IncludedEntry:
    """Read a key entry with its path; Malformed or KeyError for another form."""
    index = member["index"]
    if type(index) is not int or not 0 <= index <= MAX_NUMBER:
        raise Malformed(f"index {index!r} of a key entry is not a number from 0 to 2^63-1")
    path = tuple(octets(step, "hash in the path of a key entry", HASH) for step in member["path"])
    return IncludedEntry(member["entry"].encode(), index, path)


def _corrections(member: dict[str, Any]) -> IncludedCorrections:
    found = IncludedCorrections(
        checkpoint=member["checkpoint"].encode(),
        path=tuple(octets(step, "hash in a path", HASH) for step in member["path"]),
        entries=tuple(map(included_entry, member["entries"])),
    )
    if not found.entries:
        raise Malformed("corrections without any: such a file is of version 1 or 2")
    return found


def _corrections_text(found: IncludedCorrections) -> str:
    path = ",".join(f'"{b64(step)}"' for step in found.path)
    entries = ",".join(map(entry_text, found.entries))
    return f'{{"checkpoint":{verbatim(found.checkpoint)},"path":[{path}],"entries":[{entries}]}}'


def entry_text(included: IncludedEntry) -> str:
    """A key entry with its path, as JSON."""
    path = ",".join(f'"{b64(step)}"' for step in included.path)
    return f'{{"entry":{verbatim(included.entry)},"index":{included.index},"path":[{path}]}}'


def verbatim(data: bytes) -> str:
    """Text inside JSON, as it is; Malformed where it is no text."""
    return quote(decoded(data, "a part of a proof file"))
