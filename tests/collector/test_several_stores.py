"""Stores of several collectors read as one: gaps, copies, and sessions that change stores."""

from contextlib import closing

import pytest

from collector.errors import StoreUnavailable
from factoryledger.stores import Stores, Tailed


@pytest.fixture
def shares(works, another_works, feed_for):
    """Two collectors with a store each, the same machines, and both read as one."""
    with works.open() as one, another_works.open() as two:
        feeds = [
            feed_for(works.live(one, new_id="c0ffee0000000001").ledger),
            feed_for(another_works.live(two, new_id="c0ffee0000000002").ledger),
        ]
        machine = works.machine("press-1")
        another_works.enrol(machine)
        with closing(Stores(lambda: [works.url, another_works.url])) as stores:
            yield machine, feeds, stores


def settle(feeds):
    """What surveys would find after a while, now."""
    for feed in feeds:
        feed.ledger.survey(everything=True)


def test_a_session_shared_out_has_no_gap(shares):
    machine, (east, west), stores = shares
    sent = [machine.message() for _ in range(20)]
    east.take(*sent[::2])
    west.take(*sent[1::2])
    settle((east, west))
    assert all(store.stats().gaps for store in stores.stores)
    found = stores.stats()
    assert (found.gaps, found.breaks, found.copies, found.stored) == ((), (), 0, 20)
    assert found.conserved


def test_a_gap_of_both_is_a_gap_and_a_copy_counts_once(shares):
    machine, (east, west), stores = shares
    sent = [machine.message() for _ in range(10)]
    east.take(*sent[:4])
    west.take(sent[3], *sent[6:])
    settle((east, west))
    found = stores.stats()
    assert [(gap.first, gap.last) for gap in found.gaps] == [(4, 5)]
    assert (found.stored, found.copies) == (9, 1)


def test_a_session_that_goes_on_from_a_message_in_another_store_starts_somewhere(shares):
    machine, (east, west), stores = shares
    east.take(*[machine.message() for _ in range(3)])
    machine.session, machine.seq = "00000000000000bb", 0
    west.take(*[machine.message() for _ in range(3)])
    settle((east, west))
    assert [one.kind for one in stores.stores[1].stats().breaks] == ["start"]
    assert stores.stats().breaks == ()


def test_a_session_that_goes_on_from_nothing_is_shown(shares):
    machine, (east, west), stores = shares
    east.take(*[machine.message() for _ in range(3)])
    machine.message()  # lost on its way
    machine.session, machine.seq = "00000000000000bb", 0
    west.take(machine.message())
    settle((east, west))
    assert [one.kind for one in stores.stats().breaks] == ["start"]


def test_a_store_that_cannot_be_read_stops_who_audits_and_not_who_anchors(shares, works):
    machine, (east, west), stores = shares
    east.take(machine.message())
    west.take(machine.message())
    tailed = Tailed(stores)
    there = {row.id for row in tailed.collectors()}
    assert there == {"c0ffee0000000001", "c0ffee0000000002"}
    assert {len(list(tailed.batches(collector))) for collector in there} == {1}
    gone = Stores(lambda: [works.url])
    gone.urls = lambda: [works.url, f"{works.url}.not-there"]
    with closing(gone):
        assert [row.id for row in Tailed(gone).collectors()] == ["c0ffee0000000001"]
        with pytest.raises(StoreUnavailable, match="no store"):
            gone.collectors()
