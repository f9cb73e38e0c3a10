"""Pictures of machines: what is gathered for them, that they are drawn, what is said without."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.gallery import BINS, days
from simulator.machine import start_plant
from simulator.machines import KINDS
from simulator.packml import State
from simulator.plant import build_plant
from simulator.plot import COLOURS, LEGEND, draw
from simulator.scenario_file import load_scenario
from simulator.scenario_plant import plant_of

ROOT = Path(__file__).parents[2]
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def gathered(count=20, **options):
    return days(build_plant(count, 3), **({"seconds": 900.0} | options))


def test_one_machine_of_each_kind():
    assert [day.kind.name for day in gathered()] == list(dict.fromkeys(
        machine.kind for machine in build_plant(20, 3)
    ))  # fmt: skip
    assert {day.kind.name for day in gathered()} == set(KINDS)


def test_what_is_gathered_is_what_the_machine_says():
    """Bins from all scans, the window scan by scan, of the same run as anyone's."""
    plant = build_plant(3, 3)
    (mill, *_) = days(plant, seconds=900.0)
    running = start_plant(plant)[0]
    powers = [running.step(1.0).readings["power"] for _ in range(900)]
    begin, end = mill.window
    assert [scan["power"] for scan in mill.scans] == powers[int(begin) : int(end) + 1]
    assert len(mill.bins) == BINS
    assert min(found["power"].low for found in mill.bins) == min(powers)
    assert max(found["power"].high for found in mill.bins) == max(powers)


def test_states_fill_the_time():
    (mill, *_) = gathered(1)
    assert sum(sum(share.values()) for share in mill.shares) == 900
    assert mill.stretches[0].begin == pytest.approx(mill.window[0], abs=1)
    for one, next_one in zip(mill.stretches, mill.stretches[1:], strict=False):
        assert one.end == next_one.begin
        assert one.state is not next_one.state


def test_a_meter_is_drawn_with_what_it_sees():
    (meter,) = [day for day in gathered() if day.kind.name == "energy-meter"]
    assert max(scan["power"] for scan in meter.scans) > 1.0


def test_a_machine_with_work_is_drawn_with_its_line():
    scenario = load_scenario("workshop")
    plant = plant_of(scenario, None)
    found = days(plant, seconds=600.0, interval=5.0, begin=scenario.begin or 0)
    assert {day.kind.name for day in found} == {machine.kind for machine in plant}


def test_every_state_has_a_colour_of_the_legend():
    assert set(COLOURS) == set(State)
    assert set(COLOURS.values()) == set(LEGEND.values())


@pytest.mark.parametrize("seconds", [5.0, 900.0])
def test_a_picture_of_each(tmp_path, seconds):
    found = gathered(3, seconds=seconds)
    paths = draw(found, tmp_path / "new" / "folder")
    assert [path.name for path in paths] == [f"{day.kind.name}.png" for day in found]
    for path in paths:
        assert path.read_bytes().startswith(SIGNATURE)
        assert 2_000 < path.stat().st_size < 150_000


def test_the_units_stand_on_the_axes():
    from simulator.plot import _figure

    (mill,) = gathered(1)
    labels = [axes.get_ylabel() for axes in _figure(mill).axes]
    for name, metric in mill.kind.metrics.items():
        if not name.startswith("vibration_"):
            said = name.replace("_", "\n") + f"\n[{metric.unit}]"
            assert said in labels


def simulate(*arguments, folder, path=""):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (path, str(ROOT))))}
    return subprocess.run(
        [sys.executable, "-m", "factoryledger", "simulate", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.e2e
def test_the_command_draws_without_broker_and_data_folder(tmp_path):
    done = simulate("--plot", "pictures", "--duration", "120", "--machines", "2", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    said = done.stdout.split()
    assert [Path(path).name for path in said] == ["mill.png", "moulding.png"]
    assert (tmp_path / "pictures" / "mill.png").read_bytes().startswith(SIGNATURE)
    assert {path.name for path in tmp_path.iterdir()} == {"pictures"}


@pytest.mark.e2e
def test_without_matplotlib_the_command_says_what_to_install(tmp_path):
    hidden = tmp_path / "hidden" / "matplotlib"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('No module named matplotlib')")
    done = simulate("--plot", "pictures", folder=tmp_path, path=str(hidden.parent))
    assert done.returncode == 3
    assert "pip install 'factoryledger[plot]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "pictures").exists()
