"""examples/anomaly_detection.py finds the labelled faults of the data set that it is made for."""

import re
import subprocess
from pathlib import Path

import pytest

from simulator.export import export
from simulator.faults.schedule import schedule
from simulator.scenario_file import load_scenario
from simulator.scenario_plant import plant_of

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-examples" / "bin" / "python"


@pytest.mark.e2e
@pytest.mark.skipif(not PYTHON.exists(), reason="needs scikit-learn: run `make examples`")
def test_an_isolation_forest_finds_most_faults(tmp_path):
    scenario = load_scenario(ROOT / "examples" / "anomaly_detection.yaml")
    machines, out = plant_of(scenario, 0), tmp_path / "factory.csv"
    faults = schedule(scenario.faults, machines)
    export(machines=machines, duration=18_000, interval=4, out=out, faults=faults)
    example = ROOT / "examples" / "anomaly_detection.py"

    done = subprocess.run(
        [PYTHON, example, out], capture_output=True, text=True, check=True, cwd=tmp_path
    )

    print(done.stdout)  # noqa: T201 - the figures
    seen, of = map(int, re.search(r"faults found (\d+) of (\d+)", done.stdout).groups())
    precision, recall = re.search(r"precision ([\d.]+), recall ([\d.]+)", done.stdout).groups()
    assert of == len(faults)
    assert seen >= of - 3
    assert float(precision) > 0.5
    assert float(recall) > 0.5
