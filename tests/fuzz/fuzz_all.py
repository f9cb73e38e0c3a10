# ruff: noqa: T201 - it prints a table
"""Fuzz targets by coverage, one after the other, and say in a table what came of each.

    fuzz_all.py --seconds 60 [--target GROUP | GROUP/NAME] [--folder build/fuzz]

Seconds are of fuzzing, shared evenly, at least one a target; each start costs about one more.
The corpus stays in the folder, so that a later run goes on from it. Exit code 1: a finding.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import fuzz_table  # noqa: E402 - found by the line above

_LAST = re.compile(r"#\d+\s+\w+\s+cov: (\d+) ft: (\d+) corp: (\d+)/")
_COUNT = re.compile(r"#(\d+)\s")
_DIED = {70: "timeout", 71: "memory", 77: "crash"}
_STARTS = 3


@dataclass
class Outcome:
    """What came of one target."""

    target: str
    seconds: float = 0.0
    executions: int = 0
    coverage: int = 0
    features: int = 0
    corpus: int = 0
    findings: list[dict[str, Any]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Executions a second."""
        return self.executions / self.seconds if self.seconds else 0.0


def main() -> int:
    """Run them all; give the exit code."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--seconds", type=float, default=60)
    asked.add_argument("--target", default="")
    asked.add_argument("--folder", type=Path, default=Path("build/fuzz"))
    options = asked.parse_args()
    chosen = [
        name for name in fuzz_table.names() if options.target in {"", name, name.partition("/")[0]}
    ]
    if not chosen:
        print(f"no target {options.target!r}; there are: {' '.join(fuzz_table.names())}")
        return 2
    each = max(1.0, options.seconds / len(chosen))
    print(f"{'target':<40} {'executions':>12} {'a second':>9} {'code':>6} {'paths':>6} findings")
    outcomes = []
    for name in chosen:
        outcomes.append(fuzz(name, options.folder / name, each))
        show(outcomes[-1])
        report = options.folder.with_suffix(".json")
        report.write_text(json.dumps([asdict(one) for one in outcomes], indent=1) + "\n")
    found = sum(len(one.findings) for one in outcomes)
    done = sum(one.executions for one in outcomes)
    print(f"{done} executions of {len(outcomes)} targets, {found} findings; {report}")
    return 1 if found else 0


def show(one: Outcome) -> None:
    """One line of the table, and one for each finding."""
    print(
        f"{one.target:<40} {one.executions:>12} {one.rate:>9.0f} {one.coverage:>6} "
        f"{one.features:>6} {len(one.findings) or ''}",
        flush=True,
    )
    for found in one.findings:
        print(f"    {found['kind']} {found.get('place', '')}: {found.get('said', '')[:150]}")


def fuzz(name: str, folder: Path, seconds: float) -> Outcome:
    """Fuzz one target; started again, a few times, where an input ended the process."""
    one = Outcome(name)
    (folder / "findings").mkdir(parents=True, exist_ok=True)
    told = folder / "findings" / "findings.jsonl"
    told.unlink(missing_ok=True)
    for _ in range(_STARTS):
        left = seconds - one.seconds
        if left < 1:
            break
        started = time.monotonic()
        ended = subprocess.run(
            [sys.executable, HERE / "fuzz_one.py", name, folder, str(round(left))],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONHASHSEED": "0"},
            check=False,
        )
        said = ended.stderr.decode(errors="replace")
        _count(one, said)
        one.seconds += min(left, time.monotonic() - started)
        if ended.returncode == 0:
            break
        kind = _DIED.get(ended.returncode, f"exit {ended.returncode}")
        one.findings.append({"kind": kind, "said": _summary(said)})
    if told.exists():
        one.findings += [json.loads(line) for line in told.read_text().splitlines()]
    return one


def _count(one: Outcome, said: str) -> None:
    lines = [match for line in said.splitlines() if (match := _LAST.match(line))]
    if lines:
        one.coverage, one.features, one.corpus = map(int, lines[-1].groups())
    counts = [int(match[1]) for line in said.splitlines() if (match := _COUNT.match(line))]
    one.executions += max(counts, default=0)


def _summary(said: str) -> str:
    lines = [line for line in said.splitlines() if "ERROR" in line or "Test unit" in line]
    return "; ".join(lines) or said[-300:]


if __name__ == "__main__":
    sys.exit(main())
