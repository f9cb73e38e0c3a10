"""One client of a simulator loses its right at the broker; the others go on.

A simulator of several machines over mutual TLS on the shipped broker.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from secure_line import SecureLine, last

pytestmark = pytest.mark.e2e


@pytest.fixture
def secure():
    """A line over mutual TLS whose collector runs; not in pytest's folder, for the broker."""
    with (
        TemporaryDirectory(prefix="factoryledger-secure-") as folder,
        SecureLine(Path(folder), interval=0.05, drain=1) as line,
    ):
        line.collector().start()
        yield line


def test_a_revoked_machine_ends_no_other_is_said_once_and_goes_on_when_enrolled_again(secure):
    machines = secure.machines(4)
    machines.start()
    others = ("chiller-01", "mill-01", "moulding-01")
    secure.more_of(*others, "compressor-01")
    secure.good("device", "revoke", "compressor-01", "--broker", secure.address)
    said = secure.said_once(machines, "shut out by the broker", "certificate is revoked")
    accepted = secure.counts()["compressor-01"]
    secure.more_of(*others, count=20)
    assert secure.counts()["compressor-01"] == accepted
    assert secure.said_once(machines, "shut out by the broker") == said
    assert len(said) == 1
    assert "clients=compressor-01" in said[0]
    assert "device enrol" in said[0]

    secure.good("device", "enrol", "compressor-01")
    secure.said_once(machines, "let in again", "compressor-01")
    secure.more_of(*others, "compressor-01")
    machines.stop(3)  # what it signed with its former key stays with it
    assert last(machines)["shut_out"] == 0


def test_a_simulator_that_starts_again_lets_nobody_in_and_says_who_is_out(secure):
    """What was revoked is not certified anew, and the exit code and the last lines tell of it."""
    machines = secure.machines(3)
    machines.start()
    secure.more_of("mill-01")
    secure.good("device", "revoke", "mill-01", "--broker", secure.address)
    machines.stop(3)
    accepted = secure.counts()["mill-01"]
    machines.start()
    secure.said_once(machines, "shut out by the broker", "shows no certificate")
    secure.more_of("compressor-01")
    machines.stop(3)
    assert last(machines)["shut_out"] == 1
    assert last(machines)["held"] > 0
    assert "1 client shut out by the broker" in machines.said()
    assert secure.counts()["mill-01"] == accepted
