"""Make the golden files of this release.

Run it in the checkout: `PYTHONPATH=. .venv/bin/python tests/golden/make_golden.py`. A store, the
log over it, proofs, evidence and the policy come of seeds alone, the same bytes each time. They
are made once a release into a folder of its name and then never again, so that what was given
out then is what later releases are tried on.
"""

import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1] / "anchor_verify"))

from test_range import ranged
from verify_logs import MemorySource, publish, write
from verify_world import (
    START,
    US,
    Machine,
    World,
    foreign,
    forged,
    machines,
    malformed,
    seed,
    to_sqlite,
)

from anchor.evidence_file import ForkedMessages, SignedMessage
from anchor.ledgers.ots.file import OtsFile, Timestamp
from anchor.ledgers.ots.path import Attestation
from anchor.ledgers.ots.path import Path as Path_
from anchor.proving.evidence import contradiction
from anchor.proving.prove import ProvingLog, prove
from anchor.proving.range_prove import prove_range
from anchor.reading.log_reader import LogReader
from anchor.receipts import ReceiptTree
from anchor.stamped import Receipt, StampedCheckpoint
from factoryledger.proving import write_tlog_proofs
from telemetry.receipt import ReceiptLeaf, as_ranges, bodies_digest
from telemetry.signature import SigningKey

HERE = Path(__file__).parent
RELEASE = "0.1"


def build() -> tuple[World, list[Machine]]:
    """A plant of three machines, and all that may befall their messages and their keys."""
    world = World(witnesses=1)
    fleet = machines(3)
    priors = [world.enrol_device(machine) for machine in fleet]
    world.add_collector("c0")
    stranger = Machine("mill-9", SigningKey.from_seed(seed(999)))
    for batch in range(5):
        found = [machine.message(world.time()) for machine in fleet for _ in range(3)]
        if batch == 1:
            found += [foreign(1), malformed(fleet[0]), forged(fleet[0])]
            found.append(stranger.message(world.time()))
        world.collect("c0", found)
        if batch == 2:
            world.rotate_device(fleet[1], SigningKey.from_seed(seed(201)), priors[1])
            world.take_key("c0", world.rotate_collector("c0"))
        if batch == 3:
            world.revoke_device(fleet[2], priors[2])
            fleet[0].restart("s2")
            world.erase_messages("c0", 2, 2)
            erased = world.ledger.message_rows[2]
            world.ledger.message_rows[2] = replace(erased, payload=None)
        world.anchor_now()
        world.cite(*fleet)
    return world, fleet


def files(folder: Path) -> None:
    """Write every golden file into an empty folder."""
    world, fleet = build()
    reader = LogReader(MemorySource(dict(world.published)), world.anchor.verifier)
    (folder / "policy").write_bytes(world.policy_bytes)
    write(world.published, folder / "log")
    row = next(r for r in world.ledger.message_rows if r.device == "mill-1" and r.position > 30)
    proof = prove(ledger=world.ledger, log=reader, policy=world.policy, row=row)
    (folder / "message.proof").write_bytes(proof.to_bytes())
    write_tlog_proofs(proof, world.policy_bytes, folder / "hops")
    period = prove_range(
        ledger=ranged(world),
        known=ProvingLog.scan(reader, world.policy),
        device="mill-1",
        start=START * US,
        stop=(START + 200) * US,
    )
    (folder / "range.proof").write_bytes(period.to_bytes())
    stamped = (of_a_ledger(proof.checkpoint_proof.checkpoint),)
    (folder / "stamped.proof").write_bytes(replace(proof, stamped=stamped).to_bytes())
    (part,) = period.parts
    stamped = (of_a_ledger(part.checkpoint_proof.checkpoint),)
    period = replace(period, parts=(replace(part, stamped=stamped),))
    (folder / "stamped-range.proof").write_bytes(period.to_bytes())
    (folder / "receipt").write_bytes(receipt(world))
    (folder / "messages.evidence").write_bytes(forked_messages(world, fleet[0]))
    (folder / "checkpoints.evidence").write_bytes(forked_checkpoints(world))
    with TemporaryDirectory() as place:
        store = Path(place) / "ledger.db"
        to_sqlite(world.ledger, store).close()
        with closing(sqlite3.connect(store)) as database:
            dump = "\n".join(database.iterdump())
    (folder / "ledger.sql").write_text(f"{dump}\n", encoding="utf-8")


def of_a_ledger(note: bytes) -> StampedCheckpoint:
    """The proof's own checkpoint with a calendar's promise, which no policy here pins."""
    paths = [Path_((), Attestation.pending("https://calendar.example"))]
    promised = OtsFile(sha256(note).digest(), Timestamp.of(paths))
    return StampedCheckpoint(None, (), (Receipt("calendar", "ots", promised.to_bytes()),))


def receipt(world: World) -> bytes:
    """What the collector promised a machine of its first three messages."""
    rows = [row for row in world.ledger.message_rows if row.device == "mill-1"][:3]
    leaf = ReceiptLeaf(
        "c0", "mill-1", "s1", as_ranges(row.seq for row in rows),
        bodies_digest(row.body_hash for row in rows), (START + 60) * US,
    )  # fmt: skip
    return ReceiptTree(world.collectors["c0"].key).seal([leaf.to_bytes()])[0]


def forked_messages(world: World, machine: Machine) -> bytes:
    """A machine's key under two messages of one number."""
    one, other = replace(machine), replace(machine)
    said = one.message(world.time()), other.message(world.time(), temperature=99.5)
    entry = world.requests[0]
    assert world.authority.read(entry).key == machine.key.public_key
    return ForkedMessages.of(SignedMessage(*said[0]), SignedMessage(*said[1]), entry).to_bytes()


def forked_checkpoints(world: World) -> bytes:
    """The log's key under two trees, the smaller of another beginning."""
    assert world.checkpoint is not None
    other = world.cosign(publish(world.anchor, [b"another", *world.entries[1:9]])["checkpoint"])
    view = LogReader(MemorySource(dict(world.published)), world.anchor.verifier).view
    evidence = contradiction(world.checkpoint, other, view)
    assert evidence is not None
    return evidence.to_bytes()


if __name__ == "__main__":
    target = HERE / RELEASE
    if target.exists():
        sys.exit(f"{target} is there: golden files are made once. Name the next release")
    target.mkdir()
    files(target)
    for path in sorted(p for p in target.rglob("*") if p.is_file()):
        print(path.relative_to(target), sha256(path.read_bytes()).hexdigest()[:16])  # noqa: T201
