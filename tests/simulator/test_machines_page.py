"""docs/machines.md: the worked example is followed to the letter, the tables are the kinds'."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.machines import KINDS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "machines.md"
PARTS = ("telemetry", "simulator", "collector", "anchor", "recorder", "watch", "factoryledger")
LARGEST = 100_000  # bytes of a picture


def page_module():
    path = Path(__file__).with_name("machines_page.py")
    spec = importlib.util.spec_from_file_location("machines_page", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_make_docs_writes():
    assert PAGE.read_text(encoding="utf-8") == page_module().render(), "run: make docs"


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_small_picture(kind):
    picture = (ROOT / "docs" / "machines" / f"{kind}.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(picture) < LARGEST


def test_no_picture_is_left_of_a_kind_that_is_gone():
    assert {path.stem for path in (ROOT / "docs" / "machines").glob("*.png")} == set(KINDS)


def block(language):
    """The text of the page's one fenced block in this language."""
    (found,) = re.findall(
        rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    return found


def commands():
    return re.findall(r"^\$ (.+)$", PAGE.read_text("utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The project with the example's fan in it, as the page says to do it."""
    folder = tmp_path_factory.mktemp("project")
    for part in PARTS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(ROOT / "tests" / "simulator", folder / "tests" / "simulator")
    machines = folder / "simulator" / "machines"
    (machines / "fan.py").write_text(block("python"), encoding="utf-8")
    registry = machines / "__init__.py"
    registry.write_text(patched(registry.read_text("utf-8"), block("diff")), encoding="utf-8")
    (folder / "fans.yaml").write_text(block("yaml"), encoding="utf-8")
    return folder


def patched(text, diff):
    """Put each line with a + after the line above it, which must be there once."""
    above = None
    for line in diff.splitlines():
        if line.startswith("+"):
            assert text.count(above + "\n") == 1, above
            text = text.replace(above + "\n", above + "\n" + line[1:] + "\n")
        else:
            above = line[1:]
    return text


def run(folder, *arguments):
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_example_is_simulated_as_the_page_says(copy):
    command = commands()[0].split()
    assert command[0] == "factoryledger"
    done = run(copy, "-m", *command)
    assert done.returncode == 0, done.stderr
    recorded = (copy / "fans.jsonl").read_text("utf-8")
    assert "utilities/exhaust/fan-01/telemetry" in recorded
    assert "utilities/exhaust/fan-02/telemetry" in recorded
    assert "vibration_bpfo" in recorded


def test_the_example_passes_the_tests_of_every_kind(copy):
    command = commands()[1].split()
    assert command[:3] == ["python", "-m", "pytest"]
    files = [f"{command[3]}/test_{name}.py" for name in ("machines", "kinds", "units", "bearing")]
    done = run(copy, "-m", "pytest", *files, *command[4:], "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout + done.stderr
    passed = int(re.search(r"(\d+) passed", done.stdout).group(1))
    assert passed >= 10


@pytest.mark.parametrize("tool", ["ruff", "mypy"])
def test_the_example_is_as_clean_as_the_rest(copy, tool):
    arguments = {
        "ruff": ["-m", "ruff", "check", "--no-cache", "simulator/machines"],
        "mypy": ["-m", "mypy", "--cache-dir", str(copy / ".cache"), "simulator/machines"],
    }
    done = run(copy, *arguments[tool])
    assert done.returncode == 0, done.stdout + done.stderr
