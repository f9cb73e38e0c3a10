"""Stores counted together: what is missing in all of them, and what more than one has."""

from hypothesis import given
from hypothesis import strategies as st

from collector.joining import Part, joined
from collector.stats import Gap, Stats

SESSIONS = st.sampled_from([("press-1", "a"), ("press-1", "b"), ("mill-2", "a")])
STORE = st.dictionaries(SESSIONS, st.sets(st.integers(0, 25), min_size=1))


def spans(numbers):
    """Ascending numbers as first and last of each run."""
    runs = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return runs


def gaps_of(store):
    return tuple(
        Gap(*session, first, last)
        for session in sorted(store)
        for first, last in spans(set(range(max(store[session]))) - store[session])
    )


def part(store):
    claims = sum(len(numbers) for numbers in store.values())
    stats = Stats(
        received=claims + 1,
        stored=claims,
        duplicates=1,
        refused=0,
        in_flight=0,
        own=0,
        batches=1,
        statuses={"accepted": claims},
        gaps=gaps_of(store),
    )
    return Part(stats, claims, {session: max(numbers) for session, numbers in store.items()})


@given(st.lists(STORE, min_size=1, max_size=4))
def test_gaps_and_copies_are_those_of_one_store_with_everything(stores):
    whole = {}
    for store in stores:
        for session, numbers in store.items():
            whole.setdefault(session, set()).update(numbers)

    found = joined([part(store) for store in stores])

    assert found.gaps == gaps_of(whole)
    distinct = sum(len(numbers) for numbers in whole.values())
    assert found.copies == found.stored - distinct
    assert found.conserved
    assert found.statuses == {"accepted": found.stored}


def test_one_store_is_itself():
    alone = part({("press-1", "a"): {0, 1, 4}})
    assert joined([alone]) == alone.stats
