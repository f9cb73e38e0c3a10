"""The modules that these tests and `make torture` share."""

import sys
from pathlib import Path

# Tests are imported by path; the modules that they share are not, so their folders are named.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "survival")]
