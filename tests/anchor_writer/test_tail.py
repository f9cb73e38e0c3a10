"""What the tail lets into the log, in which order, and whom a refusal stops."""

from dataclasses import replace
from hashlib import sha256

import pytest
from anchor_plant import ORIGIN, T0, Plant, key_of
from hypothesis import given
from hypothesis import strategies as st

from anchor.checkpoint import Checkpoint, sign_checkpoint
from anchor.correction import Correction, Subject, seal
from anchor.errors import Malformed, Missing, Refused
from anchor.keeping.contents import Contents, describe
from anchor.keeping.tail import Tail
from anchor.key_entry import enrol


class Following:
    """A tail over a plant, and what it refused."""

    def __init__(self, plant):
        self.plant = plant
        self.refusals = []
        self.tail = Tail(Contents(ORIGIN, plant.authority), self.refusals.append)

    def next(self, limit=4096):
        return self.tail.next(self.plant, self.plant, limit)

    def all(self, limit=4096):
        found = []
        while entries := self.next(limit):
            found += entries
        return found


@pytest.fixture
def following(plant):
    return Following(plant)


def test_a_collectors_key_then_its_batches_in_order(following):
    one = following.plant.collector()
    notes = [one.commit(n) for n in (1, 5, 2)]
    assert following.next() == [one.entry, *notes]
    assert following.next() == []
    assert following.next() == []
    later = one.commit()
    assert following.next() == [later]
    assert following.refusals == []


def test_key_entries_come_before_the_first_batch_that_applied_them_and_once(following):
    plant = following.plant
    device = plant.request(plant.enrol_device("d"))
    one, two = plant.collector("one"), plant.collector("two")
    first = one.commit()
    one.apply(device)
    second = one.commit()
    two.apply(device)
    third = two.commit()
    assert following.next() == [one.entry, first, device, second, two.entry, third]


def test_requests_are_public_even_when_no_collector_runs(following):
    plant = following.plant
    device = plant.request(plant.enrol_device("d"))
    revoked = plant.request(plant.revoke("device", "d", device))
    assert following.next() == [device, revoked]
    assert following.next() == []


def test_a_collector_that_a_request_certifies_follows_at_once(following):
    plant = following.plant
    one = plant.collector()
    plant.request(one.entry)
    one.applied.clear()
    note = one.commit()
    assert following.next() == [one.entry, note]
    assert following.refusals == []


def test_what_was_committed_before_a_revocation_stands_before_it(following):
    plant = following.plant
    one = plant.collector()
    note = one.commit()
    revoked = plant.request(plant.revoke("collector", "one", one.entry))
    assert following.next() == [one.entry, note, revoked]
    one.commit()
    assert following.next() == []
    assert "revoked" in following.refusals[0].reason


def test_a_request_that_cannot_hold_yet_waits_for_what_it_needs(following):
    plant = following.plant
    device = plant.enrol_device("d")
    revoked = plant.request(plant.revoke("device", "d", device))
    assert following.next() == []
    plant.request(device)
    assert following.next() == [device]
    assert following.next() == [revoked]


def refused(following, what, others):
    """The collector is stopped, the refusal said once, the others go on."""
    assert following.all() == others
    assert following.next() == []
    assert len(following.refusals) == 1
    refusal = following.refusals[0]
    assert what in refusal.reason
    return refusal


def test_a_batch_signed_by_another_key_stops_only_its_collector(following):
    one, two = following.plant.collector("one"), following.plant.collector("two")
    one.commit()
    forger = key_of("forger")
    forger = forger.from_seed(one.key.name, bytes(32))
    batch = one.batches[0]
    forged = sign_checkpoint(Checkpoint(one.key.name, 1, batch.root), forger)
    one.batches[0] = replace(batch, checkpoint=forged)
    note = two.commit()
    refusal = refused(following, "not signed by", [one.entry, two.entry, note])
    assert (refusal.collector, refusal.what) == ("one", "batch 0")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda b: replace(b, number=7), "batch 1 is not there"),
        (lambda b: replace(b, start=0, size=3), "starts at 0, the one before ended at 1"),
        (lambda b: replace(b, size=9), "the row says size 10"),
        (lambda b: replace(b, root=bytes(32)), "the row says size 3"),
        (lambda b: replace(b, keys=5), "had applied 5 key entries, 1 are there"),
        (lambda b: replace(b, checkpoint=b"x"), "a note needs"),
    ],
)
def test_a_row_that_does_not_continue_is_refused(following, change, reason):
    one = following.plant.collector()
    note = one.commit()
    one.commit(2)
    one.batches[1] = change(one.batches[1])
    refused(following, reason, [one.entry, note])


def test_a_batch_again_is_refused(following):
    """Re-inserted under the next number, with a start to match."""
    one = following.plant.collector()
    notes = [one.commit(), one.commit()]
    one.batches.append(replace(one.batches[1], number=2, start=2, size=0))
    refused(following, "ends at 2, the one before at 2 already", [one.entry, *notes])


