"""Prints what the contract's source compiles to: `make contract` keeps it beside the source.

Runs Vyper, which has an environment of its own. The same source and compiler give the same
bytes, which a test compares with what is committed.
"""

import json
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "anchor/ledgers/evm/vyper/Checkpoints.vy"
COMPILED = SOURCE.with_suffix(".json")


def compiled(vyper: Path) -> str:
    """The JSON file's text, as this compiler makes it."""
    # By its bare name, so that no path of this machine can come into the output.
    output = subprocess.run(
        [vyper.absolute(), "-f", "abi,bytecode,bytecode_runtime", SOURCE.name],
        cwd=SOURCE.parent,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    abi, bytecode, runtime = output.splitlines()
    version = subprocess.run(
        [vyper.absolute(), "--version"], check=True, capture_output=True, text=True
    ).stdout.partition("+")[0]
    made = {
        "compiler": f"vyper {version}",
        "abi": json.loads(abi),
        "bytecode": bytecode,
        "runtime": runtime,
    }
    return json.dumps(made, indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(compiled(Path(sys.argv[1])))
