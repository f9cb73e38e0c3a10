"""Plans: the same of the same seed, of every kind, and as JSON."""

import pytest
from torture_nemesis import FAULTS
from torture_plan import LASTS, Plan, draw_plan, targets

EVERYTHING = frozenset({"postgresql", "clock", "disk-full", "io-error"})


@pytest.mark.parametrize("seed", range(20))
def test_a_seed_gives_one_plan_which_its_file_gives_again(seed):
    plan = draw_plan(seed, 60, EVERYTHING)
    assert plan == draw_plan(seed, 60, EVERYTHING)
    assert plan == Plan.from_json(plan.to_json())
    assert plan != draw_plan(seed + 1, 60, EVERYTHING)


def test_in_a_minute_every_kind_that_can_be_done_comes_once():
    for seed in range(20):
        plan = draw_plan(seed, 60, EVERYTHING)
        expected = set(FAULTS) - (
            set() if plan.keeping and not plan.spared else {"bad-broker-file"}
        )
        assert {strike.kind for strike in plan.strikes} == expected


def test_what_a_machine_cannot_do_is_not_drawn():
    plans = [draw_plan(seed, 60) for seed in range(20)]
    kinds = {strike.kind for plan in plans for strike in plan.strikes}
    assert not kinds & EVERYTHING
    assert {plan.database for plan in plans} == {"sqlite"}


def test_kinds_can_be_chosen():
    plan = draw_plan(1, 60, EVERYTHING, ["kill", "pause"])
    assert {strike.kind for strike in plan.strikes} == {"kill", "pause"}


def test_every_kind_has_somebody_whom_it_can_befall():
    plan = draw_plan(1, 60, EVERYTHING)
    for kind in LASTS:
        assert targets(plan, kind)
        assert set(targets(plan, kind)) <= {*plan.parts(), *plan.ways(), "data", "outbox"}
