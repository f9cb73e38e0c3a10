"""The data folder: made once whoever asks, repaired after a crash, never made over."""

import stat
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from factoryledger.data_dir import DataDir
from factoryledger.errors import NotThere, WrongUsage
from factoryledger.witness_choice import WitnessChoice, parse_witness


def create(path: Path) -> tuple[bool, str]:
    folder = DataDir(path)
    return folder.create(), str(folder.policy().log)


def test_the_first_command_makes_keys_and_a_policy_without_a_quorum(tmp_path):
    folder = DataDir(tmp_path / "new" / "ledger")

    assert folder.create() is True
    assert folder.create() is False
    policy = folder.policy()
    assert policy.quorum == "none"
    assert policy.log == folder.anchor.verifier
    assert policy.operator == folder.operator.verifier
    assert folder.operator.name == f"{folder.origin}/operator"
    assert folder.origin.startswith("factoryledger.local/")


def test_private_keys_are_for_their_owner_only(tmp_path):
    folder = DataDir(tmp_path)
    folder.create()
    folder.device("mill-01")

    keys = tmp_path / "keys"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys.iterdir()} == {0o600}
    assert [stem for stem, _ in folder.private_keys()] == ["anchor", "device-mill-01", "operator"]


def test_processes_that_start_together_agree_on_one_ledger(tmp_path):
    with ProcessPoolExecutor(6) as pool:
        made = list(pool.map(create, [tmp_path / "d"] * 6))

    assert sorted(first for first, _ in made) == [False] * 5 + [True]
    assert len({vkey for _, vkey in made}) == 1


@pytest.mark.parametrize("step", range(1, 8))
def test_a_crash_at_any_file_is_repaired_by_the_next_call(tmp_path, step):
    path = tmp_path / "d"
    crash = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "import os, pathlib, sys\n"
                "from factoryledger import data_dir, key_files\n"
                "whole, left = data_dir.write_whole, [int(sys.argv[2])]\n"
                "def dying(*args, **named):\n"
                "    left[0] -= 1\n"
                "    if left[0] == 0: os._exit(9)\n"
                "    whole(*args, **named)\n"
                "    left[0] -= 1\n"
                "    if left[0] == 0: os._exit(9)\n"
                "data_dir.write_whole = key_files.write_whole = dying\n"
                "data_dir.DataDir(pathlib.Path(sys.argv[1])).create()\n"
            ),
            str(path),
            str(step),
        ],
        check=False,
    )
    kept = (path / "keys" / "anchor.key").read_text() if step > 1 else None

    folder = DataDir(path)
    folder.create()

    assert crash.returncode == (9 if step < 7 else 0)  # three files, a death before and after each
    assert folder.policy().log == folder.anchor.verifier
    assert kept is None or (path / "keys" / "anchor.key").read_text() == kept


def test_a_lost_key_is_an_error_and_not_a_new_ledger(tmp_path):
    DataDir(tmp_path).create()
    (tmp_path / "keys" / "anchor.key").unlink()

    folder = DataDir(tmp_path)
    assert folder.create() is False
    with pytest.raises(NotThere, match=r"anchor\.key"):
        _ = folder.anchor


def test_witnesses_have_to_cosign_and_are_set_once(tmp_path):
    folder = DataDir(tmp_path)
    folder.create("example.com/log", [parse_witness("one http://127.0.0.1:1")])

    policy = folder.policy()
    assert policy.quorum == "one"
    assert policy.witnesses["one"].key == folder.witness("one").verifier
    assert folder.create("example.com/log", [parse_witness("one http://127.0.0.1:1")]) is False
    with pytest.raises(WrongUsage, match="witness two"):
        folder.create(witnesses=[WitnessChoice("two")])
    with pytest.raises(WrongUsage, match=r"other\.example"):
        folder.create("other.example/log")


def test_a_witness_elsewhere_is_named_by_its_vkey(tmp_path):
    other = DataDir(tmp_path / "elsewhere")
    other.create(witnesses=[parse_witness("far")])
    vkey = other.witness("far").verifier

    folder = DataDir(tmp_path / "here")
    folder.create(
        witnesses=[parse_witness(f"far {vkey} https://witness.example"), WitnessChoice("near")]
    )

    policy = folder.policy()
    assert policy.witnesses["far"].key == vkey
    assert not policy.met_by(["far"])
    assert policy.met_by(["far", "near"])
    assert not (tmp_path / "here" / "keys" / "witness-far.key").exists()


@pytest.mark.parametrize(
    "text", ["", "Upper", "a b c d", "a http://x http://y", "a nonsense", "a http://x v"]
)
def test_a_witness_that_cannot_be_read_is_wrong_usage(text):
    with pytest.raises(WrongUsage, match="--witness"):
        parse_witness(text)


def test_a_broken_policy_or_key_names_its_file(tmp_path):
    folder = DataDir(tmp_path)
    folder.create()
    (tmp_path / "keys" / "operator.key").write_text("PRIVATE+KEY+x+00000000+AAAA\n")
    (tmp_path / "policy").write_text("log nonsense\n")

    with pytest.raises(WrongUsage, match=r"operator\.key"):
        _ = folder.operator
    with pytest.raises(WrongUsage, match="policy"):
        folder.policy()
    with pytest.raises(WrongUsage, match="no policy there"):
        folder.policy(tmp_path / "nowhere")
