"""Modules that the runner of the cases is made of."""

import sys
from pathlib import Path

# Tests are imported by path; the modules that they share are not, so their folder is named.
sys.path.insert(0, str(Path(__file__).parent))
