"""Every durable step of every part, failed in turn: `make steps`.

    python tests/steps/every_step.py [PART ...]

Prints a table (part, fault, steps tried, what came of them) and writes build/steps.json. Exits
with 1 where a promise was broken. With PART only those, and the rest of the file stays.
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

from library import FAULTS, NO_COMPILER, build_library, preloaded  # noqa: E402 - its folder above

PARTS = ("outbox", "collector", "anchor", "witness")
LONGEST = 3000  # s


def drive(part, library, folder, count, faults=FAULTS):
    """Fail `count` steps of a part (or `all`) in a folder; what `fail_steps.py` printed."""
    command = [sys.executable, str(HERE / "fail_steps.py"), part, str(folder / part), str(count)]
    done = subprocess.run(
        [*command, ",".join(faults)],
        env=preloaded(library),
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


def rows_of(found):
    """One a fault: part, fault, steps tried, killed, ended with 3, went on, cuts, broken."""
    for fault in FAULTS:
        tries = [one for one in found["tries"] if one["fault"] == fault]
        ends = Counter(one["outcome"] for one in tries)
        yield {
            "part": found["part"],
            "fault": fault,
            "steps": len(tries),
            "killed": ends["killed"],
            "ended": ends["exit 3"],
            "went on": ends["ended"],
            "power cuts": sum(one["cuts"] for one in tries),
            "broken": sum(bool(one["wrong"]) for one in tries),
        }


def sentence_of(found):
    rows = list(rows_of(found))
    total = {name: sum(row[name] for row in rows) for name in ("steps", "power cuts", "broken")}
    return (
        f"{found['part']}: {total['steps']} faults at its {found['steps']} steps, "
        f"{total['power cuts']} power cuts; promises broken: {total['broken']}"
    )


def main(parts):
    found, library = [], None
    with tempfile.TemporaryDirectory(prefix="steps-", dir=_memory()) as folder:
        library = build_library(Path(folder))
        if library is None:
            sys.stdout.write(f"{NO_COMPILER}\n")
            return 0
        for part in parts:
            found.append(drive(part, library, Path(folder), "all"))
            sys.stdout.write(_table(rows_of(found[-1]), head=len(found) == 1))
            sys.stdout.flush()
    wrong = [{"part": f["part"], **one} for f in found for one in f["tries"] if one["wrong"]]
    counted = {one["part"]: {"steps": one["steps"], "seconds": one["seconds"]} for one in found}
    rows = [row for one in found for row in rows_of(one)]
    _write({"parts": counted, "rows": rows, "wrong": list(wrong)}, ROOT / "build" / "steps.json")
    for one in wrong:
        place = f"{one['part']}, {one['fault']} at step {one['step']} ({one['operation']})"
        sys.stdout.write(f"{place}: {one['wrong'][0][:300]}\n")
    return 1 if wrong else 0


def _write(report, path):
    """Beside what the file has of other parts."""
    path.parent.mkdir(exist_ok=True)
    before = json.loads(path.read_text()) if path.exists() else {"parts": {}, "rows": []}
    for row in before["rows"]:
        if row["part"] not in report["parts"]:
            report["rows"].append(row)
    report["wrong"] += [
        one for one in before.get("wrong", []) if one["part"] not in report["parts"]
    ]
    report["parts"] = before["parts"] | report["parts"]
    path.write_text(json.dumps(report, indent=1) + "\n")


def _memory():
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _table(rows, *, head):
    lines = []
    for row in rows:
        if head:
            lines.append("  ".join(f"{name:>11}" for name in row))
            head = False
        lines.append("  ".join(f"{value:>11}" for value in row.values()))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or PARTS))
