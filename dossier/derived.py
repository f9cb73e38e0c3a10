"""What follows from a package's proofs: its readings, its figures, its checkpoints.

The one way from proofs to everything else that a package says: `export` writes what comes out,
`verify` compares. Each proof is checked against a policy that is given, never the package's own
for being there. One file of proofs is in memory at a time.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from anchor.errors import AnchorError
from anchor.ledgers.ledger import Voucher
from anchor.policy import Policy
from anchor.policy_text import NONE
from anchor.proof_file import IncludedEntry, ProofFile
from anchor.proving.range_verify import verify_range
from anchor.proving.verify import verify
from anchor.range_file import RangeFile
from anchor.range_verified import VerifiedRange
from anchor.stamped import StampedCheckpoint
from anchor.tlog_proof import TlogProof
from anchor.verified import Verified
from dossier import readings
from dossier.container import Opened
from dossier.corrected import Corrections
from dossier.entries import (
    CORRECTIONS,
    KEYS,
    MOST_ENTRY,
    MOST_PROOF,
    Entry,
    pairs,
    read_correction,
    read_key,
    told,
)
from dossier.erasures import Erasures
from dossier.errors import Untrue
from dossier.machine import Machine
from dossier.manifest import About
from telemetry.canonical import b64, time_text
from telemetry.errors import TelemetryError
from telemetry.keyring import KeyStatement

MOST_FILE: Final = 1 << 28
"""Bytes of one proof: `export` writes files of some thousand messages."""


@dataclass
class Derivation:
    """Proofs to what follows from them, under one policy; `rows` first, then the rest.

    `vouchers` are the outside ledgers that whoever checks has pinned.
    """

    package: Opened
    about: About
    policy: Policy
    vouchers: Mapping[str, Voucher] = field(default_factory=dict)
    checkpoints: dict[str, bytes] = field(default_factory=dict)
    """Published checkpoints that the proofs rest on, by the name of their file."""
    warnings: dict[str, None] = field(default_factory=dict)
    _machines: list[dict[str, Any]] = field(default_factory=list)
    _entries: dict[bytes, str] = field(default_factory=dict)
    _collectors: dict[str, None] = field(default_factory=dict)
    _receipts: dict[tuple[str, str, str], None] = field(default_factory=dict)
    _keys: list[dict[str, Any]] = field(default_factory=list)
    _corrections: Corrections = field(default_factory=Corrections)

    def rows(self) -> Iterator[bytes]:
        """The lines of `readings.csv`; Untrue, with the file's name, where a proof fails."""
        self._read_keys()
        self._read_corrections()
        yield readings.HEADER
        for device in self.about.machines:
            machine = Machine(device, self.about.start, self.about.stop, self._corrections)
            self._read_singles(machine)
            yield from self._read_ranges(machine)
            with _blaming(f"the proofs of {device}"):
                self._machines.append(machine.told())
        self._check_keys()
        self._corrections.check_met()

    def figures(self) -> bytes:
        """`figures.json`: what the report says in numbers, once all rows are read."""
        said = {
            "factoryledger": "figures",
            "version": 1,
            "from": time_text(self.about.start),
            "to": time_text(self.about.stop),
            "log": self.policy.log.name,
            "operator": None if self.policy.operator is None else self.policy.operator.name,
            "quorum": self.policy.quorum,
            "witnesses": sorted(self.policy.witnesses),
            "witnessed": self.policy.quorum != NONE,
            "machines": self._machines,
            "keys": self._keys,
            "corrections": self._corrections.told(),
            "checkpoints": sorted(
                map(self._checkpoint, self.checkpoints.values()),
                key=lambda one: (one["size"], one["note"]),
            ),
            "receipts": [list(one) for one in sorted(self._receipts)],
        }
        return json.dumps(said, separators=(",", ":"), allow_nan=False).encode() + b"\n"

    # -- a machine -----------------------------------------------------------------------------

    def _names(self, device: str, what: str) -> list[str]:
        prefix = f"proofs/{device}/{what}"
        return sorted(name for name in self.package.sizes if name.startswith(prefix))

    def _read_singles(self, machine: Machine) -> None:
        """The births that say units, and messages that were stored without counting."""
        for name in self._names(machine.device, "birth-"):
            found = self._verified(name)
            if (found.status, found.kind, found.device) != ("accepted", "birth", machine.device):
                raise Untrue(f"{name}: it is no birth of {machine.device} that was accepted")
            if name != f"proofs/{machine.device}/birth-{found.session}.proof":
                raise Untrue(f"{name}: it is of session {found.session}")
            if found.seq != 0:
                raise Untrue(f"{name}: it is a later birth of its session, not the first message")
            self._meet(machine.device, name, found)
            machine.born(found)
        for name in self._names(machine.device, "other-"):
            found = self._verified(name)
            if found.status not in {"conflict", "revoked"} or found.device != machine.device:
                raise Untrue(f"{name}: it is no conflict and no revoked message of this machine")
            self._meet(machine.device, name, found)
            with _blaming(name):
                machine.other(found)

    def _meet(self, device: str, name: str, found: Verified) -> None:
        """Let the corrections of a message that has a proof of its own be held against it."""
        record = ProofFile.from_bytes(self.package.read(name, MOST_FILE)).record
        scans = None if found.made is None else found.scans
        self._corrections.meet(device, (found.collector, found.position), record, scans)

    def _read_ranges(self, machine: Machine) -> Iterator[bytes]:
        names = [n for n in self._names(machine.device, "") if n.rpartition("/")[2][:5].isdigit()]
        at = self.about.start
        for number, name in enumerate(names, 1):
            if name != f"proofs/{machine.device}/{number:05}.proof":
                raise Untrue(f"{name}: the file before it is missing")
            found = self._range(name)
            if (found.device, found.start, found.metric) != (machine.device, at, None):
                raise Untrue(
                    f"{name}: it is to be of {machine.device}, from {time_text(at)} on, of every "
                    "metric"
                )
            at = found.stop
            with _blaming(name):
                for value in machine.take(found):
                    yield readings.row(machine.device, value)
        if names and at != self.about.stop:
            raise Untrue(
                f"proofs/{machine.device}: they end at {time_text(at)}, and the period at "
                f"{time_text(self.about.stop)}"
            )

    def _range(self, name: str) -> VerifiedRange:
        data = self.package.read(name, MOST_FILE)
        with _blaming(name):
            found = verify_range(data, self.policy, self.vouchers)
            for one in found.messages:
                if one.message is None:
                    self._check_erased(one.collector, one.position, "accepted")
            for part in RangeFile.from_bytes(data).parts:
                self._note(name, part.checkpoint_proof, part.keys, part.stamped)
        self._collectors.update(dict.fromkeys(found.collectors))
        self.warnings.update(dict.fromkeys(found.outside_open))
        return found

    def _verified(self, name: str) -> Verified:
        data = self.package.read(name, MOST_FILE)
        with _blaming(name):
            found = verify(data, self.policy, self.vouchers)
            if found.payload is None:
                self._check_erased(found.collector, found.position, found.status)
            file = ProofFile.from_bytes(data)
            self._note(name, file.checkpoint_proof, file.keys, file.stamped)
            if file.corrections is not None:
                self._rest_on(file.corrections.checkpoint)
        if found.content is None and found.kind == "birth":
            raise Untrue(f"{name}: its payload is not there")
        self._collectors[found.collector] = None
        return found

    def _check_erased(self, collector: str, position: int, status: str) -> None:
        """What a message says is left out only where the operator said that it is erased."""
        if not self._erasures.covers(collector, position, status):
            raise Untrue(
                f"what message {collector}:{position} says is not here, and no erasure in {KEYS} "
                "is of it"
            )

    def _note(
        self,
        name: str,
        proof: TlogProof,
        keys: tuple[IncludedEntry, ...],
        stamped: tuple[StampedCheckpoint, ...],
    ) -> None:
        """Remember what a proof rests on, which is shown and laid beside it."""
        self._rest_on(proof.checkpoint)
        for key in keys:
            self._entries.setdefault(sha256(key.entry).digest(), name)
        for one in stamped:
            if one.checkpoint is not None:
                self._rest_on(one.checkpoint)
            for receipt in one.receipts:
                digest = sha256(receipt.data).hexdigest()
                self._receipts[receipt.ledger, receipt.kind, digest] = None

    def _rest_on(self, note: bytes) -> None:
        self.checkpoints.setdefault(f"checkpoints/{sha256(note).hexdigest()}.note", note)

    # -- keys and checkpoints ------------------------------------------------------------------

    def _entries_of(self, folder: str) -> Iterator[Entry]:
        for index in pairs(self.package.sizes, folder):
            entry = self.package.read(f"{folder}/{index}.entry", MOST_ENTRY)
            proof = self.package.read(f"{folder}/{index}.tlog-proof", MOST_PROOF)
            yield Entry(index, entry, proof)
            self._rest_on(TlogProof.from_bytes(proof).checkpoint)

    def _read_keys(self) -> None:
        self._statements = list[tuple[int, KeyStatement]]()
        for one in self._entries_of(KEYS):
            statement = read_key(one, self.policy)
            self._statements.append((one.index, statement))
            self._keys.append(told(one.index, statement))
        self._erasures = Erasures(statement for _, statement in self._statements)

    def _read_corrections(self) -> None:
        for one in self._entries_of(CORRECTIONS):
            self._corrections.add(one.index, read_correction(one, self.policy))

    def _check_keys(self) -> None:
        """Every key entry that a proof rests on is there, and none of somebody else."""
        known = {statement.hash for _, statement in self._statements}
        for digest, name in self._entries.items():
            if digest not in known:
                raise Untrue(f"{name}: a key entry that it rests on is not in {KEYS}")
        for index, statement in self._statements:
            if not concerns(statement, self.about.machines, self._collectors):
                raise Untrue(f"{KEYS}/{index}: it is of no machine or collector of this package")

    def _checkpoint(self, note: bytes) -> dict[str, Any]:
        cosigned = self.policy.read(note)
        return {
            "origin": cosigned.checkpoint.origin,
            "size": cosigned.checkpoint.size,
            "root": b64(cosigned.checkpoint.root),
            "note": sha256(note).hexdigest(),
            "cosigned": [
                [name, None if not time else time_text(time * 1_000_000)]
                for name, time in sorted(cosigned.times.items())
            ],
        }


def concerns(
    statement: KeyStatement, machines: tuple[str, ...], collectors: Mapping[str, None]
) -> bool:
    """Whether a key entry belongs to a package of these machines and collectors."""
    if statement.kind == "device":
        return statement.name in machines
    if statement.kind == "collector":
        return statement.name in collectors
    return statement.kind == "log" or statement.name.partition(":")[0] in collectors


class _blaming:  # noqa: N801 - reads as a word
    """Turns what a proof fails with into Untrue that names the file."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, AnchorError | TelemetryError | Untrue):
            raise Untrue(f"{self._name}: {error}") from error
