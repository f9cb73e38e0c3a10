"""What receipts from end to end cost: how many there are for each message that is stored.

The program's own commands, each a process: a Mosquitto, `collect` and `simulate`, every message
signed, checked, committed and receipted, every receipt checked. Counted are the collector's own
metrics between two moments, the first after all are connected and their first receipts have
come. Prints one line of JSON; wanted: at most 0.05 receipts a message.

Nothing waits longer than 20 s for its receipt, so machines that send less than a message a
second have more receipts for each (docs/decisions/receipts-are-paced.md).

Run: python benchmarks/receipts.py [--machines N] [--interval S] [--seconds S]
     [--gateway line|area|site]
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from factoryledger.broker import LocalBroker, free_port
from factoryledger.data_dir import DataDir

WANTED = 0.05
WARM = 30.0  # s: births, and the first round of receipts
FILES = 256
Counts = dict[str, float]


@contextmanager
def program(folder: Path, name: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of the program, ready; afterwards it has ended."""
    command = [sys.executable, "-m", "factoryledger", name, *map(str, arguments)]
    said = folder / f"{name}.log"
    with (
        said.open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
    ):
        try:
            while ": ready" not in said.read_text():
                assert process.poll() is None, said.read_text()[-2000:]
                time.sleep(0.1)
            yield process
        finally:
            process.kill()


def counts(port: int) -> Counts:
    """Give the collector's counters, and when they stood so."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as page:
        text = page.read().decode()
    found = re.findall(r"^factoryledger_collector_(\w+)_total (\S+)$", text, re.MULTILINE)
    return {"at": time.monotonic(), **{name: float(value) for name, value in found}}


def cpu(pid: int) -> float:
    """Give the CPU seconds of a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    spent = 0.0
    for one in (str(pid), *children):
        fields = Path(f"/proc/{one}/stat").read_text("ascii").rpartition(") ")[2].split()
        spent += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return spent


def run(given: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Run the works; gives the figures."""
    DataDir(folder).create()
    pages = free_port()
    fleet = ["--machines", given.machines, "--interval", given.interval]
    fleet += ["--gateway", given.gateway] if given.gateway else []
    with LocalBroker(0, folder / "broker", embedded=False) as broker:
        at = ["--data", folder, "--broker", broker.address]
        with (
            program(folder, "collect", *at, "--metrics", pages) as collector,
            program(folder, "simulate", *at, *fleet) as machines,
        ):
            pids = {"broker": broker.pid, "collector": collector.pid, "fleet": machines.pid}
            time.sleep(WARM)
            first, spent = counts(pages), {name: cpu(pid) for name, pid in pids.items()}
            time.sleep(given.seconds)
            last, more = counts(pages), {name: cpu(pid) for name, pid in pids.items()}
    seconds = last["at"] - first["at"]
    stored = last["messages_stored"] - first["messages_stored"]
    receipts = last["receipts"] - first["receipts"]
    return {
        "machines": given.machines,
        "interval": given.interval,
        "gateway": given.gateway,
        "messages_a_machine_a_second": round(stored / seconds / given.machines, 2),
        "stored": int(stored),
        "receipts": int(receipts),
        "receipts_a_message": round(receipts / stored, 4),
        "cores": {name: round((more[name] - spent[name]) / seconds, 2) for name in pids},
        "duplicates": int(last["messages_duplicate"] - first["messages_duplicate"]),
    }


def main() -> None:
    """Print the figures."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--machines", type=int, default=10_000)
    arguments.add_argument("--interval", type=float, default=1.0)
    arguments.add_argument("--seconds", type=float, default=40.0)
    arguments.add_argument("--gateway", choices=["line", "area", "site"])
    given = arguments.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, given.machines + FILES), hard))
    with tempfile.TemporaryDirectory() as scratch:
        figures = run(given, Path(scratch))
    print(json.dumps(figures))
    if figures["receipts_a_message"] > WANTED:  # type: ignore[operator]
        print(f"more than the {WANTED} a message that are wanted", file=sys.stderr)


if __name__ == "__main__":
    main()
