"""Takes one rule after another out of a copy of the program, and demands that tests fail.

    python tests/breaking/break_on_purpose.py [NAME ...]

For each breakage the tests that have to see it run twice, on the copy as it is and on the
broken one: they have to pass, and then to fail. Exits with 1 where one did otherwise. The
checkout itself is never touched.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from breakages import BREAKAGES, ROOT

LONGEST = 900  # s for the tests of one breakage
FAILED = 1  # pytest: tests ran, and some failed


def copied(folder):
    """A copy of what git knows of; environments are those of the checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    for environment in ROOT.glob(".venv*"):
        (folder / environment.name).symlink_to(environment)
    return folder


def tested(folder, arguments):
    """Run these tests in the folder: pytest's exit code, and its last words."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            [*command, *arguments.split()],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
            capture_output=True,
            text=True,
            timeout=LONGEST,
        )
    except subprocess.TimeoutExpired:
        return None, f"no end after {LONGEST} s"
    named = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    last = (done.stdout or done.stderr).strip().splitlines()[-1:]
    return done.returncode, named[0] if named else " ".join(last)


def tried(breakage):
    """Break it; gives one line of the report for each group of tests."""
    with tempfile.TemporaryDirectory(prefix="factoryledger-broken-") as name:
        folder = copied(Path(name))
        for arguments in breakage.seen_by:
            whole, said = tested(folder, arguments)
            if whole != 0:
                yield arguments, False, f"fails unbroken: {said}"
                continue
            shutil.copy2(ROOT / breakage.file, folder / breakage.file)
            breakage.applied_to(folder)
            code, said = tested(folder, arguments)
            shutil.copy2(ROOT / breakage.file, folder / breakage.file)
            yield arguments, code == FAILED, said


def say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(names):
    """Carry out those named, or all."""
    unknown = set(names) - {one.name for one in BREAKAGES}
    if unknown:
        sys.exit(f"no such breakage: {', '.join(sorted(unknown))}")
    report = []
    for breakage in BREAKAGES:
        if names and breakage.name not in names:
            continue
        say(f"{breakage.name}: {breakage.promise}")
        for arguments, seen, said in tried(breakage):
            say(f"    {'seen  ' if seen else 'UNSEEN'} by {arguments}: {said}")
            report.append(
                {"breakage": breakage.name, "tests": arguments, "seen": seen, "said": said}
            )
    unseen = sum(not one["seen"] for one in report)
    say(f"{len(report) - unseen} of {len(report)} seen")
    if not names:
        build = ROOT / "build"
        build.mkdir(exist_ok=True)
        summary = {"at": int(time.time()), "tried": report}
        (build / "breakages.json").write_text(json.dumps(summary, indent=1) + "\n", "utf-8")
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
