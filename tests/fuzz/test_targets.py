"""Any bytes at every parser of bytes from outside: taken, or refused by its declared error.

The same table as `make fuzz`, which goes on for longer and by coverage.
"""

import os

import pytest
from fuzz_mutations import mutated, swollen
from fuzz_table import names, target
from fuzz_target import attempt, measured
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FEW = 30
# The suite tries the same ones each time; FUZZ_EXAMPLES=1000 tries so many others.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", FEW))
NAMES = names()


@pytest.mark.parametrize("name", NAMES)
def test_a_valid_example_is_taken(name):
    tried = target(name)
    for seed in tried.seeds():
        assert attempt(tried, seed), seed[:300]


@pytest.mark.parametrize("name", NAMES)
@settings(
    max_examples=EXAMPLES, derandomize=EXAMPLES == FEW, deadline=None, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(data=st.data())
def test_a_changed_example_is_taken_or_refused(name, data):
    tried = target(name)
    attempt(tried, data.draw(mutated(tuple(tried.seeds()), tried.tokens)))


@pytest.mark.parametrize("name", NAMES)
def test_long_and_deep_inputs_stay_within_bounds(name):
    tried = target(name)
    for seed in tried.seeds():
        attempt(tried, seed)  # what is imported and kept once is not the input's
    for data in swollen(tuple(tried.seeds()), tried.tokens, tried.swollen):
        measured(tried, data)
