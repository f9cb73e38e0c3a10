"""What a maker of a package would hide between its files of proofs, and does not."""

from dataclasses import replace

import pytest
from package_world import Archive, born, derived_anew, packed
from verify_logs import MemorySource
from verify_world import START, US, MemoryLedger, World, machines

from anchor.cosignature import cosign
from anchor.errors import Missing
from anchor.note import COSIGNATURE, Note, SignerKey
from anchor.policy import Policy, write_policy
from anchor.policy_text import Witness
from anchor.proving import range_prove
from anchor.proving.prove import ProvingLog
from anchor.proving.range_prove import prove_range
from anchor.range_file import ErasedMessage, RangeFile
from anchor.reading.log_reader import LogReader
from anchor.reading.row_record import record_of
from dossier.erasures import Erasures
from dossier.errors import Untrue
from telemetry.canonical import time_text
from telemetry.keyring import KeyStatement
from telemetry.members import Scan
from telemetry.message import compose
from telemetry.signature import body_hash
from telemetry.signature import seal as seal_message


def scanned(machine, start):
    """A message of ten scans, made with the last of them."""
    scans = tuple(Scan((start + i) * US, {"load": float(i)}) for i in range(10))
    body = compose(
        kind="telemetry", device=machine.name, session=machine.session, seq=machine.seq,
        prev=machine.prev, anchor=machine.cited, time=(start + 9) * US, key=machine.key.key_id,
        scans=scans,
    )  # fmt: skip
    machine.seq += 1
    machine.prev = body_hash(body)
    return str(machine.topic), seal_message(machine.key, machine.topic, body)


@pytest.fixture
def plant():
    world, [mill] = World(), machines(1)
    world.enrol_device(mill)
    world.add_collector("c0")
    world.collect("c0", [born(mill, world.time(), load="%")])
    for second in range(100, 200, 10):
        world.now = START + second + 10
        world.collect("c0", [scanned(mill, START + second)])
    world.anchor_now()
    return world


def halves(made, monkeypatch, cut, *, first, second):
    """Prove the period in two files: the first with `first` beside it, the second without."""
    world = made.world
    known = ProvingLog.scan(
        LogReader(MemorySource(world.published), world.anchor.verifier), world.policy
    )
    named = MemoryLedger.__dataclass_fields__
    whole = Archive(**{name: getattr(world.ledger, name) for name in named})

    class Short(Archive):
        def between(self, *asked):
            return (row for row in super().between(*asked) if row.seq not in second)

    short = Short(**{name: getattr(world.ledger, name) for name in named})
    rows = [row for row in world.ledger.message_rows if row.seq in first]
    ends = ((whole, START * US, cut, rows), (short, cut, (START + 600) * US, []))
    for number, (ledger, start, stop, beside) in enumerate(ends, 1):
        monkeypatch.setattr(range_prove, "_neighbours", lambda *_, beside=beside: beside)
        file = prove_range(ledger=ledger, known=known, device="mill-0", start=start, stop=stop)
        (made.folder / f"proofs/mill-0/{number:05}.proof").write_bytes(file.to_bytes())


def test_a_message_is_not_hidden_as_another_files_neighbour(plant, tmp_path, monkeypatch):
    """Numbers and chain are whole, and it would be counted in no file."""
    made = packed(tmp_path / "package", plant, aim=1000)
    hidden = {5, 6}
    halves(made, monkeypatch, (START + 140) * US, first=hidden, second=hidden)
    with pytest.raises(Untrue, match="message 5 of session s1 is not in the file of its time"):
        derived_anew(made)


def test_no_scan_is_lost_where_two_files_meet(plant, tmp_path, monkeypatch):
    """A message counts whole in the file that its own time falls into."""
    made = packed(tmp_path / "package", plant, aim=1000)
    readings = made.machine("mill-0")["readings"]
    halves(made, monkeypatch, (START + 145) * US, first=set(), second=set())
    derived_anew(made)
    made.check()
    assert made.machine("mill-0")["readings"] == readings == 100


def test_scans_in_the_time_of_a_message_from_after_it_count_once(plant, tmp_path):
    for aim in (1, 2, 1000):
        made = packed(tmp_path / f"{aim}", plant, since=100, span=145, aim=aim)
        made.check()
        assert made.machine("mill-0")["readings"] == 45


def test_nobody_but_the_operator_calls_a_message_erased(plant, tmp_path):
    made = packed(tmp_path / "package", plant, aim=1000)
    path = made.folder / "proofs/mill-0/00001.proof"
    file = RangeFile.from_bytes(path.read_bytes())
    [part] = file.parts
    rows = {row.position: record_of(row) for row in plant.ledger.message_rows}
    gone = tuple(
        ErasedMessage(one.position, rows[one.position]) if one.position == 5 else one
        for one in part.messages
    )
    path.write_bytes(replace(file, parts=(replace(part, messages=gone),)).to_bytes())
    with pytest.raises(Untrue, match="what message c0:5 says is not here, and no erasure"):
        derived_anew(made)


def test_an_erasure_that_is_not_in_the_log_yet_is_waited_for(plant, tmp_path):
    rows = plant.ledger.message_rows
    rows[5] = replace(rows[5], payload=None)
    with pytest.raises(Missing, match="c0:5 is gone, and the log has no erasure of it yet"):
        packed(tmp_path / "early", plant)
    plant.erase_messages("c0", 2, 5, ["accepted"])
    plant.pending += [row.entry for row in plant.ledger.key_rows]
    plant.anchor_now()
    made = packed(tmp_path / "package", plant)
    made.check()
    assert made.machine("mill-0")["erased"] == 1


def test_erasures_are_by_place_and_status():
    def said(name, *statuses):
        return KeyStatement(b"", "erase", "messages", name, 0, statuses=statuses)

    found = Erasures([said("c0:5-9"), said("c0:20-30", "conflict"), said("c0:1-40", "revoked")])
    assert [n for n in range(50) if found.covers("c0", n, "accepted")] == list(range(5, 10))
    assert [n for n in (4, 19, 20, 30, 31) if found.covers("c0", n, "conflict")] == [20, 30]
    assert found.covers("c0", 40, "revoked")
    assert not found.covers("c1", 5, "accepted")


def test_times_by_the_makers_own_witness_are_told_beside_ones_own(plant, tmp_path):
    """The report is by the package's policy, whose witness may be the maker's and lie."""
    mine, honest = (
        SignerKey.from_seed("witness.example/mine", bytes(31) + b"c", COSIGNATURE),
        plant.cosign,
    )
    real = plant.policy

    def cosigned(checkpoint):
        note = Note.from_bytes(honest(checkpoint))
        return note.with_signatures(cosign(mine, note.text, START - 1000)).to_bytes()

    plant.cosign = cosigned
    plant.published.clear()
    plant.anchor_now()
    plant.policy_bytes = write_policy(
        plant.anchor.verifier, plant.operator.verifier, [Witness("mine", mine.verifier)], "all"
    )
    plant.policy = Policy.from_bytes(plant.policy_bytes)
    remarks = packed(tmp_path / "package", plant).check(policy=real).remarks
    assert "another than yours" in remarks[0]
    assert "mill-0: the report says" in remarks[1]
    assert f"not after {time_text((START - 1000) * US)}. By your policy it is" in remarks[1]
    assert time_text((plant.now + 1) * US) in remarks[1]
