"""The topic tree: nothing heard goes uncounted, and what is kept is bounded."""

from collections import Counter

import pytest
from heard import SECOND, START, heard, tree_of
from hypothesis import given
from hypothesis import strategies as st

from watch.topics.memory import LONGEST, Memory
from watch.topics.node import Node
from watch.topics.pace import SLOTS, WIDTH, counts, rate, sparkline
from watch.topics.tree import LEVELS, TopicTree

LEVEL = st.text("ab/", max_size=6)
HEARD = st.lists(
    st.tuples(LEVEL, st.binary(max_size=60), st.integers(0, 40 * SECOND), st.booleans()),
    max_size=120,
)


def filled(messages, **options):
    """A tree that heard these, folded where the last member says so, and at the end."""
    tree, now = TopicTree(START, **options), START
    for topic, payload, passed, fold in messages:
        now += passed
        tree.hear([heard(topic, payload)], now)
        if fold:
            tree.fold(now)
    tree.fold(now)
    return tree, now


def below(node):
    yield node
    for child in node.children.values():
        yield from below(child)


@given(HEARD)
def test_every_message_is_counted_at_its_topic_and_above(messages):
    tree, _ = filled(messages)
    told = Counter(topic for topic, _, _, _ in messages)
    assert {topic: node.count for topic, node in tree.items()} == told
    assert tree.received == tree.root.total == len(messages)
    assert tree.bytes == sum(len(payload) for _, payload, _, _ in messages)
    for node in below(tree.root):
        inside = node.count + sum(child.total for child in node.children.values())
        assert node.total == inside
        assert node.topics == bool(node.count) + sum(c.topics for c in node.children.values())
    assert all(node.topic == topic for topic, node in tree.items())


@given(HEARD)
def test_history_is_the_newest_messages_in_their_order(messages):
    memory = Memory(budget=6000, level=2000, messages=5)
    tree, _ = filled(messages, memory=memory)
    for topic, node in tree.items():
        told = [payload for one, payload, _, _ in messages if one == topic]
        kept = [one.payload for one in node.history]
        assert kept == told[len(told) - len(kept) :]
        assert node.dropped == len(told) - len(kept)
        assert len(kept) <= 5
        times = [one.received for one in node.history]
        assert times == sorted(times)
        assert node.weight == sum(one.weight for one in node.history)
    assert memory.weight == sum(node.weight for _, node in tree.items()) <= 6000
    assert memory.dropped == sum(node.dropped for _, node in tree.items())


@given(HEARD, st.integers(1, 12))
def test_topics_beyond_the_room_are_counted_together(messages, room):
    tree, _ = filled(messages, nodes=room)
    assert tree.nodes == len(list(below(tree.root))) <= room
    assert tree.received == len(messages) == tree.others + tree.root.total


@given(st.lists(st.tuples(LEVEL, st.just(b""), st.integers(0, WIDTH)), max_size=60))
def test_the_last_minute_is_counted_by_slots(messages):
    """Folded after each message, a slot holds exactly what came in it."""
    tree, now = filled([(*one, True) for one in messages])
    at, times = START, []
    for _, _, passed in messages:
        at += passed
        times.append(at // WIDTH)
    slots = range(now // WIDTH - SLOTS + 1, now // WIDTH + 1)
    assert counts(tree.root, now) == [times.count(slot) for slot in slots]


@given(st.lists(st.integers(0, 300 * SECOND), min_size=1, max_size=30))
def test_what_came_while_nothing_was_folded_is_spread_over_that_time(pauses):
    tree, now = TopicTree(START), START
    for passed in pauses:
        tree.hear([heard("a/b")] * 7, now)
        now += passed
        tree.fold(now)
    shown = counts(tree.root, now)
    assert sum(shown) <= 7 * len(pauses)
    if sum(pauses) < (SLOTS - 1) * WIDTH:
        assert sum(shown) == 7 * len(pauses)
    assert counts(tree.root, now) == counts(tree.find("a/b"), now)


def test_a_rate_is_of_the_last_seconds():
    tree = TopicTree(START)
    for second in range(120):
        tree.hear([heard("a")] * 20, START + second * SECOND)
        tree.fold(START + second * SECOND)
    now = START + 119 * SECOND
    assert rate(tree.root, now, tree.since) == pytest.approx(20, rel=0.15)
    assert rate(tree.root, now + 60 * SECOND, tree.since) == 0
    assert counts(tree.root, now + 600 * SECOND) == [0] * SLOTS


def test_a_clock_that_is_put_back_loses_no_count():
    tree = TopicTree(START)
    for now in (START + 100 * SECOND, START + 20 * SECOND, START + 101 * SECOND):
        tree.hear([heard("a")], now)
        tree.fold(now)
    assert sum(counts(tree.root, START + 101 * SECOND)) == 3
    assert tree.root.total == 3


def test_a_quiet_topic_keeps_its_history_beside_a_loud_one():
    memory = Memory(budget=400_000, level=400_000, messages=10_000)
    tree = TopicTree(START, memory)
    tree.hear([heard("quiet", b"q")] * 5, START)
    for number in range(3000):
        tree.hear([heard("loud", b"x" * 500)], START + number)
    assert tree.find("quiet").kept == 5
    assert tree.find("loud").dropped > 0
    assert memory.weight <= memory.budget


def test_where_newest_messages_alone_are_too_many_the_silent_ones_go():
    memory = Memory(budget=200_000)
    tree = TopicTree(START, memory)
    for number in range(1000):
        tree.hear([heard(f"t/{number}", b"x" * 500)], START + number)
    assert memory.weight <= memory.budget
    assert tree.find("t/999").kept == 1
    assert tree.find("t/0").kept == 0
    tree.fold(START + 2000)
    assert tree.root.total == 1000


def test_of_a_long_payload_the_start_is_kept_and_the_size_told():
    tree = tree_of(heard("big", b"x" * 10_000_000))
    (kept,) = tree.find("big").history
    assert (kept.size, len(kept.payload), kept.whole) == (10_000_000, LONGEST, False)
    assert tree.bytes == 10_000_000


def test_a_topic_of_slashes_makes_few_levels():
    topic = "/" * 60_000
    tree = tree_of(heard(topic), heard(topic))
    assert tree.nodes == LEVELS + 1
    assert tree.find(topic).topic == topic
    assert tree.find(topic).count == 2


def test_what_is_drawn_stands_still_until_it_is_folded():
    tree = tree_of(heard("a", b"1"))
    tree.hear([heard("a", b"2"), heard("b", b"3")], START + 9 * SECOND)
    node = tree.find("a")
    assert (node.total, node.shown.payload, tree.received) == (1, b"1", 3)
    tree.fold(START + 10 * SECOND)
    assert (node.total, node.shown.payload, tree.root.total) == (2, b"2", 3)


@given(st.lists(st.integers(0, 10**9), max_size=20))
def test_a_sparkline_shows_every_count_that_is_not_nothing(values):
    drawn = sparkline(values)
    assert len(drawn) == len(values)
    assert [one == " " for one in drawn] == [value == 0 for value in values]


def test_a_node_is_small():
    assert not hasattr(Node("a", None), "__dict__")
