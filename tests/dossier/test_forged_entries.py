"""What an operator signed who lies: in a package it is refused, and `export` leaves it out."""

from dataclasses import replace
from hashlib import sha256

import pytest
from package_world import born, derived_anew, packed
from verify_logs import MemorySource
from verify_world import START, US, World, machines

from anchor.correction import Change, Correction, Subject, seal
from anchor.merkle import leaf_hash
from anchor.proving.prove import prove
from anchor.reading.log_reader import LogReader
from anchor.reading.row_record import record_of
from anchor.tlog_proof import TlogProof
from dossier.errors import Untrue


@pytest.fixture
def plant():
    """Two machines with a birth and some readings."""
    world, fleet = World(), machines(2)
    for machine in fleet:
        world.enrol_device(machine)
    world.add_collector("c0")
    world.collect("c0", [born(machine, world.time(), load="%") for machine in fleet])
    for second in range(100, 110):
        world.now = START + second
        world.collect("c0", [machine.message(world.now * US, load=-0.5) for machine in fleet])
    world.anchor_now()
    return world, fleet


def row_of(world, device, seq):
    return next(r for r in world.ledger.message_rows if (r.device, r.seq) == (device, seq))


def said(world, row, **changed):
    """A correction of a row, in the log; its hash."""
    subject = Subject(
        row.collector, row.position, leaf_hash(record_of(row)), (row.device, row.session, row.seq)
    )
    correction = Correction(
        kind="correction", subject=subject, by="A", meaning="review", reason="b",
        time=world.time(), change=Change("load", row.time or 0, "-0.5", "0.5"),
    )  # fmt: skip
    entry = seal(world.operator, replace(correction, **changed))
    world.entries.append(entry)
    return sha256(entry).digest()


def false_original(world, row, _):
    said(world, row, change=Change("load", row.time, "7.5", "0.5"))


def no_such_metric(world, row, _):
    said(world, row, change=Change("pressure", row.time, "7.5", "0.5"))


def another_machine(world, row, _):
    subject = Subject(row.collector, row.position, leaf_hash(record_of(row)), ("m", "s1", 1))
    said(world, row, subject=subject)


def another_record(world, row, _):
    said(world, row, subject=Subject(row.collector, row.position, bytes(32), None))


def two_that_stand(world, row, _):
    said(world, row)
    said(world, row, change=Change("load", row.time, "-0.5", "0.9"))


def ended_by_another_message(world, row, other):
    before = said(world, row)
    said(world, other, kind="annotation", change=None, supersedes=before)


def ends_what_is_not_there(world, row, _):
    said(world, row, supersedes=bytes(32))


FALSE = {
    false_original: "says that 7.5 was stored",
    no_such_metric: "says that 7.5 was stored",
    another_machine: "with another record or machine",
    another_record: "with another record or machine",
    two_that_stand: "has to supersede that one",
    ended_by_another_message: "no other's",
    ends_what_is_not_there: "not in the log before it",
}


def log_of(world):
    return LogReader(MemorySource(world.published), world.anchor.verifier)


def laid_beside(made, index):
    """What a forger does: the entry, with its true proof, into the package."""
    note, view = log_of(made.world).head
    folder = made.folder / "corrections"
    folder.mkdir(exist_ok=True)
    (folder / f"{index}.entry").write_bytes(view.entry(index))
    proof = TlogProof(index, view.inclusion(index), note)
    (folder / f"{index}.tlog-proof").write_bytes(proof.to_bytes())


@pytest.mark.parametrize("lie", FALSE, ids=lambda lie: lie.__name__)
def test_a_false_correction_is_refused_and_never_exported(plant, tmp_path, lie):
    world, _ = plant
    size = len(world.entries)
    lie(world, row_of(world, "mill-0", 3), row_of(world, "mill-1", 3))
    world.anchor_now()
    made = packed(tmp_path / "package", world)
    made.check()
    assert len(made.figures["corrections"]) == len(world.entries) - size - 1
    for index in range(size, len(world.entries)):
        laid_beside(made, index)
    made.sealed_anew()
    with pytest.raises(Untrue, match=rf"corrections/{len(world.entries) - 1}: .*{FALSE[lie]}"):
        made.check()


def test_a_birth_from_before_the_time_may_be_annotated(plant, tmp_path):
    world, _ = plant
    said(world, row_of(world, "mill-0", 0), kind="annotation", change=None)
    world.anchor_now()
    later = packed(tmp_path / "package", world, since=105)
    later.check()
    assert [one["kind"] for one in later.figures["corrections"]] == ["annotation"]


def test_a_message_that_did_not_count_is_not_counted_twice_or_of_another_time(plant, tmp_path):
    world, fleet = plant
    fleet[0].seq -= 1
    world.collect("c0", [fleet[0].message((START + 109) * US, load=9.0)])
    world.anchor_now()
    made = packed(tmp_path / "package", world)
    folder = made.folder / "proofs/mill-0"
    (folder / "other-00002.proof").write_bytes((folder / "other-00001.proof").read_bytes())
    with pytest.raises(Untrue, match=r"other-00002\.proof: it is there twice"):
        derived_anew(made)
    before = packed(tmp_path / "before", world, span=105)
    (before.folder / "proofs/mill-0/other-00001.proof").write_bytes(
        (folder / "other-00001.proof").read_bytes()
    )
    with pytest.raises(Untrue, match=r"other-00001\.proof: .* outside of the period"):
        derived_anew(before)


def test_units_are_by_the_first_birth_of_a_session(plant, tmp_path):
    """A later one may say others: whoever makes a package does not choose."""
    world, fleet = plant
    world.collect("c0", [born(fleet[0], (START + 300) * US, load="K")])
    world.anchor_now()
    made = packed(tmp_path / "package", world, span=200)
    row = row_of(world, "mill-0", fleet[0].seq - 1)
    proof = prove(ledger=world.ledger, log=log_of(world), policy=world.policy, row=row)
    (made.folder / "proofs/mill-0/birth-s1.proof").write_bytes(proof.to_bytes())
    with pytest.raises(Untrue, match="a later birth of its session"):
        derived_anew(made)
