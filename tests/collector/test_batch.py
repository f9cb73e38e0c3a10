"""The batch's rules, pure: whatever comes, and however it is cut into batches."""

from hashlib import sha256
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.arrived import Arrived
from collector.batch import Claim, Judged, build_batch
from collector.verdict import Verdict
from telemetry.record import Record

ENTRY = sha256(b"entry").digest()


class Memory:
    """`Taken` in memory, fed as the store is."""

    def __init__(self):
        self.claimed = {}
        self.seen = set()

    def numbers(self, wanted):
        return {number: self.claimed[number] for number in wanted if number in self.claimed}

    def sightings(self, wanted):
        return self.seen & set(wanted)

    def commit(self, batch):
        for device, session, seq, collector, _, body in batch.claims:
            assert (device, session, seq) not in self.claimed
            self.claimed[device, session, seq] = Claim(body, collector)
        for row in batch.sightings:
            assert (row[0], row[1]) not in self.seen
            self.seen.add((row[0], row[1]))


def verdict(status, device, seq, body, payload):
    named = status in {"accepted", "revoked"}
    return Verdict(
        status=status,
        payload_hash=sha256(payload).digest(),
        number=(device, "s", seq) if named else None,
        time=seq if named else None,
        key="0123456789abcdef" if named else None,
        entry=ENTRY if named else None,
        keys=0 if status in {"unsigned", "malformed"} else 1,
        body_hash=None
        if status == "unsigned"
        else sha256(f"{device}{seq}{body}".encode()).digest(),
    )


@st.composite
def arrivals(draw):
    status = draw(
        st.sampled_from(
            ["accepted"] * 4
            + ["unsigned", "malformed", "bad-signature", "unknown-device", "revoked"]
        )
    )
    device, seq, body = draw(st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.integers(0, 1)))
    received = draw(st.integers(0, 20))
    payload = f"{device}{seq}{body}".encode()
    return Judged(
        Arrived("t", payload, None, received), verdict(status, device, seq, body, payload)
    )


def in_batches(judged, cuts):
    """Build and commit one batch after the other; give all of them."""
    memory, start, floor, batches = Memory(), 0, 0, []
    edges = [0, *sorted(cut for cut in cuts if cut < len(judged)), len(judged)]
    for first, last in pairwise(edges):
        batch = build_batch(
            judged[first:last], taken=memory, collector="c", start=start, floor=floor
        )
        memory.commit(batch)
        assert batch.refused == []
        start, floor = start + len(batch.records), batch.floor
        batches.append(batch)
    return batches


sequences = st.lists(arrivals(), max_size=40)


@settings(max_examples=150)
@given(sequences, st.sets(st.integers(0, 39), max_size=6))
def test_how_arrivals_are_cut_into_batches_changes_no_record(judged, cuts):
    whole, cut = in_batches(judged, ()), in_batches(judged, cuts)
    for name in ("records", "messages", "claims", "sightings", "receipted"):
        assert [item for batch in whole for item in getattr(batch, name)] == [
            item for batch in cut for item in getattr(batch, name)
        ]


@settings(max_examples=150)
@given(sequences, st.sets(st.integers(0, 39), max_size=6))
def test_every_arrival_ends_as_a_row_or_as_a_duplicate(judged, cuts):
    batches = in_batches(judged, cuts)
    assert sum(len(batch.messages) + batch.duplicates for batch in batches) == len(judged)
    assert sum(sum(batch.statuses.values()) for batch in batches) == sum(
        len(batch.records) for batch in batches
    )


@settings(max_examples=150)
@given(sequences)
def test_the_first_accepted_body_takes_the_number_and_nobody_else_is_receipted(judged):
    (batch,) = in_batches(judged, ())
    first = {}
    for item in judged:
        found = item.verdict
        if found.status == "accepted":
            first.setdefault(found.number, found.body_hash)
    assert {claim[:3]: claim[5] for claim in batch.claims} == first
    for receipted in batch.receipted:
        assert first[receipted.number] == receipted.body_hash


@settings(max_examples=150)
@given(sequences)
def test_records_are_canonical_and_their_times_never_go_back(judged):
    (batch,) = in_batches(judged, ())
    records = [Record.from_bytes(data) for data in batch.records]
    times = [record.received for record in records]
    assert times == sorted(times)
    for record, row in zip(records, batch.messages, strict=True):
        assert (record.received, record.original, record.status) == (row[2], row[3], row[11])
        assert record.payload == sha256(row[5]).digest()


@settings(max_examples=100)
@given(sequences)
def test_a_body_is_stored_once_under_each_status_that_names_no_owner(judged):
    (batch,) = in_batches(judged, ())
    once = [
        (row[16], row[11])
        for row in batch.messages
        if row[11] in {"unknown-device", "revoked", "conflict"}
    ]
    assert len(once) == len(set(once))


def test_nothing_is_receipted_on_account_of_a_message_that_could_not_be_stored():
    """A record that cannot be written takes no number: its resend is no duplicate of it."""
    found = verdict("accepted", "a", 0, 0, b"x")
    broken = Judged(Arrived("t", b"x", None, -1), found)
    good = Judged(Arrived("t", b"x", None, 5), found)
    batch = build_batch(
        [broken, broken, good, good], taken=Memory(), collector="c", start=0, floor=0
    )
    assert (len(batch.refused), len(batch.records), batch.duplicates) == (2, 1, 1)
    assert len(batch.receipted) == 2
    only = build_batch([broken, broken], taken=Memory(), collector="c", start=0, floor=0)
    assert (len(only.refused), only.receipted, only.claims) == (2, [], [])
