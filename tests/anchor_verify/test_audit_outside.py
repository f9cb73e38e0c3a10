"""An audit with outside ledgers: receipts that hold or not, rewritten logs, machines' clocks."""

import sys
from hashlib import sha256
from pathlib import Path

import pytest
from test_time_bounds import put, receipt_of
from verify_logs import MemorySource
from verify_world import START, US, World, machines, small_world

from anchor.audit.receipts import KeptReceipt, Outside, kept_in
from anchor.audit.whole import audit
from anchor.reading.log_reader import LogReader

sys.path.append(str(Path(__file__).parents[1] / "anchor_writer"))

from notary import Notary

PINNED = {name: Notary(None, name) for name in ("a", "b")}


def audit_of(world, elsewhere=(), vouchers=PINNED, tolerance=60):
    log = LogReader(MemorySource(world.published), world.anchor.verifier)
    outside = Outside(vouchers, tuple(elsewhere), tolerance=tolerance)
    return audit(ledger=world.ledger, log=log, policy=world.policy, outside=outside)


@pytest.fixture
def stamped():
    """Three checkpoints; `a` stamped the first two."""
    world, fleet = small_world()
    notes = [one["checkpoint"] for one in world.published_at]
    put(world, notes[0], "a", START + 100)
    put(world, notes[1], "a", START + 200)
    return world, fleet, notes


def test_receipts_that_hold_say_how_far_the_log_is_stamped(stamped):
    world, _, _ = stamped
    found = audit_of(world)
    assert found.clean
    (reach,) = found.ledgers
    assert (reach.ledger, reach.receipts, reach.newest) == ("a", 2, START + 200)
    assert reach.line(found.counts.log_size).startswith("ledger a: 2 receipts hold; 5 of 6 entries")
    assert found.to_json()["ledgers"][0]["stamped_size"] == 5


@pytest.mark.parametrize(
    ("false", "said"),
    [
        (lambda notes: receipt_of(notes[2], START), "of another checkpoint"),
        (lambda notes: receipt_of(notes[0], START)[:-3] + b"00\n", "not a notary's receipt"),
    ],
)
def test_a_false_receipt_is_a_finding_that_names_the_file(stamped, false, said):
    world, _, notes = stamped
    path = f"receipts/{sha256(notes[0]).hexdigest()}/a.ots"
    world.published[path] = false(notes)
    (finding,) = audit_of(world).findings
    assert finding.kind == "receipt-false"
    assert path in finding.detail
    assert said in finding.detail


def test_a_receipt_without_its_checkpoint_is_a_finding(stamped):
    world, _, notes = stamped
    del world.published[f"checkpoints/{sha256(notes[0]).hexdigest()}"]
    (finding,) = audit_of(world).findings
    assert finding.kind == "receipt-false"
    assert "is not there" in finding.detail


def test_what_nobody_pinned_is_a_note(stamped):
    world, _, _ = stamped
    found = audit_of(world, vouchers={})
    assert found.clean
    assert any("ledger a are not checked" in note for note in found.notes)


# -- every key stolen ---------------------------------------------------------------------------


def rewritten():
    """The same keys, all of them, and another history: nothing inside tells."""
    world = World()
    fleet = machines(2)
    for machine in fleet:
        world.enrol_device(machine)
    world.add_collector("c0")
    for _ in range(3):
        world.collect("c0", [m.message(world.time(), temperature=1.0) for m in fleet])
        world.anchor_now()
        world.cite(*fleet)
    return world


def test_a_log_rewritten_with_every_key_is_caught_by_one_receipt_alone(stamped):
    world, _, _ = stamped
    false = rewritten()
    assert audit_of(false).clean
    kept = list(kept_in(MemorySource(world.published), "mine/"))
    assert len(kept) == 2
    found = audit_of(false, kept)
    assert {finding.kind for finding in found.findings} == {"log-forked"}
    # Both stamped sizes; where both histories have one size, another root is signed there.
    details = " ".join(finding.detail for finding in found.findings)
    assert "mine/receipts/" in details
    assert "the notary saw it by 2025-11-24T16:0" in details


def test_a_log_cut_short_is_caught_by_a_receipt(stamped):
    world, _, notes = stamped
    put(world, notes[2], "b", START + 300)
    kept = list(kept_in(MemorySource(world.published), ""))
    world.published = world.published_at[0]
    kinds = {
        finding.kind for finding in audit_of(world, kept).findings if "receipts/" in finding.detail
    }
    assert kinds == {"log-truncated"}


def test_a_receipt_of_another_log_is_a_note(stamped):
    world, _, _ = stamped
    note = b"other.example/log\n1\n" + b"A" * 43 + b"=\n\n\xe2\x80\x94 other.example/log AAAA\n"
    from anchor.stamped import Receipt

    kept = KeptReceipt("mine", note, Receipt("a", "ots", receipt_of(note, START)))
    found = audit_of(world, [kept])
    assert found.clean
    assert any("mine is of another log" in note for note in found.notes)


# -- machines' clocks -----------------------------------------------------------------------------


def wrong_clock(seconds, tolerance=60, **options):
    world, fleet = small_world(**options)
    world.collect(
        "c0", [fleet[0].message((world.now + seconds) * US), fleet[1].message(world.time())]
    )
    world.anchor_now()
    if not world.witnesses:
        put(world, world.checkpoint, "a", world.now)
    return audit_of(world, tolerance=tolerance)


def test_a_clock_that_is_ahead_is_said_and_is_no_finding():
    found = wrong_clock(1000)
    assert found.clean
    (clock,) = found.clocks
    assert (clock.device, clock.side, clock.position) == ("mill-0", "ahead", 15)
    assert 980 < clock.seconds <= 1000
    assert "clock of mill-0 is ahead by 99" in clock.line()
    assert found.to_json()["clocks"][0]["side"] == "ahead"


def test_a_clock_that_is_behind_what_its_message_cites_is_said():
    found = wrong_clock(-1000)
    (clock,) = found.clocks
    assert (clock.device, clock.side) == ("mill-0", "behind")
    assert found.clean


def test_what_is_within_the_tolerance_is_not_said():
    assert wrong_clock(40).clocks == []
    assert wrong_clock(40, tolerance=10).clocks != []


def test_without_witnesses_one_ledger_bounds_from_above():
    (clock,) = wrong_clock(1000, witnesses=0, quorum="none").clocks
    assert (clock.device, clock.side) == ("mill-0", "ahead")


def test_a_wrong_clock_hides_no_tampering():
    world, fleet = small_world()
    world.collect("c0", [fleet[0].message((world.now + 1000) * US)])
    world.anchor_now()
    world.ledger.message_rows[3].payload = b"{}"
    found = audit_of(world)
    assert not found.clean
    assert found.clocks
