"""What the tests of the writing side share: a plant, a folder in memory, modules beside them."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

# Tests are imported by path; the modules that they share are not, so their folder is named.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def plant():
    """Keys, collectors and requests of one small plant."""
    from anchor_plant import Plant

    return Plant()


@pytest.fixture
def memory_path(tmp_path):
    """A folder in memory where there is one: power cuts are simulated, no disk need be awaited."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(dir=memory))
    yield folder
    shutil.rmtree(folder)
