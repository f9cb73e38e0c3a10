"""What the tests of the outside ledgers share: the vectors, and modules beside the tests."""

import sys
from pathlib import Path

import pytest

# Tests are imported by path; the modules that they share are not, so their folder is named.
sys.path.insert(0, str(Path(__file__).parent))

VECTORS = Path(__file__).parents[3] / "shared/vectors"


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of third parties' test vectors, beside the project."""
    if not VECTORS.is_dir():
        pytest.skip(f"no test vectors at {VECTORS}")
    return VECTORS
