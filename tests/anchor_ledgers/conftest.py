"""What the tests of the outside ledgers share: counterparts, and modules beside the tests."""

import sys
from pathlib import Path

import pytest

# Tests are imported by path; the modules that they share are not, so their folder is named.
sys.path.insert(0, str(Path(__file__).parent))


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


@pytest.fixture
def chain():
    """A real node of an EVM chain on loopback, of this test alone."""
    from evm_chain import running

    with running() as anvil:
        yield anvil


@pytest.fixture
def core(chain):
    """What an anchor does around a ledger, the contract deployed on that chain."""
    from evm_chain import Core, deployed

    return Core(chain, deployed(chain.url))
