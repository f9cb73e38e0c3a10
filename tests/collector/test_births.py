"""Whose Sparkplug births are asked for, when, and how often."""

from itertools import pairwise

import pytest

from collector.births import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    MOST_AT_ONCE,
    PATIENCE,
    Births,
    rebirth_command,
)
from telemetry.sparkplug import DataType, Payload

LIVE = "p/spBv1.0/works/{}/node-1"
AGAIN = "p/ledger/outbox/spBv1.0/works/{}/node-1"


def heard(*topics, at=0.0, births=None):
    births = births or Births()
    births.hear(topics, at)
    return births


def asked(births, now):
    return [str(topic) for topic in births.due(now)]


NCMD = LIVE.format("NCMD")


@pytest.mark.parametrize(
    "topics",
    [
        [LIVE.format("NDATA")],
        [LIVE.format("DDATA") + "/robot"],
        [LIVE.format("NBIRTH"), LIVE.format("DDATA") + "/robot"],
        [LIVE.format("DBIRTH") + "/robot", LIVE.format("DDATA") + "/robot"],
        [LIVE.format("NBIRTH"), LIVE.format("NDEATH"), LIVE.format("NDATA")],
        [LIVE.format("NBIRTH"), LIVE.format("DBIRTH") + "/robot", LIVE.format("NBIRTH"),
         LIVE.format("DDATA") + "/robot"],
    ],
)  # fmt: skip
def test_data_without_their_births_are_asked_for(topics):
    births = heard(*topics)
    assert asked(births, PATIENCE - 0.1) == []
    assert asked(births, PATIENCE) == [NCMD]


@pytest.mark.parametrize(
    "topics",
    [
        [LIVE.format("NBIRTH"), LIVE.format("NDATA")],
        [LIVE.format("NBIRTH"), LIVE.format("DBIRTH") + "/robot", LIVE.format("DDATA") + "/robot"],
        [LIVE.format("NDATA"), LIVE.format("NBIRTH")],
        [LIVE.format("NDATA"), AGAIN.format("NBIRTH")],
        [LIVE.format("NDATA"), LIVE.format("NDEATH")],
        [AGAIN.format("NDATA")],
        ["spBv1.0/STATE/scada", "spBv1.0/works/OTHER/node-1", "spBv1.0/", "acme/s/a/l/m/telemetry"],
    ],
)
def test_births_that_were_heard_or_come_in_time_are_not_asked_for(topics):
    assert asked(heard(*topics), 10**6) == []


def test_who_does_not_answer_is_asked_ever_more_rarely():
    births, times, now = heard(LIVE.format("NDATA")), [], 0.0
    while now < 20_000:
        now += 1.0
        births.hear([LIVE.format("NDATA")], now)
        if asked(births, now):
            times.append(now)
    pauses = [after - before for before, after in pairwise(times)]
    assert pauses[:4] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE, 8 * FIRST_PAUSE]
    assert max(pauses) == LONGEST_PAUSE


def test_an_answer_brings_the_pause_back():
    births = heard(LIVE.format("NDATA"))
    assert asked(births, 10.0) == [NCMD]
    heard(
        LIVE.format("NBIRTH"), LIVE.format("NDEATH"), LIVE.format("NDATA"), at=20.0, births=births
    )
    assert asked(births, 69.0) == []
    assert asked(births, 70.0) == [NCMD]
    assert births._nodes["p", "works", "node-1"].pause == 2 * FIRST_PAUSE


def test_a_plant_is_not_reborn_all_at_once_and_memory_is_bounded():
    births = heard(*[f"spBv1.0/works/NDATA/node-{n}" for n in range(20_000)])
    assert len(births._nodes) == 10_000
    first, second = asked(births, 100.0), asked(births, 100.25)
    assert len(first) == len(second) == MOST_AT_ONCE
    assert not set(first) & set(second)
    births.hear([f"spBv1.0/works/DDATA/node-19999/d{n}" for n in range(5000)], 0.0)
    assert max(len(node.missing) for node in births._nodes.values()) <= 1001


def test_the_command_is_a_hosts():
    payload = Payload.from_bytes(rebirth_command(1_764_000_000_000))
    (metric,) = payload.metrics
    assert (metric.name, metric.datatype) == ("Node Control/Rebirth", DataType.BOOLEAN)
    assert metric.meaning() is True
    assert payload.seq is None
