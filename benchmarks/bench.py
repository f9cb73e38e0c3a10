"""Every figure of the documents' tables, measured piece by piece and kept in one file.

A piece is a script with its arguments, at most four minutes long. What it takes of the machine
is compared with what the machine did meanwhile, so that a piece which was not alone is known.
`build/bench.json` has machine, programs and, for each piece, its commit and its figures; a piece
that is measured again replaces what is there.

Run: python benchmarks/bench.py [--quick] [--out FILE] [PIECE…]
"""

import argparse
import contextlib
import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from figure import told
from on_machine import machine

HERE = Path(__file__).parent
ROOT = HERE.parent
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of Linux


@dataclass(frozen=True)
class Piece:
    """A script, its arguments in earnest and for a quick look, and the rows it has to give."""

    script: str
    quick: str
    rows: str
    full: str = ""
    needs: str = ""  # programs on the PATH, and files

    def command(self, *, quick: bool) -> list[str]:
        """Give what is run."""
        arguments = (self.quick if quick else self.full).split()
        return [sys.executable, str(HERE / self.script), *arguments]

    @property
    def missing(self) -> list[str]:
        """What it needs and is not here."""
        return [
            each
            for each in self.needs.split()
            if shutil.which(each) is None and not (ROOT / each).exists()
        ]


SUB, PEERS = "mosquitto_sub", ".venv-peers/bin/python"
BROWSER = "chromium .venv-browser/bin/python"
PIECES = {
    "collect": Piece(
        "collect.py",
        "--messages 9000 --rounds 1",
        "unsigned signed share half-signed-99",
        "--rounds 3",
        needs=SUB,
    ),
    "peers": Piece(
        "peers.py",
        "--messages 9000 --rounds 1",
        "mosquitto_sub batched paho-sqlalchemy",
        "--rounds 3",
        needs=SUB,
    ),
    "latency": Piece("latency.py", "--machines 20 --seconds 2 --rounds 1", "stored receipt"),
    "watching": Piece(
        "watching.py", "--machines 100 --seconds 6", "screen server line", needs=BROWSER
    ),
    "memory": Piece(
        "memory.py", "--machines 60 --seconds 3 --rounds 1", "collector machine anchor"
    ),
    "capacity": Piece(
        "capacity.py",
        "--machines 20 --seconds 3",
        "collect-20 broker-20 anchor-20 store-20 left-20",
    ),
    "proof": Piece(
        "prove_command.py",
        "--messages 20000 --rounds 1",
        "prove verify prove-command",
        "--messages 2000000",
    ),
    "audit": Piece("audit.py", "--messages 1200 --rounds 1", "signed unsigned new memory"),
    "log": Piece(
        "log.py",
        "--entries 5000 --leaves 40000 --batches 3 --rounds 1",
        "entries leaves cosigned",
    ),
    "million": Piece("log.py", "--many 5000", "entries", "--many 1000000"),
    "start": Piece("start.py", "--rounds 1", "proof help collect"),
    "recording": Piece(
        "recording.py",
        "--seconds 3 --count 2000 --rounds 1",
        "replay p99 record-factoryledger fixture",
        needs=PEERS,
    ),
    "terminal": Piece(
        "watching_terminal.py",
        "--rate 2000 --seconds 2 --topics 20 --rounds 1",
        "hour terminal counted",
        needs=SUB,
    ),
    "fleet": Piece(
        "fleet.py",
        "--machines 200 --seconds 4",
        "messages cpu bytes",
        "--machines 8000 --seconds 25",
    ),
    "simulators": Piece("simulators.py", "--rounds 1 --seconds 1", "same made"),
    "generation": Piece("generation.py", "", "default workshop"),
}


def busy() -> float:
    """Core seconds that the machine has worked; 0 where it does not say."""
    try:
        fields = Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:]
    except OSError:
        return 0.0
    ticks = [int(field) for field in fields]
    return (sum(ticks[:3]) + sum(ticks[5:8])) / os.sysconf("SC_CLK_TCK")


def adopt() -> None:
    """Become the parent of what a piece leaves behind, as a browser does, so that it is counted."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def reap() -> None:
    """Take leave of what a piece left behind and has ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def own() -> float:
    """Core seconds of this process's children that have ended, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def commit() -> str:
    """Give the commit that is measured, with a plus where files differ from it."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude", "*"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def measured(name: str, piece: Piece, *, quick: bool) -> dict[str, Any]:
    """Run a piece; gives its figures, and how it ran."""
    at, begun, before, spent = datetime.now(UTC), time.monotonic(), busy(), own()
    with subprocess.Popen(
        piece.command(quick=quick), cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        figures = list(told(_shown(process.stdout)))
    reap()
    seconds = time.monotonic() - begun
    if process.returncode:
        raise SystemExit(f"{name}: {piece.script} ended with {process.returncode}")
    found = {one.name for one in figures}
    lost = {f"{name}.{row}" for row in piece.rows.split()} - found
    if lost:
        raise SystemExit(f"{name}: {piece.script} gave no {', '.join(sorted(lost))}")
    others = (busy() - before - own() + spent) / seconds if before else None
    return {
        "commit": commit(),
        "at": at.isoformat(timespec="seconds"),
        "seconds": round(seconds),
        "others": None if others is None else round(others, 3),
        "quick": quick,
        "figures": [asdict(one) for one in figures],
    }


def _shown(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        print(line, end="", flush=True)
        yield line


def main() -> None:
    """Measure the pieces that are asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pieces", nargs="*", metavar="PIECE")
    parser.add_argument("--quick", action="store_true", help="small sizes: whether all of it runs")
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench.json")
    asked = parser.parse_args()
    if unknown := set(asked.pieces) - set(PIECES):
        parser.error(f"no such piece: {', '.join(unknown)}; there are {', '.join(PIECES)}")
    adopt()
    here = machine()
    stored = {"machine": here, "pieces": {}}
    if asked.pieces and asked.out.exists():
        stored = json.loads(asked.out.read_text("utf-8"))
        if stored["machine"] != here:
            sys.exit(f"{asked.out} is of another machine or of other programs: remove it first")
    for name in asked.pieces or PIECES:
        piece = PIECES[name]
        print(f"== {name}", flush=True)
        if piece.missing:
            print(f"left out: no {' or '.join(piece.missing)} here", file=sys.stderr)
            continue
        stored["pieces"][name] = measured(name, piece, quick=asked.quick)
        order = [each for each in PIECES if each in stored["pieces"]]
        stored["pieces"] = {each: stored["pieces"][each] for each in order}
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
