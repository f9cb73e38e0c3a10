"""Time from both sides: witnesses and outside ledgers together, in proofs of one and of many."""

import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_range import ranged
from verify_logs import MemorySource
from verify_world import START, US, World, small_world

from anchor.errors import Refused
from anchor.ledgers.ledger import Stamp
from anchor.policy import Cosigned, Policy, Witness, write_policy
from anchor.proof_file import ProofFile
from anchor.proving.prove import ProvingLog, prove
from anchor.proving.range_prove import prove_range
from anchor.proving.range_verify import verify_range
from anchor.proving.verify import verify
from anchor.range_file import RangeFile
from anchor.reading.log_reader import LogReader
from anchor.time_bounds import Bound, not_after, not_before
from anchor.tree_head import Checkpoint

sys.path.append(str(Path(__file__).parents[1] / "anchor_writer"))

from notary import Notary
from notary import receipt_of as notary_receipt

NAMES = ("w0", "w1", "w2")
HEAD = Checkpoint("x", 1, bytes(32))


def policy_of(quorum, witnesses=3):
    world = World(witnesses)
    known = [Witness(name, key.verifier) for name, key in world.witnesses.items()]
    data = write_policy(world.anchor.verifier, world.operator.verifier, known, quorum)
    return Policy.from_bytes(data)


def seen(**times):
    return Cosigned(HEAD, times, b"")


def stamp(ledger, time, lacking=None, sources=()):
    return Stamp(ledger, "ots", time, "somebody", lacking, sources=sources)


# -- the rule ---------------------------------------------------------------------------------


def test_a_stamp_stands_in_for_one_witness_that_is_missing():
    policy = policy_of(2)
    cosigned = seen(w0=100, w1=500)
    assert not_after(policy, [cosigned], []) == Bound(500, ("w0", "w1"))
    assert not_after(policy, [cosigned], [stamp("a", 200)]) == Bound(200, ("w0",), ("a",))
    two = [stamp("a", 50), stamp("b", 60)]
    assert not_after(policy, [cosigned], two) == Bound(60, (), ("a", "b"))


def test_a_ledger_that_lies_alone_moves_nothing():
    policy = policy_of(2)
    cosigned = seen(w0=100, w1=101)
    assert not_after(policy, [cosigned], [stamp("liar", 1)]).time == 100
    # Two stamps of one ledger are one word.
    twice = [stamp("liar", 1), stamp("liar", 2)]
    assert not_after(policy, [cosigned], twice).time == 100


def test_one_liar_under_two_names_has_one_word():
    policy = policy_of(2)
    cosigned = seen(w0=100, w1=101)
    twice = [stamp("alice", 1, sources=("bitcoin",)), stamp("bob", 2, sources=("bitcoin",))]
    assert not_after(policy, [cosigned], twice) == Bound(100, ("w0",), ("alice",))
    # Without witnesses as well: two names are no two ledgers that agree.
    other = stamp("tsa", 300, sources=("key 17",))
    nobody = policy_of("none", 0)
    assert not_after(nobody, [], [*twice, other]) == Bound(300, (), ("alice", "tsa"))
    # A source is no name: a ledger that is called as another's source is itself.
    assert not_after(policy, [cosigned], [twice[0], stamp("bitcoin", 2)]).time == 2


def test_one_ledger_has_one_word_whatever_its_stamps_lead_to():
    """A ledger with an old and a new root holds both keys."""
    policy, cosigned = policy_of(2), seen(w0=100, w1=101)
    twice = [stamp("office", 1, sources=("key 1",)), stamp("office", 2, sources=("key 2",))]
    assert not_after(policy, [cosigned], twice).time == 100


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 1, 0)])
def test_stamps_that_share_a_source_with_a_third_are_one_word(order):
    policy, cosigned = policy_of(2), seen(w0=100, w1=101)
    chain = [
        stamp("a", 1, sources=("key 1", "key 2")),
        stamp("b", 2, sources=("key 2", "key 3")),
        stamp("c", 3, sources=("key 3", "key 4")),
    ]
    found = not_after(policy, [cosigned], [chain[place] for place in order])
    assert found == Bound(100, ("w0",), ("a",))


def test_what_lacks_something_bounds_nothing():
    policy = policy_of("none", 0)
    assert not_after(policy, [], [stamp("a", 7, "a block's header")]) is None


def test_without_a_quorum_two_ledgers_agree_or_one_is_believed_alone():
    policy = policy_of("none", 0)
    assert not_after(policy, [], []) is None
    assert not_after(policy, [], [stamp("a", 7)]) == Bound(7, (), ("a",))
    assert not_after(policy, [], [stamp("a", 7), stamp("b", 9)]) == Bound(9, (), ("a", "b"))


def test_a_witness_counts_by_the_earliest_tree_in_which_it_saw_the_entry():
    policy = policy_of("all", 2)
    found = not_after(policy, [seen(w0=100, w1=900), seen(w0=300, w1=300)], [])
    assert found == Bound(300, ("w0", "w1"))


