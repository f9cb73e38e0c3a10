"""A world of the verifying side's tests, as a package; every test works on a copy."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "anchor_verify"))

from package_world import Packed, eventful, packed


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Packed:
    """A package of everything that can be in one; not to be changed."""
    return packed(tmp_path_factory.mktemp("made") / "package", eventful())


@pytest.fixture
def copy(made, tmp_path) -> Packed:
    """A copy of it, to be changed."""
    shutil.copytree(made.folder, tmp_path / "package")
    return made.at(tmp_path / "package")
