"""The folder's own modules, for its tests, and what outside ledgers' tests build blocks with."""

import sys
from pathlib import Path

for folder in (Path(__file__).parent, Path(__file__).parents[1] / "anchor_ledgers"):
    sys.path.insert(0, str(folder))
