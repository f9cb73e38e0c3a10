"""The log's side of witnessing: nothing that a witness says is believed unchecked."""

import asyncio
from contextlib import closing

import httpx
import pytest
from anchor_plant import ORIGIN, Plant, key_of, open_net, witness_key
from structlog.testing import capture_logs

from anchor import policy
from anchor.checkpoint import Checkpoint, sign_checkpoint
from anchor.cosignature import cosign
from anchor.errors import Diverged, Malformed, Missing, Refused
from anchor.keeping.add_checkpoint import AddCheckpoint, Seen
from anchor.keeping.witness import Witness
from anchor.keeping.witness_client import WitnessClient, gather
from anchor.merkle import consistency_path, leaf_hash, tree_root
from anchor.note import COSIGNATURE, Note


class LeafTree:
    """A tree over leaf hashes in memory."""

    def __init__(self, count, salt=b""):
        self.leaves = [leaf_hash(salt + bytes([n])) for n in range(count)]

    @property
    def size(self):
        return len(self.leaves)

    def root_at(self, size):
        return tree_root(self.leaves[:size])

    def consistency(self, old, size):
        return consistency_path(self.leaves[:size], old)

    def note(self, key, size=None):
        size = self.size if size is None else size
        return sign_checkpoint(Checkpoint(ORIGIN, size, self.root_at(size)), key)


class Rig:
    """One log, its witnesses, and what it asks of them."""

    def __init__(self, folder):
        self.plant = Plant()
        self.key = self.plant.key
        self.net = open_net(self.plant, folder, ["w1", "w2"])
        self.policy = self.plant.policy(["w1", "w2"], "any")

    def run(self, ask, tree, names=("w1",)):
        async def go():
            async with self.net.client() as http:
                clients = [
                    WitnessClient(
                        witness=self.policy.witnesses[name],
                        log=self.key.verifier,
                        tree=tree,
                        http=http,
                    )
                    for name in names
                ]
                return await ask(*clients)

        return asyncio.run(go())

    def cosign(self, tree, note=None):
        return self.run(lambda client: client.cosign(note or tree.note(self.key)), tree)


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    with closing(rig.net):
        yield rig


def test_the_first_checkpoint_and_the_next_are_cosigned(rig):
    for size in (3, 3, 7):
        tree = LeafTree(size)
        signature = rig.cosign(tree)
        note = Note.from_bytes(tree.note(rig.key)).with_signatures(signature).to_bytes()
        assert list(rig.policy.open(note).times) == ["w1"]


def test_a_known_size_saves_the_conflict(rig):
    async def twice(client):
        for size in (3, 5):
            await client.cosign(tree.note(rig.key, size))

    tree = LeafTree(5)
    rig.run(twice, tree)
    assert rig.net.asked == ["GET w1", "POST w1", "POST w1"]


def test_a_conflict_is_followed_by_a_proof_from_the_size_that_the_witness_names(rig):
    """Somebody else submitted our checkpoint meanwhile (tlog-witness lets a monitor do so)."""

    async def behind(client):
        await client.compare()
        submit_elsewhere(rig, tree.note(rig.key, 3))
        return await client.cosign(tree.note(rig.key))

    tree = LeafTree(5)
    assert rig.run(behind, tree).name == "witness.example/w1"
    assert rig.net.asked == ["GET w1", "POST w1", "POST w1"]


def test_a_witness_that_tells_less_than_it_cosigned_is_reported_and_harms_nobody(rig):
    """Its state was put back, or is gone: by what it is shown it could cosign another tree."""
    cosigned = Note.from_bytes(LeafTree(9).note(rig.key))
    cosigned = cosigned.with_signatures(rig.cosign(LeafTree(9)))
    rig.net.states["w1"].advance(ORIGIN, lambda _: seen_at(rig, LeafTree(4)))

    async def again(client):
        client.remember(cosigned, 9)
        await client.cosign(LeafTree(12).note(rig.key))
        rig.net.states["w1"].advance(ORIGIN, lambda _: seen_at(rig, LeafTree(5)))
        return await client.cosign(LeafTree(12).note(rig.key))

    with capture_logs() as said:
        assert rig.run(again, LeafTree(12)).name == "witness.example/w1"
    back = [(event["says"], event["cosigned"]) for event in said]
    assert back == [(4, 9), (5, 12)]
    assert {event["event"] for event in said} == {"witness-went-back"}


