"""What is missing and what does not follow on, whatever the order in which messages come."""

import itertools
import random
from collections import Counter, defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.continuity import DELAY, Continuity, Link, joined
from collector.stats import Gap, Standing


def link(seq, prev="x", body=None, position=0):
    return Link("press-1", "s", seq, named(prev), named(body or f"b{seq}"), position)


def named(text):
    return None if text is None else text.encode().ljust(32, b".")


def chain(first, last, position=0):
    return [link(seq, f"b{seq - 1}", position=position + seq) for seq in range(first, last + 1)]


def spans(runs):
    return [(run.first, run.last) for run in runs]


def taken(continuity, now=1000.0, **how):
    return {p: spans(runs) for p, runs in continuity.take(now, most=100, **how).items()}


DATABASES = ("sqlite", "postgresql")

PLACE = ("press-1", "s")


def test_what_follows_on_costs_no_look():
    continuity = Continuity()
    continuity.note(chain(0, 5), 0.0)
    ((place, (run,)),) = continuity.take(1000.0, most=1).items()
    assert (place, run.first, run.last) == (PLACE, 0, 5)
    continuity.settle([(place, run)], [])
    continuity.note(chain(6, 500), 1.0)
    assert not continuity.due(1000.0)
    assert continuity.unseen(77) == 77
    continuity.note([link(501, "another")], 2.0)
    assert taken(continuity) == {PLACE: [(501, 501)]}


def test_a_look_waits_for_what_is_only_late():
    continuity = Continuity()
    continuity.note([*chain(0, 1), *chain(3, 3)], 0.0)
    assert not continuity.due(DELAY / 2)
    assert taken(continuity, DELAY / 2) == {}
    continuity.note([*chain(2, 2), *chain(4, 6)], DELAY / 2)
    assert continuity.due(DELAY)
    assert taken(continuity, DELAY) == {PLACE: [(0, 6)]}


def test_what_was_looked_at_in_the_middle_is_looked_at_again_when_it_grows():
    """A late run that goes on fills more of the gap above it."""
    continuity = Continuity()
    continuity.note(chain(5, 6), 0.0)
    continuity.take(1000.0, most=1)  # and not settled: it is not the end of its session
    continuity.note(chain(7, 8), 1.0)
    assert taken(continuity) == {PLACE: [(7, 8)]}


def test_runs_that_do_not_name_one_another_stay_apart():
    continuity = Continuity()
    continuity.note([*chain(0, 1), link(2, "another"), link(3, "b2")], 0.0)
    assert taken(continuity) == {PLACE: [(0, 1), (2, 3)]}


def test_a_restart_begins_at_the_first_message_that_was_not_looked_at():
    continuity = Continuity()
    continuity.note(chain(3, 9, position=100), 0.0)
    continuity.note([Link("press-2", "s", 0, None, bytes(32), 200)], 0.0)
    assert continuity.unseen(300) == 103
    continuity.take(1000.0, most=1)
    assert continuity.unseen(300) == 200


@given(st.permutations(range(12)))
def test_runs_join_whatever_their_order(order):
    continuity = Continuity()
    for seq in order:
        continuity.note([link(seq, f"b{seq - 1}")], 0.0)
    runs = [
        run for found in continuity.take(0.0, everything=True, most=1).values() for run in found
    ]
    assert spans(runs) == [(0, 11)]
    assert joined([]) == []


# -- on the store ------------------------------------------------------------------------------


def shown(works):
    stats = works.reader().stats()
    gaps = [(gap.device, gap.session[-2:], gap.first, gap.last) for gap in stats.gaps]
    return gaps, [(one.kind, one.session[-2:], one.seq) for one in stats.breaks]


def survey(feed):
    feed.ledger.survey(everything=True)


def test_gaps_are_shown_with_since_when_and_closed_by_late_delivery(works, feed):
    machine = works.machine("press-1")
    sent = [machine.message() for _ in range(10)]
    feed.take(sent[0], at=1000)
    feed.take(sent[4], sent[5], at=2000)
    feed.take(sent[9], at=3000)
    survey(feed)
    gaps = works.reader().stats().gaps
    assert [(gap.first, gap.last, gap.since) for gap in gaps] == [(1, 3, 2000), (6, 8, 3000)]
    feed.take(sent[2], at=4000)
    survey(feed)
    gaps = works.reader().stats().gaps
    assert [(g.first, g.last, g.since) for g in gaps] == [(1, 1, 2000), (3, 3, 2000), (6, 8, 3000)]
    feed.take(sent[6], sent[7], sent[8], sent[1], at=5000)
    survey(feed)
    assert [(gap.first, gap.last) for gap in works.reader().stats().gaps] == [(3, 3)]
    feed.take(sent[3])
    survey(feed)
    assert works.reader().stats().gaps == ()
    assert works.reader().stats().breaks == ()


