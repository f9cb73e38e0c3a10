"""When an anchor looks, on a clock of its own; and a service that goes by it."""

import asyncio
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_service import Running, until

from anchor.schedule import Schedule
from factoryledger.settings import Settings


def look_at(schedule, arrivals):
    """The moment of the next look, where batches come at these seconds after the last one."""
    now = 0.0
    while not schedule.is_due(now, sum(at <= now for at in arrivals)):
        pause = schedule.pause(now)
        assert pause > 0
        now += pause
    return now


@pytest.mark.parametrize(
    ("schedule", "arrivals", "at"),
    [
        (Schedule(1.0), [], 1.0),
        (Schedule(1.0), [0.1] * 100, 1.0),
        (Schedule(3600), [0.1], 3600),
        (Schedule(3600, batches=3, glance=0.25), [0.1, 7.0, 9.1], 9.25),
        (Schedule(3600, batches=3, glance=0.25), [0.1, 7.0], 3600),
        (Schedule(3600, batches=1, glance=0.25), [0.0], 0.0),
        (Schedule(0.1, batches=3, glance=0.25), [], 0.1),
    ],
)
def test_a_look_comes_by_time_or_by_count(schedule, arrivals, at):
    assert look_at(schedule, arrivals) == pytest.approx(at)


@given(
    st.lists(st.floats(0, 20), max_size=10),
    st.floats(0.01, 10),
    st.integers(0, 5),
)
def test_no_look_is_later_than_time_or_count_and_a_glance_allow(arrivals, every, batches):
    schedule = Schedule(every, batches)
    at = look_at(schedule, arrivals)
    due = sorted(arrivals)[batches - 1] if 0 < batches <= len(arrivals) else every
    assert at <= min(every, due + schedule.glance) + 1e-9
    assert at >= min(every, due) - 1e-9


def test_by_default_a_commit_is_seen_within_a_second():
    """What is left of the two seconds to a cosigned checkpoint is the witnesses'."""
    every = Settings.model_fields["every"].default
    assert look_at(Schedule(every), [0.001]) <= 1.0


def test_a_service_with_a_long_interval_anchors_when_enough_batches_wait(tmp_path):
    """An hour is never waited for: two batches leave it resting, the third wakes it."""
    running = Running(tmp_path)
    with closing(running.net):

        async def go():
            stop, ready = asyncio.Event(), asyncio.Event()
            options = dict(once=False, every=3600, every_batches=3, stop=stop, on_ready=ready.set)
            running.plant.collector().commit()
            task = asyncio.create_task(running.run(**options))
            await until(lambda: len(running.announced) == 1)
            for due in (2, 3):
                for _ in range(3):
                    assert len(running.announced) == due - 1
                    running.plant.collector().commit()
                await until(lambda due=due: len(running.announced) == due)
            stop.set()
            await task

        asyncio.run(go())
        assert running.check().checkpoint.size == 8