def seen_at(rig, tree):
    return Seen(tree.size, tree.root_at(tree.size), tree.note(rig.key))


def submit_elsewhere(rig, note):
    """Another client of the witness w1, that goes straight to it."""
    witness = Witness(
        keys=[witness_key("w1")],
        logs=rig.net.logs,
        state=rig.net.states["w1"],
        clock=lambda: 1_764_000_000,
    )
    witness.add_checkpoint(AddCheckpoint(0, (), note).to_bytes())


def test_a_witness_ahead_of_us_stops_the_log(rig):
    """An old backup: our own key signed more than this copy holds."""
    rig.cosign(LeafTree(9))
    with pytest.raises(Diverged, match=r"9 entries.*this copy of the log has 4"):
        rig.run(lambda client: client.compare(), LeafTree(4))
    with pytest.raises(Diverged):
        rig.cosign(LeafTree(4))
    assert len(rig.net.sent) == 1


@pytest.mark.parametrize("size", [9, 12])
def test_a_witness_of_another_tree_stops_the_log(rig, size):
    rig.cosign(LeafTree(9))
    with pytest.raises(Diverged, match="another tree of 9 entries"):
        rig.cosign(LeafTree(size, b"other"))


def test_a_fork_that_comes_later_is_found_at_the_refusal(rig):
    async def forked(client):
        await client.compare()
        submit_elsewhere(rig, LeafTree(5, b"other").note(rig.key))
        await client.cosign(tree.note(rig.key))

    tree = LeafTree(5)
    with pytest.raises(Diverged, match="another tree of 5 entries"):
        rig.run(forked, tree)


# -- witnesses that lie or fail -------------------------------------------------------------


def answering(rig, tree, post, get=None):
    """Cosign against a witness that answers with these statuses and bodies."""

    def handle(request):
        status, body = (get or (404, b"")) if request.method == "GET" else post
        return httpx.Response(status, content=body)

    rig.net.apps["w1"] = httpx.MockTransport(handle)
    return rig.cosign(tree)


def lines(*signatures):
    return Note("\n", signatures).to_bytes().removeprefix(b"\n\n")


def test_a_conflict_with_a_size_beyond_us_counts_only_if_our_key_signed_it(rig):
    tree = LeafTree(3)
    with pytest.raises(Missing, match="has cosigned 99 entries already"):
        answering(rig, tree, (409, b"99\n"))
    with pytest.raises(Diverged):
        answering(rig, tree, (409, b"99\n"), (200, LeafTree(99).note(rig.key)))


@pytest.mark.parametrize("body", [b"", b"-1\n", b"01\n", b"3 \n", b"\xff\n", b"9" * 30])
def test_a_conflict_without_a_size_is_malformed(rig, body):
    with pytest.raises(Malformed):
        answering(rig, LeafTree(3), (409, body))


def test_a_head_that_our_key_did_not_sign_is_no_evidence(rig):
    forger = key_of("x").from_seed(ORIGIN, bytes(32))
    with pytest.raises(Refused, match=r"does not hold|not signed"):
        answering(rig, LeafTree(3), (200, b""), (200, LeafTree(99).note(forger)))


@pytest.mark.parametrize("status", [400, 403, 404, 422, 429, 500, 301])
def test_other_statuses_are_a_witness_that_does_not_cosign(rig, status):
    with pytest.raises(Missing, match=f"status {status}: no\\b"):
        answering(rig, LeafTree(3), (status, b"no\n"))


