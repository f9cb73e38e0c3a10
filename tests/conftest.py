"""Fixtures for every part: a real broker, topics of one's own on it, a real PostgreSQL."""

import os
import subprocess
import sys
import tempfile
import uuid
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is: no test fails by that.
settings.register_profile("factoryledger", deadline=None)
settings.load_profile("factoryledger")

# Tests are imported by path; the modules that they share are not, so their folder is named.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    """A real Mosquitto on a free port of 127.0.0.1, with the shipped limits.

    Shared by all tests: keep to `topic_prefix`, and start a LocalBroker of your own to kill.
    """
    from factoryledger.broker import LocalBroker, find_mosquitto

    if find_mosquitto() is None:
        pytest.fail(
            "this test needs a real broker: install mosquitto 2.0 or later "
            "(Debian: apt-get install mosquitto, macOS: brew install mosquitto)"
        )
    with LocalBroker(0, tmp_path_factory.mktemp("broker"), embedded=False) as running:
        yield running


@pytest.fixture(scope="session")
def vectors():
    """The folder of third parties' test vectors, which is no part of the project but beside it."""
    folder = Path(__file__).parents[2] / "shared" / "vectors"
    if not folder.is_dir():
        pytest.skip(f"third parties' vectors are not beside this checkout ({folder})")
    return folder


@pytest.fixture
def topic_prefix():
    """A prefix that no other test uses, so that tests share a broker and nothing else."""
    return f"test/{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def postgres():
    """A real PostgreSQL on a free port of 127.0.0.1, shared by all tests: ask for a `database`.

    Start a LocalPostgres of your own to stop it.
    """
    with local_postgres() as running:
        yield running


@pytest.fixture
def postgres_of_ones_own():
    """A PostgreSQL that a test may stop and start."""
    with local_postgres() as running:
        yield running


def local_postgres(**settings):
    """Make a cluster; skip where there is no PostgreSQL."""
    from local_postgres import LocalPostgres, find_postgres

    if find_postgres() is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    return LocalPostgres(**settings)


@pytest.fixture
def small_disk():
    """Mount a disk of so many megabytes: gives its folder, and how to make it larger."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    with ExitStack() as stack:
        yield lambda megabytes: _mounted(stack, megabytes)


def _mounted(stack, megabytes):
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="factoryledger-disk-")))
    folder.chmod(0o755)  # a database server is another user

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    mounted = mount(f"size={megabytes}m,mode=755")
    if mounted.returncode:
        pytest.skip(f"no small disk may be mounted here: {mounted.stderr.strip()}")
    stack.callback(subprocess.run, ["umount", "-l", str(folder)], check=True)

    def grow(megabytes):
        assert mount(f"remount,size={megabytes}m").returncode == 0

    return folder, grow
