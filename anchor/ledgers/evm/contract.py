"""The contract `Checkpoints` as it was compiled: ABI, code to deploy, code that a chain holds.

The source is beside, `vyper/Checkpoints.vy`; `make contract` compiles it.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Compiled:
    """What `make contract` made of the source."""

    abi: list[dict[str, Any]]
    bytecode: bytes
    runtime: bytes


@cache
def compiled() -> Compiled:
    """The contract of this release; what runs on the chain must be its `runtime`."""
    file = files("anchor.ledgers.evm") / "vyper" / "Checkpoints.json"
    made = json.loads(file.read_text("utf-8"))
    return Compiled(
        abi=made["abi"],
        bytecode=bytes.fromhex(made["bytecode"].removeprefix("0x")),
        runtime=bytes.fromhex(made["runtime"].removeprefix("0x")),
    )
