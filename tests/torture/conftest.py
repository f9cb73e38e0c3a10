"""The modules that these tests and `make torture` share."""

import sys
from pathlib import Path

# Tests are imported by path; the modules that they share are not, so their folders are named.
_tests = Path(__file__).parents[1]
sys.path[:0] = [str(_tests / name) for name in ("torture", "survival", "steps")]
