"""The library, compiled once."""

import sys
from pathlib import Path

import pytest

# Tests are imported by path; the modules that they share are not, so their folder is named.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    from library import NO_COMPILER, build_library

    built = build_library(tmp_path_factory.mktemp("steps"))
    if built is None:
        pytest.skip(NO_COMPILER)
    return built


@pytest.fixture
def memory_path(tmp_path):
    """A folder in memory where there is one: what the disk takes is not what is measured."""
    import tempfile

    if not Path("/dev/shm").is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="steps-", dir="/dev/shm") as folder:
        yield Path(folder)
