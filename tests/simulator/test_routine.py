"""Routines: machines go through the PackML states by themselves, whatever the step."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import routine
from simulator.chance import Chance
from simulator.machines.kind import Mode
from simulator.packml import DONE, TRANSITIONS, State

LEGAL = {(at, after) for (at, _), after in TRANSITIONS.items()} | set(DONE.items())


def walk(seed, seconds, dt):
    rng = Chance(seed)
    now, states = routine.begin(rng), [State.STOPPED]
    drives = []
    for _ in range(round(seconds / dt)):
        now, entered = routine.advance(now, dt, rng)
        states += entered
        drives.append((now.state, now.drive))
    return states, drives


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.01, 0.25, 1.0, 7.3, 60.0]))
def test_every_step_is_one_that_packml_allows(seed, dt):
    states, _ = walk(seed, 400 * dt, dt)
    assert set(itertools.pairwise(states)) <= LEGAL


def test_all_17_states_are_visited_and_most_time_is_production():
    states, drives = walk(3, 60_000, 1.0)
    assert set(states) == set(State)
    producing = sum(state is State.EXECUTE for state, _ in drives) / len(drives)
    assert 0.6 < producing < 0.95


def test_production_starts_within_a_quarter_of_a_minute():
    for seed in range(50):
        states, _ = walk(seed, 15, 0.5)
        assert State.EXECUTE in states


def test_off_and_standby_do_no_work_and_production_does():
    _, drives = walk(5, 5_000, 1.0)
    for state, drive in drives:
        assert 0.0 <= drive.load <= 1.0
        if drive.mode is not Mode.RUN:
            assert drive.work == 0.0
        if state in {State.STOPPED, State.ABORTED}:
            assert drive.mode is Mode.OFF
    assert max(drive.work for _, drive in drives) > 0.8


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_mode_and_a_dwell_of_a_second_or_more(state):
    assert isinstance(routine.mode_of(state), Mode)
    low, high = routine.DWELL[state]
    assert 1_000 <= low <= high
