"""A minute of torture with one fixed schedule, on real processes, and what they say of it."""

from pathlib import Path

import pytest
from torture import say, torture
from torture_plan import draw_plan
from torture_works import able

pytestmark = pytest.mark.e2e

SECONDS = 30
SEED = 20_261_128


def test_a_minute_of_every_fault_breaks_no_promise(tmp_path):
    plan = draw_plan(SEED, SECONDS, able())
    findings, counts = torture(plan, Path(tmp_path) / "run")
    print(f"\ntorture, seed {plan.seed}: {say(findings, counts)}")  # noqa: T201 - the counts
    assert not findings, f"the history is in {tmp_path}/run"
    assert counts["recorded"] == counts["stored_once"] > 100
    assert counts["faults"]
