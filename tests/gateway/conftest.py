"""A gateway's line of one's own for each test."""

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

# Tests are imported by path; the modules that they share are not, so their folder is named.
sys.path.insert(0, str(Path(__file__).parent))

from gateway_line import GatewayLine


@pytest.fixture
def lay(tmp_path):
    """Lay a line with these settings; it is cleared away at the end."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(GatewayLine(tmp_path, **settings))
