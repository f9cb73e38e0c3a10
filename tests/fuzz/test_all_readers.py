"""No parser is left out: whatever reads bytes or text by its name is run by some target."""

import ast
import sys
from pathlib import Path

from fuzz_table import names, target
from fuzz_target import attempt

ROOT = Path(__file__).parents[2]
PARTS = ("telemetry", "anchor", "collector", "recorder", "simulator", "watch", "factoryledger")
READING = ("from_bytes", "from_text", "from_json", "from_hex", "from_path", "from_field", "loads")
BEGIN = ("parse", "read_", "open_header", "unpack", "evidence_from", "entries_from", "proven")

NOT_FROM_OUTSIDE = {
    # rows of a database, or a file that another target's reader reads
    "anchor/audit/ranges.py:read_range",
    "anchor/keeping/anchor_db.py:read_state",
    "anchor/keeping/submissions.py:read_submissions",
    "anchor/keeping/witness_db.py:read_seen",
    "anchor/keeping/witness_mark.py:from_bytes",
    "factoryledger/backup/restoring.py:read_manifest",
    "factoryledger/files.py:read_whole",
    "factoryledger/monitoring.py:read_state",
}


def _is_reader(name: str) -> bool:
    return name in READING or name.startswith(BEGIN)


def readers() -> dict[tuple[str, int], str]:
    """Every reader's file and first line, and its name."""
    found = {}
    for part in PARTS:
        for path in (ROOT / part).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef) and _is_reader(node.name):
                    place = str(path.relative_to(ROOT))
                    # A code object begins at its first decorator.
                    line = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                    found[place, line] = f"{place}:{node.name}"
    return found


def executed() -> set[tuple[str, int]]:
    """Where the code begins that ran for the examples of all targets."""
    seen: set = set()

    def note(frame, event, _argument):
        if event == "call":
            seen.add(frame.f_code)

    sys.setprofile(note)
    try:
        for name in names():
            one = target(name)
            for seed in one.seeds():
                attempt(one, seed)
    finally:
        sys.setprofile(None)
    return {
        (str(Path(code.co_filename).relative_to(ROOT)), code.co_firstlineno)
        for code in seen
        if code.co_filename.startswith(str(ROOT)) and "/.venv" not in code.co_filename
    }


def test_every_reader_is_run_by_a_target():
    ran = executed()
    missing = {name for place, name in readers().items() if place not in ran}
    assert missing <= NOT_FROM_OUTSIDE, "give a new reader a target in fuzz_of_*.py"
