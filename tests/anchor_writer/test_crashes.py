"""The anchor ends at every durable step in turn: nothing is lost, doubled or signed twice."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import crash_scenario
import pytest
import rounds_scenario
from faults import BEFORE, LOSE_ALL, LOSE_SOME, TORN, Crash, FaultyDurable

SCENARIOS = [crash_scenario, rounds_scenario]


@pytest.fixture(scope="module", params=SCENARIOS, ids=["log", "ledgers"])
def scenario(request):
    """A log that grows past a tile under a witness; a small one with a ledger outside."""
    return request.param


@pytest.fixture(scope="module")
def base(scenario, tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    scenario.prepare(folder)
    return folder


@pytest.fixture
def tell(capsys):
    """Print past the capture: how much was covered belongs into every test log."""

    def write(text):
        with capsys.disabled():
            print(f"\n{text}")  # noqa: T201 - for whoever reads the test log

    return write


def count_steps(scenario, base, folder):
    durable = FaultyDurable(0, BEFORE, lambda: None)
    scenario.run(scenario.copy(base, folder), durable, partial(durable.step, "outside"))
    return durable.names


def crash():
    raise Crash


@pytest.mark.parametrize("mode", [LOSE_ALL, LOSE_SOME, TORN])
def test_a_power_cut_at_any_step_loses_and_doubles_nothing(scenario, base, memory_path, mode, tell):
    """All or some of the names that were not synced are lost, or a file is half written."""
    names = count_steps(scenario, base, memory_path / "count")
    steps, covered = len(names), 0
    for at, name in enumerate(names, 1):
        if mode == TORN and not name.startswith("write "):
            continue
        folder = scenario.copy(base, memory_path / f"step-{at}")
        durable = FaultyDurable(at, mode, crash)
        try:
            scenario.run(folder, durable, partial(durable.step, "witness"))
        except Crash:
            scenario.resume(folder)
            covered += 1
    # Where everything is synced a power cut is a mere end of the process: the test below.
    assert 5 <= covered < steps
    tell(f"{scenario.__name__}: power cut, {mode}: resumed after {covered} of {steps} steps")


def test_sigkill_at_any_step_loses_and_doubles_nothing(scenario, base, memory_path, tell):
    """A process that is killed right after each durable step in turn."""
    script = Path(__file__).with_name("crash_process.py")
    out = memory_path / "out"
    done = subprocess.run(
        [sys.executable, str(script), str(base), str(out), scenario.__name__],
        check=True,
        capture_output=True,
        text=True,
        timeout=240,
    )
    killed = int(done.stdout)
    assert killed == len(count_steps(scenario, base, memory_path / "count"))
    for step in range(1, killed + 1):
        scenario.resume(out / str(step))
    tell(f"{scenario.__name__}: SIGKILL: resumed after each of {killed} steps")
