"""What tests of the documents share: their folder's modules, and every page once."""

import sys
from pathlib import Path

# Tests are imported by path; the modules that they share are not, so their folder is named.
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "roof"))
