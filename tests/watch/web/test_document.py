"""The OpenAPI document: what it says is what is answered, by a stranger's tool."""

import subprocess
from pathlib import Path

import pytest
from serve_world import served

ROOT = Path(__file__).parents[3]
SCHEMATHESIS = ROOT / ".venv-oracles" / "bin" / "schemathesis"


@pytest.fixture
def schemathesis():
    if not SCHEMATHESIS.exists():
        pytest.skip("schemathesis is not there: make oracles")
    return SCHEMATHESIS


@pytest.mark.parametrize(
    "phases",
    [
        pytest.param(["fuzzing", "--max-examples", "3"], id="few"),
        pytest.param(["coverage"], id="all", marks=pytest.mark.long),
    ],
)
def test_a_strangers_tool_finds_the_api_as_its_document_says(world, schemathesis, tmp_path, phases):
    with served(world) as url:
        checked = subprocess.run(
            [
                schemathesis, "run", f"{url}/api/v1/openapi.json", "--url", url,
                # What is wrong only together (two ways to name a message) no schema says.
                "--exclude-checks", "positive_data_acceptance",
                "--exclude-path", "/api/v1/live", "--phases", *phases, "--seed", "1",
                "--generation-database", "none", "--no-color", "--warnings", "off",
            ],
            capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120,
        )  # fmt: skip

    assert checked.returncode == 0, checked.stdout
