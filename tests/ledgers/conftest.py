"""What the tests of outside ledgers share: a time-stamp authority, and modules beside them."""

import sys
from pathlib import Path

import pytest

# Tests are imported by path; the modules that they share are not, so their folder is named.
for _folder in ("ledgers", "anchor_writer", "anchor_verify"):
    sys.path.append(str(Path(__file__).parents[1] / _folder))

VECTORS = Path(__file__).parents[3] / "shared/vectors"


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of third parties' test vectors, beside the project."""
    if not VECTORS.is_dir():
        pytest.skip(f"no test vectors at {VECTORS}")
    return VECTORS


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A time-stamp authority of `openssl ts`, with its root and a foreign one."""
    from local_tsa import make_authority

    return make_authority(tmp_path_factory.mktemp("tsa"))


@pytest.fixture
def tsa(authority):
    """That authority behind a small HTTP server on the loopback."""
    from local_tsa import serving

    with serving(authority) as server:
        yield server
