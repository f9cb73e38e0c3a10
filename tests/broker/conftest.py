"""The shipped broker is for other tests, too: its folder is named."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
