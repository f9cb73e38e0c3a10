"""All targets, by `<group>/<name>`; a group is loaded when it is asked for."""

import sys
from importlib import import_module
from pathlib import Path

from fuzz_target import Target

# What the tests of outside ledgers build blocks and stamps with.
sys.path.insert(0, str(Path(__file__).parents[1] / "anchor_ledgers"))

GROUPS = tuple(
    sorted(
        path.stem.removeprefix("fuzz_of_") for path in Path(__file__).parent.glob("fuzz_of_*.py")
    )
)


def group(name: str) -> list[Target]:
    """The targets of one group."""
    targets: list[Target] = import_module(f"fuzz_of_{name}").TARGETS
    return targets


def names() -> list[str]:
    """Every target's whole name."""
    return [f"{part}/{target.name}" for part in GROUPS for target in group(part)]


def target(name: str) -> Target:
    """A target by its whole name; KeyError where there is none."""
    part, _, own = name.partition("/")
    if part not in GROUPS:
        raise KeyError(name)
    return {one.name: one for one in group(part)}[own]
