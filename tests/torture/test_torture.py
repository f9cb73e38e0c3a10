"""A minute of torture with one fixed schedule, on real processes, and what they say of it."""

from pathlib import Path

import pytest
from torture import say, torture
from torture_plan import Plan, draw_plan
from torture_works import able

pytestmark = pytest.mark.e2e

SECONDS = 30
SEED = 20_261_133


def test_a_minute_of_every_fault_breaks_no_promise(tmp_path):
    plan = draw_plan(SEED, SECONDS, able())
    findings, counts = torture(plan, Path(tmp_path) / "run")
    print(f"\ntorture, seed {plan.seed}: {say(findings, counts)}")  # noqa: T201 - the counts
    assert not findings, f"the history is in {tmp_path}/run"
    assert counts["recorded"] == counts["stored_once"] > 100
    assert counts["faults"]


@pytest.mark.long
def test_a_collector_that_dies_in_its_commits_loses_nothing_that_was_acknowledged(tmp_path):
    """What sees an acknowledgement before the commit: chance alone seldom strikes there."""
    if "io-error" not in able():
        pytest.skip("no C compiler on Linux: no step of a process can be failed")
    schedule = Path(__file__).parent / "schedules" / "dies-in-commits.json"
    findings, counts = torture(Plan.from_json(schedule.read_text()), Path(tmp_path) / "run")
    print(f"\ntorture, {schedule.name}: {say(findings, counts)}")  # noqa: T201 - the counts
    assert not findings, f"the history is in {tmp_path}/run"
    assert counts["foreign_owed"] > 100
