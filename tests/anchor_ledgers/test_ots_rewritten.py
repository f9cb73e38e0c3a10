"""A log that was written anew with every key there is, against Bitcoin's word on the old one.

The time bounds with it: receipts swapped, grafted onto another message's proof, or grown.
"""

import asyncio
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from ots_counterpart import LEAST_WORK, Calendar, Chain, closing_all

sys.path.append(str(Path(__file__).parents[1] / "anchor_verify"))

from test_audit_outside import rewritten
from verify_logs import MemorySource
from verify_world import START, small_world

from anchor.audit.receipts import Outside, kept_in
from anchor.audit.whole import audit
from anchor.errors import Refused
from anchor.ledgers.ots.block import read_headers
from anchor.ledgers.ots.ledger import OtsLedger
from anchor.ledgers.ots.voucher import OtsVoucher
from anchor.ledgers.ots.web import open_client
from anchor.proving.prove import prove
from anchor.proving.verify import verify
from anchor.reading.log_reader import LogReader


@pytest.fixture
def stamped():
    """A log whose first two checkpoints a calendar led into two blocks; who pins both."""
    world, _ = small_world()
    chain = Chain(when=START - 7200 - 3600)  # a miner whose clock is wrong, or who lies
    calendar = Calendar(chain)
    with closing_all(calendar, chain):
        for published in world.published_at[:2]:
            put(world, published["checkpoint"], receipt_of(published["checkpoint"], calendar))
        headers = read_headers(chain.pinned(), LEAST_WORK)
    return world, {"btc": OtsVoucher("btc", headers)}


def receipt_of(note, calendar):
    async def run():
        ledger, tickets = OtsLedger("btc", [calendar.url], open_client()), [None]

        async def keep(ticket):
            tickets.append(ticket)

        try:
            assert await ledger.advance(note, None, keep) is None
            calendar.mine()
            return await ledger.advance(note, tickets[-1], keep)
        finally:
            await ledger.aclose()

    return asyncio.run(run())


def place(note):
    return f"receipts/{sha256(note).hexdigest()}/btc.ots"


def put(world, note, receipt):
    world.published[place(note)] = receipt


def audit_of(world, pinned, kept=()):
    log = LogReader(MemorySource(world.published), world.anchor.verifier)
    outside = Outside(pinned, tuple(kept))
    return audit(ledger=world.ledger, log=log, policy=world.policy, outside=outside)


def proof_of(world, position, pinned):
    log = LogReader(MemorySource(world.published), world.anchor.verifier)
    row = next(r for r in world.ledger.message_rows if r.position == position)
    return prove(ledger=world.ledger, log=log, policy=world.policy, row=row, vouchers=pinned)


def test_a_log_rewritten_with_every_key_is_caught_by_bitcoin_alone(stamped):
    world, pinned = stamped
    assert audit_of(world, pinned).clean
    kept = tuple(kept_in(MemorySource(world.published), "kept/"))
    false = rewritten()
    # Machines, collector, operator, log and witnesses: the same keys, and nothing inside tells.
    assert false.policy == world.policy
    assert audit_of(false, pinned).clean
    found = audit_of(false, pinned, kept)
    assert {finding.kind for finding in found.findings} == {"log-forked"}
    assert all("Bitcoin block 8400" in finding.detail for finding in found.findings)
    # Without its header as well: that the log signed both is seen, when it did is not.
    bare = audit_of(false, {"btc": OtsVoucher("btc")}, kept)
    assert {finding.kind for finding in bare.findings} == {"log-forked"}
    assert all("saw it by" not in finding.detail for finding in bare.findings)


def test_a_receipt_of_the_rewritten_log_comes_too_late(stamped):
    """Whoever rewrites may stamp again, today: no block of the past takes it."""
    world, pinned = stamped
    false = rewritten()
    note = false.published_at[0]["checkpoint"]
    put(false, note, world.published[place(world.published_at[0]["checkpoint"])])
    (finding,) = audit_of(false, pinned).findings
    assert finding.kind == "receipt-false"
    assert "of another checkpoint" in finding.detail


def test_receipts_that_are_swapped_are_found_and_in_no_proof(stamped):
    world, pinned = stamped
    one, two = (published["checkpoint"] for published in world.published_at[:2])
    both = world.published
    both[place(one)], both[place(two)] = both[place(two)], both[place(one)]
    kinds = [finding.kind for finding in audit_of(world, pinned).findings]
    assert kinds == ["receipt-false", "receipt-false"]
    assert proof_of(world, 0, pinned).stamped == ()


def test_a_receipt_beside_the_proof_of_another_message_is_refused(stamped):
    world, pinned = stamped
    early, late = proof_of(world, 0, pinned), proof_of(world, 11, pinned)
    assert early.stamped
    assert late.stamped == ()
    grafted = replace(late, stamped=early.stamped)
    with pytest.raises(Refused, match=r"(stamped checkpoint|receipt of ledger btc) does not hold"):
        verify(grafted.to_bytes(), world.policy, pinned)
    # Nor under the late one's own checkpoint, nor with a path that leads elsewhere.
    receipts = early.stamped[0].receipts
    (first,) = proof_of(world, 5, pinned).stamped
    for stamp in (
        replace(first, checkpoint=None, path=(), receipts=receipts),
        replace(first, checkpoint=world.published_at[0]["checkpoint"], receipts=receipts),
    ):
        with pytest.raises(Refused, match="does not hold"):
            verify(replace(late, stamped=(stamp,)).to_bytes(), world.policy, pinned)


def test_a_ledger_pinned_under_two_names_has_one_word(stamped):
    world, pinned = stamped
    voucher = pinned["btc"]
    twice = {"btc": voucher, "alice": replace(voucher, name="alice")}
    note = world.published_at[0]["checkpoint"]
    path = place(note)
    world.published[path.replace("btc.ots", "alice.ots")] = world.published[path]
    proof = proof_of(world, 0, twice)
    assert {one.ledger for stamp in proof.stamped for one in stamp.receipts} == {"btc", "alice"}
    verified = verify(proof.to_bytes(), world.policy, twice)
    assert len(verified.after_by.ledgers) <= 1
    # Blocks that claim to be from before the witnesses' times, under both names: the quorum of
    # two is not met by them.
    assert verified.after_by.witnesses
