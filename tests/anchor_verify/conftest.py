"""Modules that the tests of the verifying side share."""

import sys
from pathlib import Path

# Tests are imported by path; the modules that they share are not, so their folder is named.
sys.path.insert(0, str(Path(__file__).parent))
