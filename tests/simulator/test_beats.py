"""Beats: each machine once an interval, those that belong together in one part."""

import asyncio
import math
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.beats import PARTS, Beats, parts_for, spread
from simulator.plant import build_plant
from simulator.scenario_file import load_scenario
from simulator.scenario_plant import plant_of


def beaten(beats, most=10_000):
    async def main():
        found = []
        async for one in beats.run():
            found.append(one)
            if len(found) == most:
                beats.stopped.set()
        return found

    return asyncio.run(main())


def fast(interval, duration, parts):
    """Beats that never wait."""
    return Beats(interval, duration, asyncio.Event(), parts, math.inf)


@settings(max_examples=40)
@given(st.integers(1, 7), st.integers(0, 9), st.sampled_from([0.5, 1.0, 2.0]))
def test_every_part_of_every_beat_that_begins_in_time_comes_once_and_in_order(
    parts, seconds, interval
):
    found = beaten(fast(interval, seconds, parts))
    assert found == [
        (number, part) for number in range(math.ceil(seconds / interval)) for part in range(parts)
    ]


def test_a_beat_that_began_is_finished_and_no_other_begins():
    found = beaten(Beats(0.01, 0.025, asyncio.Event(), 2))
    assert found == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]


def test_told_to_stop_it_stops():
    assert beaten(fast(1.0, None, 3), most=5) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]


def test_what_is_missed_for_long_is_counted_and_not_made_up_for():
    # A machine that slept: the clock jumps by a minute behind the first beat.
    times = iter([100.0, 100.0, 160.0])
    beats = Beats(0.02, 0.04, asyncio.Event(), 2, clock=lambda: next(times, 160.0))
    assert beaten(beats) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert beats.skipped > 5000


def test_few_machines_beat_at_once_and_many_are_spread():
    assert parts_for(20) == parts_for(199) == 1
    assert parts_for(1_000) == 10
    assert parts_for(10_000) == parts_for(100_000) == PARTS


def test_lines_stay_together_and_parts_are_alike():
    machines = plant_of(load_scenario("works"))
    parts = spread(list(range(len(machines))), machines, PARTS)
    assert sorted(n for part in parts for n in part) == list(range(len(machines)))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 5
    of_line = {}
    for number, part in enumerate(parts):
        for index in part:
            of_line.setdefault(machines[index].job.line, set()).add(number)
    assert Counter(map(len, of_line.values())).keys() == {1}


def test_those_behind_one_edge_node_stay_together():
    from dataclasses import replace

    machines = [replace(m, language="sparkplug") for m in build_plant(400)]
    parts = spread(machines, machines, 4)
    for place in {m.topic.line + m.topic.area for m in machines}:
        found = [any(m.topic.line + m.topic.area == place for m in part) for part in parts]
        assert sum(found) == 1
