"""Who may connect when; times are arguments, chance is the whole wait."""

from hypothesis import given
from hypothesis import strategies as st

from telemetry.admission import Admission, Hush
from telemetry.backoff import Backoff

SURE = Backoff(first=1.0, limit=8.0, chance=lambda: 1.0)


def admitted(door, now=0.0):
    """Everybody who may try now."""
    found = []
    while (one := door.next(now)) is not None:
        found.append(one)
    return found


def test_no_more_at_a_time_than_the_door_is_wide():
    door = Admission(SURE, at_once=3)
    door.add(range(10))
    assert admitted(door) == [0, 1, 2]
    door.succeeded()
    assert admitted(door) == [3]
    door.passed()
    assert admitted(door) == [4]


def test_who_failed_waits_longer_each_time():
    door = Admission(SURE)
    for tries, wait in enumerate([1.0, 2.0, 4.0, 8.0, 8.0]):
        door.add_later("a", tries, 100.0)
        assert door.due(100.0) == 100.0 + wait
        assert admitted(door, 100.0 + wait - 0.1) == []
        assert admitted(door, 100.0 + wait) == ["a"]
        door.failed(0.0)
        door.succeeded()


def test_waits_are_jittered_between_a_half_and_the_whole():
    for chance, wait in ((0.0, 0.5), (1.0, 1.0)):
        door = Admission(Backoff(first=1.0, chance=lambda chance=chance: chance))
        door.add_later("a", 0, 0.0)
        assert door.due(0.0) == wait


def test_a_failure_halves_the_door_and_a_success_widens_it_by_one():
    door = Admission(SURE, at_once=8)
    door.add(range(100))
    assert len(admitted(door)) == 8
    for _ in range(8):
        door.failed(0.0)
    assert len(admitted(door)) == 1
    for width in range(2, 9):
        door.succeeded()
        found = admitted(door)
        assert len(found) == width
        for _ in found[1:]:
            door.passed()


def test_where_nobody_comes_through_all_wait_and_the_first_success_ends_it():
    door = Admission(SURE, at_once=64)
    door.add(range(64))
    assert len(admitted(door)) == 64
    for _ in range(64):
        door.failed(10.0)
    door.add(["new"])
    assert admitted(door, 10.0) == []
    assert door.due(10.0) == 18.0
    assert admitted(door, 18.0) == ["new"]
    door.succeeded()
    door.add(["next"])
    assert admitted(door, 18.1) == ["next"]


STEPS = ["new", "good", "bad", "pass"]


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 5)), max_size=60))
def test_nobody_is_forgotten_and_the_door_is_never_wider_than_it_may(steps):
    door, now, new, trying, wanting = Admission(SURE, at_once=4), 0.0, 0, [], set()

    def let_in():
        found = admitted(door, now)
        assert wanting.issuperset(found)
        wanting.difference_update(found)
        trying.extend(found)
        assert len(trying) <= 4

    for step, number in steps:
        if step == "new":
            door.add(range(new, new + number))
            wanting.update(range(new, new + number))
            new += number
        elif trying:
            one = trying.pop()
            if step == "bad":
                door.failed(now)
                door.add_later(one, number, now)
                wanting.add(one)
            else:
                {"good": door.succeeded, "pass": door.passed}[step]()
        now += number / 2
        let_in()
    for _ in range(new + 1):
        while trying:
            trying.pop()
            door.succeeded()
        now += 10.0
        let_in()
    assert not wanting


def test_many_troubles_are_one_line_a_second():
    said = []
    hush = Hush(lambda trouble, unsaid: said.append((trouble, unsaid)))
    for number in range(30):
        hush.tell(number, 5.0 + number / 10)
    assert said == [(0, 0), (10, 9), (20, 9)]


def test_a_pause_that_ends_between_the_two_questions_is_still_told():
    door = Admission(SURE)
    for _ in range(9):
        door.add("a")
        assert admitted(door) == ["a"]
        door.failed(0.0)
    door.add("b")
    assert door.next(1.9) is None
    assert door.due(1.9) == 2.0
    assert door.due(2.1) == 2.1
    assert admitted(door, 2.1) == ["b"]
    assert door.due(2.1) is None
