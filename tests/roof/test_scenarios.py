"""`simulate` with scenarios: by name or path, checked, wrong, at a speed."""

import json
from pathlib import Path

import pytest

GOOD = "machines: [{kind: mill, area: a, line: l, count: 2}]\n"


def test_check_says_what_a_scenario_describes(command, tmp_path):
    said = command("simulate", "--check", "workshop")
    assert said.code == 0
    assert "workshop is good: 5 machines, 1 line, 1 shift, 5 faults" in said.out
    (tmp_path / "own.yaml").write_text(GOOD)
    counts = json.loads(command("simulate", "--check", tmp_path / "own.yaml", "--json").out)
    assert counts["machines"] == 2


@pytest.mark.parametrize(
    "how", [["--check"], ["--out", "r.jsonl", "--duration", "1", "--scenario"]]
)
def test_a_bad_scenario_is_exit_2_with_file_line_and_field_and_leaves_nothing(
    command, tmp_path, how
):
    path = tmp_path / "bad.yaml"
    path.write_text(GOOD + "seed: x\n")
    said = command("simulate", *how, path)
    assert said.code == 2
    assert f"{path}:2: seed: " in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "r.jsonl").exists()
    assert not (tmp_path / "factoryledger-data").exists()


def test_a_bad_scenario_publishes_nothing_and_enrols_nobody(command, tmp_path):
    (tmp_path / "bad.yaml").write_text(GOOD.replace("mill", "kettle"))
    said = command("simulate", "--scenario", tmp_path / "bad.yaml", "--data", "d")
    assert said.code == 2
    assert "bad.yaml:1: machines.0.kind: no such kind; allowed: " in said.err
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("speed", ["0", "-2", "fast", "nan", "inf", "1e-300"])
def test_a_speed_that_is_none(command, speed):
    said = command("simulate", "--out", "r.jsonl", "--duration", "1", "--speed", speed)
    assert said.code == 2
    assert "--speed: a number from 1e-06 on, or max" in said.err


def test_a_recording_of_a_shipped_scenario_begins_at_its_start_with_its_seed(command, tmp_path):
    made = ["simulate", "--scenario", "workshop", "--duration", "5", "--out"]
    assert command(*made, "one.jsonl").code == 0
    assert command(*made, "two.jsonl", "--speed", "20").code == 0
    assert command(*made, "three.jsonl", "--seed", "6").code == 0
    one, two, three = ((tmp_path / f"{n}.jsonl").read_bytes() for n in ("one", "two", "three"))
    assert b'"started":"2026-01-05T06:00:00.000000Z"' in one
    assert b"seed 5" in one
    assert one == two
    assert b"seed 6" in three.splitlines()[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--interval", "0"], "--interval: input should be greater than or equal to 0.001"),
        (["--interval", "1e-9"], "--interval: input should be greater than or equal to 0.001"),
        (["--interval", "1e9"], "--interval: input should be less than or equal to 86400"),
        (["--interval", "nan"], "--interval: "),
        (["--duration", "inf"], "--duration: with --out and --plot a finite number"),
        (["--duration", "nan"], "--duration"),
        (["--scenario", "workshop", "--machines", "3"], "--machines or --scenario: "),
        (["--out", "."], ".: Is a directory"),
        (["--out", "nowhere/r.jsonl"], "nowhere/r.jsonl: No such file"),
        (["--out", "nowhere/r.csv"], "nowhere/r.csv: No such file"),
        (["--plot", "taken"], "taken: File exists"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_what_no_simulation_can_be_is_exit_2_and_leaves_nothing(command, tmp_path, options, said):
    (tmp_path / "taken").write_text("")
    done = command("simulate", "--out", "r.jsonl", "--duration", "1", *options)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full: Linux's")
def test_a_full_disk_is_exit_3_and_named(command):
    done = command("simulate", "--machines", "2", "--out", "/dev/full", "--duration", "60")
    assert done.code == 3
    assert "/dev/full: No space left on device" in done.err