def test_who_vouches_from_below_are_those_who_cosigned_no_earlier():
    assert not_before(policy_of(2), seen(w0=100, w1=200, w2=300)) == Bound(200, ("w1", "w2"))


@given(
    st.dictionaries(st.sampled_from(NAMES), st.integers(1, 9)),
    st.dictionaries(st.sampled_from("ab"), st.integers(1, 9)),
    st.sampled_from([2, 3]),
    st.sampled_from([*NAMES, "a", "b"]),
    st.integers(1, 9),
)
def test_no_single_liar_moves_the_bound_below_every_honest_word(times, stamps, quorum, liar, lie):
    """With a quorum of two or more, a time before the earliest honest one is never found."""
    honest = [t for name, t in {**times, **stamps}.items() if name != liar]
    told = {**times, liar: lie} if liar in NAMES else times
    said = {**stamps, liar: lie} if liar not in NAMES else stamps
    found = not_after(
        policy_of(quorum), [seen(**told)], [stamp(name, t) for name, t in said.items()]
    )
    assert found is None or (honest and found.time >= min(honest))


# -- in proofs -----------------------------------------------------------------------------------


def receipt_of(note, time):
    return notary_receipt(sha256(note).hexdigest(), time)


def put(world, note, name, time):
    """Store a receipt over a published checkpoint; the notary's word is its time."""
    path = f"receipts/{sha256(note).hexdigest()}/{name}.ots"
    world.published[path] = receipt_of(note, time)


@pytest.fixture
def stamped():
    """Three checkpoints; `a` stamped the second and third, `b` the third alone."""
    world, fleet = small_world()
    notes = [one["checkpoint"] for one in world.published_at]
    put(world, notes[1], "a", START + 100)
    put(world, notes[2], "a", START + 200)
    put(world, notes[2], "b", START + 300)
    vouchers = {name: Notary(None, name) for name in ("a", "b")}
    return world, fleet, notes, vouchers


def reader(world):
    return LogReader(MemorySource(world.published), world.anchor.verifier)


def proof_of(world, position, vouchers):
    row = next(r for r in world.ledger.message_rows if r.position == position)
    return prove(
        ledger=world.ledger, log=reader(world), policy=world.policy, row=row, vouchers=vouchers
    )


def test_a_proof_holds_for_each_ledger_its_earliest_stamp_over_the_message(stamped):
    world, _, notes, vouchers = stamped
    first = proof_of(world, 0, vouchers)
    assert [(one.checkpoint, [r.ledger for r in one.receipts]) for one in first.stamped] == [
        (notes[1], ["a"]),
        (notes[2], ["b"]),
    ]
    second = proof_of(world, 5, vouchers)
    # Its own checkpoint is the stamped one, and is not written twice.
    assert second.stamped[0].checkpoint is None
    assert ProofFile.from_bytes(first.to_bytes()) == first


def test_a_proof_opens_no_checkpoint_that_has_nothing_new(stamped, monkeypatch):
    """A ledger that is pinned and never stamps would have every later one opened."""
    world, fleet, _, vouchers = stamped
    for _ in range(10):
        world.collect("c0", [fleet[0].message(world.time())])
        put(world, world.anchor_now(), "a", world.now)
    opened = []
    read = type(world.policy).read
    monkeypatch.setattr(
        type(world.policy), "read", lambda self, note: opened.append(note) or read(self, note)
    )
    never = {**vouchers, "never": Notary(None, "never")}
    assert len(proof_of(world, 0, never).stamped) == 2
    assert len(set(opened)) <= 4


def test_verify_says_both_bounds_and_each_ledgers_word(stamped):
    world, _, _, vouchers = stamped
    verified = verify(proof_of(world, 0, vouchers).to_bytes(), world.policy, vouchers)
    assert [(s.ledger, s.time) for s in verified.stamps] == [("a", START + 100), ("b", START + 300)]
    said = "\n".join(verified.lines())
    assert "Ledger a: a log that contains it was there by " in said
    assert "says the notary." in said
    assert verified.to_json()["not_after_by"] == {"witnesses": ["w0", "w1"], "ledgers": []}


def test_a_message_that_cites_is_bounded_from_both_sides(stamped):
    world, _, _, vouchers = stamped
    verified = verify(proof_of(world, 5, vouchers).to_bytes(), world.policy, vouchers)
    assert verified.not_before < verified.made < verified.not_after
    assert any("a checkpoint that is old" in gap for gap in verified.not_proven)


def test_without_witnesses_the_sentence_says_on_what_it_rests():
    world, _ = small_world(witnesses=0, quorum="none")
    note = world.published_at[0]["checkpoint"]
    put(world, note, "a", START + 100)
    vouchers = {"a": Notary(None, "a")}
    verified = verify(proof_of(world, 0, vouchers).to_bytes(), world.policy, vouchers)
    assert verified.not_after == (START + 100) * US
    assert any("ledger a had stamped a log that contains it; this rests on that ledger alone" in x
               for x in verified.lines())  # fmt: skip


