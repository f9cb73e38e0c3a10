"""Look-ups of numbers and bodies, against a plain dictionary."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector import claims as claims_module
from collector.batch import Claim
from collector.claims import StoredClaims

DATABASES = ("sqlite", "postgresql")

numbers = st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["s", "t"]), st.integers(0, 60))
HUGE = 2**63 - 1


def claim(store, wanted):
    rows = [(*number, "c", position, b"%d" % position) for position, number in enumerate(wanted)]
    if rows:
        with store.writing() as connection:
            connection.exec_driver_sql("INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?)", rows)
    return {row[:3]: Claim(row[5], row[3]) for row in rows}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sets(numbers, max_size=30), st.sets(numbers, max_size=30)), max_size=4)
)
def test_what_is_claimed_is_found_and_nothing_else(store, rounds):
    with store.writing() as connection:
        connection.exec_driver_sql("DELETE FROM claims")
    stored, known = StoredClaims(store), {}
    for asked, new in rounds:
        assert stored.numbers(asked) == {n: known[n] for n in asked if n in known}
        fresh = sorted(new - set(known))
        stored.numbers(fresh)
        known |= claim(store, fresh)
        stored.committed(fresh)
    assert stored.numbers(known) == known
    assert StoredClaims(store).numbers(known) == known


def test_numbers_far_apart_are_found(store):
    known = claim(store, [("a", "s", 0), ("a", "s", 5_000_000), ("a", "s", HUGE)])
    asked = [*known, ("a", "s", 1), ("a", "s", HUGE - 1)]
    assert StoredClaims(store).numbers(asked) == known


def test_many_sessions_are_forgotten_and_learned_again(store, monkeypatch):
    monkeypatch.setattr(claims_module, "_MARKS", 3)
    stored = StoredClaims(store)
    known = claim(store, [("a", f"s{number}", 5) for number in range(8)])
    for number in range(8):
        old, new = ("a", f"s{number}", 5), ("a", f"s{number}", 6)
        assert stored.numbers([old, new]) == {old: known[old]}
    assert stored.numbers(known) == known


def test_more_sightings_than_one_statement_holds(store):
    rows = [(b"%032d" % n, "conflict", None, None, None, "c", n) for n in range(1300)]
    with store.writing() as connection:
        connection.exec_driver_sql("INSERT INTO sightings VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    wanted = {(row[0], "conflict") for row in rows} | {(b"%032d" % 1, "revoked")}
    assert StoredClaims(store).sightings(wanted) == wanted - {(b"%032d" % 1, "revoked")}
    assert StoredClaims(store).sightings(set()) == set()
