"""How late a replay was: percentiles of any number of lines, in memory that stays."""

import random

from hypothesis import given
from hypothesis import strategies as st

from recorder.report import Lateness


def counted(values):
    late = Lateness()
    for value in values:
        late.add(value)
    return late


def test_of_none_everything_is_zero():
    late = counted([])
    assert (late.count, late.percentile(50), late.most, late.last) == (0, 0.0, 0.0, 0.0)


@given(
    st.lists(st.floats(min_value=0, max_value=1e5), min_size=1, max_size=50),
    st.integers(1, 100),
)
def test_a_percentile_is_the_nearest_rank_or_a_hundredth_more(values, percent):
    late = counted(values)
    exact = sorted(values)[-(-len(values) * percent // 100) - 1]
    found = late.percentile(percent)
    assert exact * (1 - 1e-9) <= found <= max(exact * 1.0101, 1e-6)
    assert (late.most, late.last, late.count) == (max(values), values[-1], len(values))


def test_memory_does_not_grow_with_the_lines():
    chance = random.Random(1)
    late = counted(chance.expovariate(1000) for _ in range(20_000))
    assert len(late._steps) < 1500
