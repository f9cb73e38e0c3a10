"""Observations counted into buckets, one by one or many at once: the same."""

from hypothesis import given
from hypothesis import strategies as st

from telemetry.histogram import Histogram

VALUES = st.lists(st.integers(-5, 50) | st.floats(0, 50))
BOUNDS = st.lists(st.integers(0, 40), min_size=1, unique=True).map(sorted)


@given(BOUNDS, st.lists(VALUES))
def test_each_bound_counts_what_is_at_most_that(bounds, batches):
    histogram = Histogram(bounds)
    for batch in batches:
        histogram.observe_all(batch)
    seen = [value for batch in batches for value in batch]
    assert histogram.upto == tuple(sum(value <= bound for value in seen) for bound in bounds)
    assert histogram.count == len(seen)
    assert abs(histogram.total - sum(seen)) < 1e-6 * (1 + len(seen))


def test_one_at_a_time_is_the_same():
    one, all_ = Histogram((1, 2)), Histogram((1, 2))
    for value in (0.5, 2, 3):
        one.observe(value)
    all_.observe_all((3, 0.5, 2))
    assert (
        (one.upto, one.total, one.count) == (all_.upto, all_.total, all_.count) == ((1, 2), 5.5, 3)
    )