def test_a_session_that_starts_late_lacks_its_beginning(works, feed):
    machine = works.machine("press-1")
    sent = [machine.message() for _ in range(3)]
    feed.take(sent[2])
    survey(feed)
    assert shown(works)[0] == [("press-1", "aa", 0, 1)]


def restarted(machine, session, *, lost=False):
    """The machine again, in a new session that goes on from its last message."""
    again = type(machine)(machine.name, machine.seed, session=f"00000000000000{session}")
    again.prev = None if lost else machine.prev
    return again


def test_a_new_session_goes_on_from_the_last(works, feed):
    machine = works.machine("press-1")
    feed.take(*[machine.message() for _ in range(3)])
    again = restarted(machine, "bb")
    feed.take(*[again.message() for _ in range(3)])
    survey(feed)
    assert shown(works) == ([], [])


@pytest.mark.parametrize("together", [False, True])
def test_a_clone_is_found_whichever_of_the_two_goes_on_first(works, feed, together):
    """Its session is another: only the `prev` that both name gives it away."""
    machine = works.machine("press-1")
    feed.take(*[machine.message() for _ in range(3)])
    survey(feed)
    clone = restarted(machine, "bb")
    feed.take(*[clone.message() for _ in range(2)])
    if not together:
        survey(feed)
        assert shown(works) == ([], [])  # no more than a restart, so far
    feed.take(*[machine.message() for _ in range(2)])
    survey(feed)
    assert shown(works)[1] == [("fork", "bb", 0)]
    (fork,) = works.reader().stats().breaks
    assert (fork.other_session, fork.other_seq) == (machine.session, 3)


def test_two_sessions_that_go_on_from_one_message_are_a_fork(works, feed):
    machine = works.machine("press-1")
    feed.take(machine.message())
    one, two = restarted(machine, "bb"), restarted(machine, "cc")
    feed.take(one.message(), two.message())
    survey(feed)
    assert [kind for kind, _, _ in shown(works)[1]] == ["fork"]


def test_what_stands_is_counted_for_whoever_watches(works, feed):
    """By the survey, in the tables that it keeps: nobody else reads the store for it."""
    machine, other = works.machine("press-1"), works.machine("press-2")
    assert feed.ledger.standing is None
    sent = [machine.message() for _ in range(8)]
    begun = other.message()
    clones = [restarted(other, session).message() for session in ("bb", "cc")]
    feed.take(sent[0], sent[3], sent[7], begun, *clones)
    survey(feed)
    assert feed.ledger.standing == Standing(gaps=2, missing=2 + 3, forks=1)
    feed.take(*sent[4:7])
    survey(feed)
    assert feed.ledger.standing == Standing(gaps=1, missing=2, forks=1)


def test_a_fork_is_said_once_and_in_the_log(works, feed, quiet_log):
    machine = works.machine("press-1")
    feed.take(machine.message())
    clone = restarted(machine, "bb")
    for one in (clone, machine):
        feed.take(one.message())
        survey(feed)
    feed.take(clone.message(), machine.message())
    survey(feed)
    alarms = [line for line in quiet_log if line["event"].startswith("fork")]
    assert [(line["log_level"], line["device"]) for line in alarms] == [("error", "press-1")]


def test_a_message_that_names_another_than_the_one_before_it(works, feed):
    machine = works.machine("press-1")
    feed.take(machine.message(), machine.message())
    machine.prev = bytes(32)
    feed.take(machine.message(), machine.message())
    survey(feed)
    assert shown(works) == ([], [("link", "aa", 2)])


def test_a_lost_outbox_is_a_break_and_the_first_session_is_none(works, feed):
    machine = works.machine("press-1")
    feed.take(machine.message())
    feed.take(restarted(machine, "bb", lost=True).message())
    survey(feed)
    assert shown(works) == ([], [("lost", "bb", 0)])


def test_a_start_whose_predecessor_comes_later_is_mended(works, feed):
    machine = works.machine("press-1")
    first, last = machine.message(), machine.message()
    feed.take(first, restarted(machine, "bb").message())
    survey(feed)
    assert shown(works) == ([], [("start", "bb", 0)])
    feed.take(last)
    survey(feed)
    assert shown(works) == ([], [])


