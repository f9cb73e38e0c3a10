"""Modules that the tests of what people look at share with those of the verifying side."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "anchor_verify")]
