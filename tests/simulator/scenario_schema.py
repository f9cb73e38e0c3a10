"""docs/scenario.schema.json, from the models: `make docs` writes it."""

import json
import sys
from pathlib import Path

from simulator.scenario import schema

PAGE = Path(__file__).parents[2] / "docs" / "scenario.schema.json"


def render():
    """The whole file."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