def test_a_ledger_that_is_not_pinned_bounds_nothing_and_is_named(stamped):
    world, _, _, vouchers = stamped
    verified = verify(proof_of(world, 0, vouchers).to_bytes(), world.policy)
    assert verified.stamps == ()
    assert any("ledger a shows; no such ledger is pinned" in gap for gap in verified.not_proven)


def test_a_false_stored_receipt_is_passed_over_and_stops_no_proof(stamped):
    world, _, notes, vouchers = stamped
    path = f"receipts/{sha256(notes[1]).hexdigest()}/a.ots"
    world.published[path] = receipt_of(b"another", START)
    (one,) = proof_of(world, 0, vouchers).stamped
    assert (one.checkpoint, [r.ledger for r in one.receipts]) == (notes[2], ["a", "b"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p, n: stamped_with(p, data=receipt_of(n[0], START)), "of another checkpoint"),
        (lambda p, n: stamped_with(p, data=b"nonsense"), "not a notary's receipt"),
        (lambda p, n: stamped_with(p, kind="tsr"), "the receipt is of kind tsr"),
        (lambda p, n: under(p, n[0]), "A stamped checkpoint does not hold"),
        (lambda p, n: under(p, n[2]), "A stamped checkpoint does not hold"),
        (lambda p, n: under(p, n[1].replace(b"\n5\n", b"\n6\n")), "does not hold"),
    ],
)
def test_a_receipt_or_a_stamped_checkpoint_that_is_false_ends_it(stamped, change, said):
    world, _, notes, vouchers = stamped
    proof = proof_of(world, 0, vouchers)
    with pytest.raises(Refused, match=said):
        verify(change(proof, notes).to_bytes(), world.policy, vouchers)


def stamped_with(proof, **changes):
    first, *others = proof.stamped
    (receipt,) = first.receipts
    changed = replace(first, receipts=(replace(receipt, **changes),))
    return replace(proof, stamped=(changed, *others))


def under(proof, note):
    first, *others = proof.stamped
    return replace(proof, stamped=(replace(first, checkpoint=note), *others))


def test_every_byte_of_what_is_stamped_counts(stamped):
    world, _, _, vouchers = stamped
    data = proof_of(world, 0, vouchers).to_bytes()
    good, start = verify(data, world.policy, vouchers), data.index(b'"stamped"')
    for place in range(start, len(data), 7):
        changed = bytearray(data)
        changed[place] ^= 1
        try:
            found = verify(bytes(changed), world.policy, vouchers)
        except Refused:
            continue
        # A ledger's name, which makes it one that nobody pinned.
        assert len(found.stamps) == 1
        assert found.not_after == good.not_after


def test_a_proof_holds_so_many_receipts_and_no_more(stamped):
    """Each costs its reader time; a folder full of them makes no proof that nobody reads."""
    world, _, notes, vouchers = stamped
    for number in range(70):
        put(world, notes[1], f"junk-{number}", START)
    proof = proof_of(world, 0, vouchers)
    assert sum(len(one.receipts) for one in proof.stamped) == 64
    assert verify(proof.to_bytes(), world.policy, vouchers).not_after is not None
    (first, *_) = proof.stamped
    more = replace(proof, stamped=(first, replace(first, receipts=first.receipts[:1])))
    with pytest.raises(Refused, match="more than 64 receipts"):
        verify(more.to_bytes(), world.policy, vouchers)


def test_a_range_carries_stamps_as_well(stamped):
    world, fleet, _, vouchers = stamped
    known = ProvingLog.scan(reader(world), world.policy, vouchers)
    file = prove_range(ledger=ranged(world), known=known, device=fleet[0].name, start=0, stop=2**51)
    assert RangeFile.from_bytes(file.to_bytes()) == file
    verified = verify_range(file.to_bytes(), world.policy, vouchers)
    assert {s.ledger for s in verified.stamps} == {"a", "b"}
    assert any("Ledger b: " in line for line in verified.lines())
    plain = replace(file, parts=tuple(replace(part, stamped=()) for part in file.parts))
    assert b'"version":1' in plain.to_bytes()
    assert verify_range(plain.to_bytes(), world.policy).stamps == ()


@pytest.mark.parametrize("time", [-1, -(10**12), 253_402_300_800, 2**63])
def test_a_ledger_that_states_no_time_of_ours_is_refused(stamped, time):
    world, _, notes, vouchers = stamped
    proof = proof_of(world, 0, vouchers)
    false = stamped_with(proof, data=receipt_of(notes[1], time))
    with pytest.raises(Refused, match="outside of the years 1970 to 9999"):
        verify(false.to_bytes(), world.policy, vouchers)
