"""steps.c built, and its settings as an environment (README.md)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("steps.c")
FAULTS = ("kill-before", "kill-after", "torn", "EIO", "ENOSPC")
NO_COMPILER = "no C compiler on Linux (cc or gcc): the durable steps are not failed in turn"


def build_library(folder: Path) -> Path | None:
    """Compile the library into a folder; None where there is no compiler, or no Linux."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        return None
    library = folder / "steps.so"
    command = [compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([*command, "-o", str(library), str(SOURCE), "-ldl", "-lpthread"], check=True)
    return library


def armed(folders, *, fault="none", **settings) -> dict[str, str]:
    """Settings for `steps_arm`: at, chance, seed, lasting, operations, trace, log."""
    found = {"STEPS_FOLDERS": ":".join(str(one) for one in folders), "STEPS_FAULT": fault}
    known = ("at", "chance", "seed", "lasting", "operations", "trace", "log")
    assert set(settings) <= set(known)
    return found | {f"STEPS_{name.upper()}": str(settings.get(name, "")) for name in known}


def preloaded(library: Path) -> dict[str, str]:
    """The environment of a process that has the library; another preloaded one stays."""
    others = os.environ.get("LD_PRELOAD", "")
    return {**os.environ, "LD_PRELOAD": f"{library}:{others}" if others else str(library)}
