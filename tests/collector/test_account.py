"""What a collector says of itself: the sum holds at every moment, and what is wrong is said."""

from collections import Counter
from types import SimpleNamespace

import pytest

from collector.account import Account, Moment
from collector.counting import Door

SECOND = 1_000_000


def outcome(**counts):
    known = {
        "stored": 0,
        "duplicates": 0,
        "own": 0,
        "refused": 0,
        "statuses": {},
        "causes": {},
        "made": (),
    }
    return SimpleNamespace(**{**known, "commit_seconds": 0.01, **counts})


def holds(balance):
    return balance.received == sum(
        (balance.stored, balance.duplicates, balance.refused, balance.in_flight)
    )


def test_the_sum_holds_before_during_and_after_a_commit():
    account = Account()
    account.look = lambda: Moment(door=Door(10, 10), connected=True)
    assert holds(account.balance())
    assert account.balance().in_flight == 10

    account.begin(8, at=1.0)
    account.look = lambda: Moment(door=Door(13, 5), connected=True)
    assert holds(account.balance())
    assert account.balance().in_flight == 13

    counts = {
        "stored": 4,
        "duplicates": 2,
        "own": 1,
        "refused": 1,
        "causes": {"failed": 1},
        "statuses": {"accepted": 4},
    }
    account.settle(outcome(**counts), seconds=0.2, now=SECOND)
    balance = account.balance()
    assert holds(balance)
    assert (balance.received, balance.stored, balance.in_flight, balance.own) == (12, 4, 5, 1)
    assert account.statuses == Counter(accepted=4)
    assert account.causes == Counter(failed=1)


def test_a_message_that_is_lost_between_door_and_commit_breaks_the_sum():
    account = Account()
    account.look = lambda: Moment(door=Door(10, 0), connected=True)
    account.begin(9, at=1.0)
    assert not holds(account.balance())


def test_delays_are_from_each_messages_own_time_and_never_negative():
    account = Account()
    made = (8 * SECOND, 9 * SECOND, 12 * SECOND)
    account.settle(outcome(stored=3, made=made), seconds=0.1, now=10 * SECOND)
    assert account.delays.total == pytest.approx(3.0)
    assert account.delays.count == 3
    assert account.batch_sizes.total == 3


@pytest.mark.parametrize(
    ("connected", "since", "says"),
    [
        (True, None, None),
        (False, None, "not connected to the broker"),
        (True, 96.0, None),
        (True, 90.0, "the store has not taken a batch for 10 s"),
    ],
)
def test_it_says_why_it_is_not_ready(connected, since, says):
    account = Account()
    account.look = lambda: Moment(connected=connected)
    if since is not None:
        account.begin(1, at=since)
    assert account.impediment(100.0) == says


def test_before_it_runs_nothing_is_counted_and_it_is_not_ready():
    account = Account()
    assert holds(account.balance())
    assert account.impediment(0.0) == "not connected to the broker"
