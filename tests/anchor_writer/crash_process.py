"""Run as a program, `crash_process.py BASE OUT SCENARIO`: killed at each durable step in turn.

For step 1, 2, … a child runs the scenario in its own copy of BASE, `OUT/<step>`, and kills
itself with SIGKILL right after that step; the program ends when a child reaches the end. It
prints how many were killed. Imports happen once, before the children are forked.
"""

import os
import signal
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType

import structlog

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2]))

from faults import AFTER, FaultyDurable

MOST = 1000


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run_child(scenario: ModuleType, folder: Path, step: int) -> int:
    """Fork, run, wait: the signal that ended the child, or 0 for a clean end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            durable = FaultyDurable(step, AFTER, kill_self)
            scenario.run(folder, durable, partial(durable.step, "witness"))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status)
    if os.WEXITSTATUS(status):
        raise SystemExit(f"the child for step {step} failed by itself")
    return 0


def main(base: Path, out: Path, scenario: ModuleType) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    scenario.plant_at(0)
    for step in range(1, MOST):
        folder = scenario.copy(base, out / str(step))
        if run_child(scenario, folder, step) != signal.SIGKILL:
            sys.stdout.write(f"{step - 1}\n")
            return
    raise SystemExit(f"no end after {MOST} steps")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), import_module(sys.argv[3]))
