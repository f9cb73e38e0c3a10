"""Machines with faults and their twins without, stepped side by side; recordings with faults."""

import hashlib
from types import SimpleNamespace

import pytest

from simulator.faults.afflicted import Afflicted
from simulator.faults.grammar import read_fault
from simulator.faults.schedule import schedule
from simulator.machine import Machine
from simulator.offline import START, test_key, write_recording
from telemetry.judgement import judge
from telemetry.keyring import Keyring, KeyStatement
from telemetry.recording import read
from telemetry.topic import MachineTopic

SEED = 7


def machine_of(kind="mill", number=1):
    name = f"{kind}-{number:02d}"
    topic = MachineTopic("", "works", "north", "hall", "line-1", name, "telemetry")
    return Machine(topic, kind, SEED)


def scans_of(machine, *faults, seconds=400):
    """(second, told, readings) of each beat, with these faults as `--fault` writes them."""
    occurrences = schedule([read_fault(text) for text in faults], [machine])
    running = Afflicted(machine.start(START), occurrences, START)
    for second in range(seconds):
        scan = running.step(1.0, START + second * 1_000_000)
        yield second, scan.told, scan.readings


@pytest.fixture(scope="session")
def machine():
    """Gives a machine of a kind."""
    return machine_of


@pytest.fixture(scope="session")
def scans():
    """Gives the beats of a machine with faults."""
    return scans_of


@pytest.fixture(scope="session")
def twins():
    """Gives (second, readings without, readings with) of each beat of a machine."""

    def side_by_side(machine, *faults, seconds=400):
        well = scans_of(machine, seconds=seconds)
        ill = scans_of(machine, *faults, seconds=seconds)
        return [(s, good, bad) for (s, _, good), (_, _, bad) in zip(well, ill, strict=True)]

    return side_by_side


@pytest.fixture
def recorded(tmp_path):
    """Writes a recording with faults; gives its lines judged as a collector would, and more."""

    def write(*faults, machines=(), seconds=60):
        machines = machines or [machine_of()]
        occurrences = schedule([read_fault(text) for text in faults], machines)
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}.jsonl"
        tally = write_recording(
            machines=machines, seed=SEED, duration=seconds, out=out, faults=occurrences
        )
        with out.open("rb") as file:
            reading = read(file, str(out))
            lines = [line for _, line in reading]
        assert reading.complete is True
        keyring = keyring_of(machines)
        judged = [(line, judge(line.topic, line.payload, keyring)) for line in lines]
        return SimpleNamespace(path=out, tally=tally, lines=judged, occurrences=occurrences)

    return write


def keyring_of(machines):
    keyring = Keyring()
    for machine in machines:
        entry = hashlib.sha256(machine.name.encode()).digest()
        key = test_key(SEED, machine.name).public_key
        keyring.apply(KeyStatement(entry, "enrol", "device", machine.name, START, key))
    return keyring