def test_a_collector_without_a_key_entry_is_refused(following):
    one = following.plant.collector()
    one.applied.clear()
    one.commit()
    refused(following, "enrols collector one", [])


def test_a_key_entry_that_the_operator_did_not_sign_stops_the_collector(following):
    one = following.plant.collector()
    key = key_of("d")
    one.apply(
        enrol(operator=key_of(f"{ORIGIN}/operator2"), kind="device", name="d", key=key, time=0)
    )
    one.commit()
    refusal = refused(following, "key entry", [one.entry])
    assert refusal.what.startswith("key entry")


def plant_of_another_operator():
    plant = Plant()
    plant.operator = plant.operator.from_seed(plant.operator.name, bytes(32))
    return plant


def test_a_refused_request_is_said_once_and_stops_nothing(following):
    plant = following.plant
    plant.request(b"rubbish")
    device = plant.request(plant.enrol_device("d"))
    assert refused(following, "", [device]).what.startswith("request ")


def test_a_refused_item_is_taken_once_it_is_mended(following):
    one = following.plant.collector()
    one.commit()
    whole = one.batches[0]
    one.batches[0] = replace(whole, root=bytes(32))
    assert following.next() == [one.entry]
    one.batches[0] = whole
    assert following.next() == [whole.checkpoint]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3), st.booleans()), max_size=12),
    st.integers(1, 5),
)
def test_whatever_the_limit_the_log_is_whole_and_in_order(commits, limit):
    plant = Plant()
    following = Following(plant)
    found = []
    for number, (name, size, request) in enumerate(commits):
        collector = plant.collector(name)
        if request:
            collector.apply(plant.request(plant.enrol_device(f"d{number}")))
        collector.commit(size)
        found += following.next(limit)
    found += following.all(limit)
    assert following.refusals == []
    assert len(set(found)) == len(found)
    for collector in plant.known.values():
        places = [found.index(batch.checkpoint) for batch in collector.batches]
        assert places == sorted(places)
        for batch, place in zip(collector.batches, places, strict=True):
            assert all(found.index(e) < place for e in collector.applied[: batch.keys])
    # What the tail let in, the rules for what a crash leaves in the folder let in as well.
    again = Contents(ORIGIN, plant.authority)
    for entry in found:
        again.admit(entry)
    assert again.ends == following.tail.contents.ends
    assert again.key_hashes == following.tail.contents.key_hashes


def test_contents_take_no_entry_twice(plant):
    contents = Contents(ORIGIN, plant.authority)
    one = plant.collector()
    note = one.commit()
    for entry in (one.entry, note):
        contents.admit(entry)
        with pytest.raises(Refused):
            contents.admit(entry)


def test_contents_refuse_a_second_key_for_a_collector_but_keep_the_evidence(plant):
    contents = Contents(ORIGIN, plant.authority)
    one = plant.collector()
    contents.admit(one.entry)
    other = enrol(operator=plant.operator, kind="collector", name="one", key=key_of("x"), time=1)
    with pytest.raises(Refused, match="can be rotated"):
        contents.admit_key(other, contradicting=False)
    contents.admit(other)
    assert sha256(other).digest() in contents.key_hashes
    contents.admit(one.commit())


@pytest.mark.parametrize("entry", [b"", b"x\n", b"factoryledger key entry v4\n", bytes(65_536)])
def test_only_key_entries_and_collectors_checkpoints_are_entries(entry):
    with pytest.raises(Malformed):
        describe(ORIGIN, entry)


def test_a_store_that_cannot_be_read_holds_up_no_other(following):
    plant = following.plant
    one, two = plant.collector("one"), plant.collector("two")
    away = [one.commit(), one.commit()]
    there = two.commit()
    whole = plant.batches

    def half(collector, first=0):
        for batch in whole(collector, first):
            if collector == "one" and batch.number == 1:
                raise Missing("the disk is away")
            yield batch

    plant.batches = half
    assert following.next() == [one.entry, away[0], two.entry, there]
    assert following.next() == []
    plant.batches = whole
    assert following.next() == [away[1]]
    assert [(r.collector, r.what, r.unread) for r in following.refusals] == [
        ("one", "its store", True)
    ]


def test_a_correction_waits_for_the_checkpoint_that_holds_its_message(following):
    plant = following.plant
    one = plant.collector()
    subject = Subject("one", 1, bytes(32))
    said = Correction("annotation", subject, "E", "review", "why", T0)
    entry = plant.request(seal(plant.operator, said))
    plant.request(seal(key_of("stranger"), replace(said, reason="mine")))
    first = one.commit()
    assert following.next() == [one.entry, first]
    reasons = [refusal.reason for refusal in following.refusals]
    assert len(reasons) == 2
    assert "which no checkpoint in the log holds" in reasons[0] + reasons[1]
    second = one.commit()
    assert following.next() == [second, entry]
    assert following.next() == []
    assert len(following.refusals) == 2
    with pytest.raises(Refused, match="in the log already"):
        following.tail.contents.admit(entry)
    assert describe(ORIGIN, entry).kind == "correction"
