"""Ledgers to try commands on, made by the commands themselves."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from factoryledger.cli import run
from factoryledger.data_dir import DataDir
from simulator.offline import test_key as key_of_recording

# Tests are imported by path; the modules that they share are not, so their folder is named.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    """No settings of the machine's, and a folder of one's own to work in."""
    for name in [name for name in os.environ if name.startswith("FACTORYLEDGER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def command(capsys):
    """Run a command line in this process; gives code, stdout and stderr."""

    def call(*arguments):
        capsys.readouterr()
        code = int(run([str(argument) for argument in arguments]))
        said = capsys.readouterr()
        return SimpleNamespace(code=code, out=said.out, err=said.err)

    return call


@pytest.fixture
def program():
    """Start a command line as a process of its own."""
    started = []

    def start(*arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, "-m", "factoryledger", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def await_line():
    """Read a process's stderr until a line holds this text; its end is a failure."""

    def read(process, text):
        seen = []
        for line in process.stderr:
            seen.append(line)
            if text in line:
                return line
        raise AssertionError(f"{text!r} never came: {''.join(seen)}")

    return read


@pytest.fixture
def ledger(tmp_path, command):
    """A small ledger with accepted messages, anchored, without a broker or a witness."""
    data = tmp_path / "ledger"
    recording = tmp_path / "factory.jsonl"
    machines = ["--machines", 3, "--duration", 5, "--seed", 7]
    assert command("simulate", *machines, "--out", recording).code == 0
    enrol_recording(data, recording, seed=7)
    assert command("ingest", recording, "--data", data).code == 0
    assert command("anchor", "--once", "--data", data).code == 0
    return SimpleNamespace(path=data, recording=recording, database=data / "ledger.db")


@pytest.fixture(scope="session")
def anchored_once(tmp_path_factory):
    """The folder of a small ledger of unknown machines, anchored; to be copied, never changed."""
    folder = tmp_path_factory.mktemp("anchored")
    recording, data = folder / "factory.jsonl", folder / "ledger"
    for arguments in (
        ["simulate", "--machines", 3, "--duration", 5, "--out", recording],
        ["init", "--data", data],
        ["ingest", recording, "--data", data],
        ["anchor", "--once", "--data", data],
    ):
        assert run([str(argument) for argument in arguments]) == 0
    return data


def enrol_recording(data: Path, recording: Path, seed: int) -> None:
    """Enrol the test keys of a simulated recording, so that its messages are accepted."""
    from factoryledger.enrolment import Enrolments

    folder = DataDir(data)
    folder.create()
    lines = [json.loads(line) for line in recording.read_text().splitlines()[1:-1]]
    for device in sorted({line["topic"].split("/")[4] for line in lines}):
        key = key_of_recording(seed, device)
        folder.replace_device(device, key)
        Enrolments(folder).ensure_device(device)
