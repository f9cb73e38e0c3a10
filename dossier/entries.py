"""Entries of the anchor log that a package brings, each with a C2SP tlog-proof of its own. Pure.

Strangers' tools check them: `keys/<index>.entry` beside `keys/<index>.tlog-proof`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from anchor.correction import Correction, CorrectionAuthority
from anchor.errors import AnchorError
from anchor.key_entry import OperatorAuthority
from anchor.merkle import check_inclusion, leaf_hash
from anchor.policy import Policy
from anchor.tlog_proof import TlogProof
from dossier.errors import Untrue
from telemetry.canonical import plain, time_text
from telemetry.errors import TelemetryError
from telemetry.keyring import KeyStatement
from telemetry.signature import key_id

KEYS: Final = "keys"
CORRECTIONS: Final = "corrections"
MOST_ENTRY: Final = 1 << 16
MOST_PROOF: Final = 1 << 21


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry: its index in the log, its bytes, the proof that it is there."""

    index: int
    entry: bytes
    proof: bytes

    def files(self, folder: str) -> Iterator[tuple[str, bytes]]:
        """The two files that it is in a package."""
        yield f"{folder}/{self.index}.entry", self.entry
        yield f"{folder}/{self.index}.tlog-proof", self.proof


def pairs(names: Iterable[str], folder: str) -> list[int]:
    """The indices of a folder's entries, in order; Untrue where one lacks its other file."""
    inside = [name.removeprefix(f"{folder}/") for name in names if name.startswith(f"{folder}/")]
    entries = {name.removesuffix(".entry") for name in inside if name.endswith(".entry")}
    proofs = {name.removesuffix(".tlog-proof") for name in inside if name.endswith(".tlog-proof")}
    for name in sorted(entries ^ proofs):
        raise Untrue(f"{folder}/{name}: an entry and its tlog-proof, or neither")
    return sorted(map(int, entries))


def read_key(one: Entry, policy: Policy) -> KeyStatement:
    """What a key entry says; Untrue where the operator did not sign it or it is not in the log."""
    try:
        check_in_log(one, policy)
        assert policy.operator is not None
        return OperatorAuthority(policy.operator).read(one.entry)
    except (AnchorError, TelemetryError) as error:
        raise Untrue(f"{KEYS}/{one.index}: {plain(str(error))}") from error


def read_correction(one: Entry, policy: Policy) -> Correction:
    """What a correction says; Untrue where the operator did not sign it or it is not in the log."""
    try:
        check_in_log(one, policy)
        assert policy.operator is not None
        return CorrectionAuthority(policy.operator).read(one.entry)
    except (AnchorError, TelemetryError) as error:
        raise Untrue(f"{CORRECTIONS}/{one.index}: {plain(str(error))}") from error


def check_in_log(one: Entry, policy: Policy) -> None:
    """Malformed or Refused unless the entry is where its proof says, under a checkpoint."""
    proof = TlogProof.from_bytes(one.proof)
    tree = policy.open(proof.checkpoint).checkpoint
    check_inclusion(
        leaf=leaf_hash(one.entry),
        index=proof.index,
        size=tree.size,
        path=proof.path,
        root=tree.root,
    )
    if proof.index != one.index or proof.extra is not None:
        raise Untrue(f"the proof is of entry {proof.index}")


def told(index: int, statement: KeyStatement) -> dict[str, Any]:
    """A key entry, as the figures say it."""
    return {
        "index": index,
        "action": statement.action,
        "kind": statement.kind,
        "name": statement.name,
        "time": time_text(statement.time),
        "key": None if statement.key is None else key_id(statement.key),
        "gateway": statement.gateway,
        "prior": None if statement.prior is None else statement.prior.hex(),
        "entry": statement.hash.hex(),
    }