def test_a_crash_before_the_look_loses_nothing(works, feed_for):
    machine = works.machine("press-1")
    sent = [machine.message() for _ in range(6)]
    with works.open() as store:
        feed_for(works.live(store).ledger).take(sent[0], sent[3])
    with works.open() as store:
        ledger = works.live(store).ledger
        assert shown(works)[0] == []
        feed_for(ledger).take(sent[5])
        ledger.survey(everything=True)
    assert [gap[2:] for gap in shown(works)[0]] == [(1, 2), (4, 4)]
    with works.open() as store:  # and a third process has nothing left to look at
        ledger = works.live(store).ledger
        assert not ledger._continuity._loose


def history(chance, works):
    """Two machines' messages with what each is: restarts, clones and lost messages among them."""
    sent = []
    for name in ("press-1", "press-2"):
        machine = works.machine(name)
        for session in range(chance.randint(1, 4)):
            machine = restarted(machine, f"{session:02x}") if session else machine
            clone = None
            for _ in range(chance.randint(1, 8)):
                sent.append(
                    (machine.name, machine.session, machine.seq, machine.prev, machine.message())
                )
                if clone is None and chance.random() < 0.1:
                    clone = restarted(machine, f"c{session}")
                elif clone is not None and chance.random() < 0.5:
                    sent.append((clone.name, clone.session, clone.seq, clone.prev, clone.message()))
    if chance.random() < 0.7:
        chance.shuffle(sent)
    return [one for one in sent if chance.random() > 0.15]


def expected(stored):
    """Missing numbers and doubly named messages, by looking at everything."""
    numbers = defaultdict(set)
    for device, session, seq, _, _ in stored:
        numbers[device, session].add(seq)
    missing = {
        (*place, seq) for place, seqs in numbers.items() for seq in set(range(max(seqs))) - seqs
    }
    named = Counter((device, prev) for device, _, _, prev, _ in stored if prev is not None)
    return missing, {device for (device, _), count in named.items() if count > 1}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_any_order_of_sessions_clones_losses_and_restarts(tmp_path_factory, makers, seed):
    Works, Feed = makers  # noqa: N806 - classes
    chance = random.Random(seed)
    works = Works(tmp_path_factory.mktemp("any"))
    stored = history(chance, works)
    left = [one[-1] for one in stored]
    while left:
        with works.open() as store:
            feed = Feed(works.live(store).ledger)
            for _ in range(chance.randint(1, 5)):
                many = chance.randint(1, 10)
                feed.take(*left[:many])
                del left[:many]
                if chance.random() < 0.5:
                    survey(feed)
            if not left:
                survey(feed)
    stats = works.reader().stats()
    missing, forked = expected(stored)
    shown_missing = [
        (gap.device, gap.session, seq)
        for gap in stats.gaps
        for seq in range(gap.first, gap.last + 1)
    ]
    assert len(shown_missing) == len(set(shown_missing)) == stats.missing
    assert set(shown_missing) == missing
    assert {one.device for one in stats.breaks if one.kind == "fork"} == forked
    works.close()


def test_a_store_of_an_older_release_shows_its_gaps_before_and_after_it_is_opened(works, feed_for):
    machine = works.machine("press-1")
    sent = [machine.message() for _ in range(6)]
    with works.open() as store:
        feed_for(works.live(store).ledger).take(sent[1], sent[4], at=7000)
        with store.writing() as connection:
            connection.exec_driver_sql("DROP VIEW readings")
            decoding = ("decoded", "births", "decodings", "redecodings")
            for table in ("gaps", "sessions", "breaks", "erasures", *decoding):
                connection.exec_driver_sql(f"DROP TABLE {table}")
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0002'")
            connection.exec_driver_sql("DELETE FROM counters WHERE name = 'surveyed'")
    assert [gap[2:] for gap in shown(works)[0]] == [(0, 0), (2, 3)]
    with works.open() as store:
        gaps = works.reader().stats().gaps
        assert [(gap.first, gap.last, gap.since) for gap in gaps] == [(0, 0, 7000), (2, 3, 7000)]
        feed = feed_for(works.live(store).ledger)
        feed.take(sent[0], sent[2])
        survey(feed)
    assert [gap[2:] for gap in shown(works)[0]] == [(3, 3)]


@given(st.integers(0, 5), st.integers(0, 12), st.sets(st.integers(0, 20)))
def test_of_a_gap_stays_what_is_not_there(first, length, there):
    gap = Gap("d", "s", first, first + length, 7)
    inside = sorted(number for number in there if gap.first <= number <= gap.last)
    parts = list(gap.without(inside))
    missing = [number for part in parts for number in range(part.first, part.last + 1)]
    assert missing == [n for n in range(gap.first, gap.last + 1) if n not in there]
    assert all(a.last + 1 < b.first for a, b in itertools.pairwise(parts))
    assert {part.since for part in parts} <= {7}