def test_a_cosignature_counts_only_if_it_holds(rig):
    tree = LeafTree(3)
    text = Note.from_bytes(tree.note(rig.key)).text
    other_text = Note.from_bytes(LeafTree(4).note(rig.key)).text
    stranger = cosign(key_of("stranger", COSIGNATURE), text, 5)
    good = cosign(witness_key("w1"), text, 5)
    assert answering(rig, tree, (200, lines(stranger, good))) == good
    for bad in (
        lines(stranger),
        lines(cosign(witness_key("w2"), text, 5)),
        lines(cosign(witness_key("w1"), other_text, 5)),
        lines(cosign(witness_key("w1"), text, 0)),
        lines(good, cosign(witness_key("w1"), text, 6)),
        b"",
        b"ok\n",
        b"x" * (1 << 21),
    ):
        with pytest.raises((Refused, Malformed)):
            answering(rig, tree, (200, bad))


def test_a_witness_that_does_not_answer_is_missing(rig):
    rig.net.down.add("w1")
    with pytest.raises(Missing, match="does not answer at http://w1/"):
        rig.cosign(LeafTree(3))


def test_a_policy_without_url_has_no_client(rig):
    witness = policy.Witness("w", witness_key("w").verifier)
    with pytest.raises(ValueError, match="no URL"):
        WitnessClient(witness=witness, log=rig.key.verifier, tree=LeafTree(1), http=None)


# -- several at once ------------------------------------------------------------------------


def gathered(rig, tree, **options):
    async def ask(*clients):
        note = tree.note(rig.key)
        return await gather(
            clients, note, **{"enough": rig.policy.met_by, "timeout": 5.0, "grace": 0.0} | options
        )

    return rig.run(ask, tree, ("w1", "w2"))


class Silent(httpx.AsyncBaseTransport):
    """Never answers."""

    def __init__(self):
        self.cancelled = False

    async def handle_async_request(self, request):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


def test_all_are_asked_at_once(rig):
    found = gathered(rig, LeafTree(3), grace=5.0)
    assert sorted(found.signatures) == ["w1", "w2"]
    assert found.failures == {}


def test_one_that_is_down_does_not_stop_the_others(rig):
    rig.net.down.add("w1")
    found = gathered(rig, LeafTree(3))
    assert list(found.signatures) == ["w2"]
    assert "does not answer" in found.failures["w1"]


def test_enough_does_not_wait_for_a_silent_one(rig):
    silent = rig.net.apps["w1"] = Silent()
    found = gathered(rig, LeafTree(3), timeout=600.0)
    assert list(found.signatures) == ["w2"]
    assert found.failures == {"w1": "it did not answer in time"}
    assert silent.cancelled


def test_too_few_end_with_the_time(rig):
    silent = rig.net.apps["w1"] = Silent()
    found = gathered(rig, LeafTree(3), enough=lambda names: len(list(names)) > 1, timeout=0.05)
    assert list(found.signatures) in (["w2"], [])
    assert "w1" in found.failures
    assert silent.cancelled


def test_one_diverged_witness_stops_all(rig):
    rig.cosign(LeafTree(9))
    rig.net.apps["w2"] = Silent()
    with pytest.raises(Diverged):
        gathered(rig, LeafTree(4), timeout=600.0)


def test_no_witness_is_nothing_gathered(rig):
    async def nobody(*_clients):
        return await gather([], b"", enough=lambda _: False, timeout=1.0)

    found = rig.run(nobody, LeafTree(1))
    assert (found.signatures, found.failures) == ({}, {})


def test_a_head_that_a_former_key_signed_fits_up_to_where_it_was_rotated(rig):
    """The witness remembers what the old key signed; the log has another key by now."""
    rig.cosign(LeafTree(3))
    old, new = rig.key, rig.key.from_seed(rig.key.name, bytes(32))

    def compare(size):
        async def go():
            async with rig.net.client() as http:
                client = WitnessClient(
                    witness=rig.policy.witnesses["w1"],
                    log=new.verifier,
                    tree=LeafTree(5),
                    http=http,
                    former=[policy.FormerLog(old.verifier, size)],
                )
                await client.compare()
                return client.heard

        return asyncio.run(go())

    assert compare(3)
    with pytest.raises(Refused, match="counts up to size 2"):
        compare(2)
