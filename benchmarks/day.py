"""A day of twenty machines at work, with their faults: written and signed, with its hash.

`make day` runs it twice, under two hash seeds, and fails where the bytes differ: the whole
of what the default tests check on an hour.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from simulator.faults.schedule import schedule
from simulator.offline import write_recording
from simulator.scenario_file import load_scenario
from simulator.scenario_plant import plant_of

DAY = 86_400.0
SCENARIO = "moulding-shop"


def write_day(out: Path, seconds: float = DAY) -> str:
    """Write it, print what it took, give the hash of its bytes."""
    scenario = load_scenario(SCENARIO)
    machines = plant_of(scenario)
    begun, spent = time.perf_counter(), time.process_time()
    tally = write_recording(
        machines=machines,
        seed=machines[0].seed,
        begin=scenario.begin or 0,
        duration=seconds,
        faults=schedule(scenario.faults, machines),
        out=out,
        processes=0 if "--alone" in sys.argv else 1,
    )
    took, spent = time.perf_counter() - begun, time.process_time() - spent
    digest = hashlib.sha256()
    with out.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    size = out.stat().st_size / 1e6
    print(
        f"{len(machines)} machines, {seconds / 3600:g} h: {tally.recorded} messages, "
        f"{size:.0f} MB, "
        f"{took:.0f} s ({spent:.0f} s CPU, {spent / tally.recorded * 1e6:.0f} us a message); "
        f"{digest.hexdigest()}",
        flush=True,
    )
    return digest.hexdigest()


def main() -> None:
    """One day; with `--twice` a second one in a process with another hash seed."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = float(next((a for a in sys.argv[1:] if not a.startswith("-")), DAY))
        digest = write_day(Path(folder) / "day.jsonl", seconds)
        if "--twice" not in sys.argv:
            return
        again = subprocess.run(
            [sys.executable, __file__, str(seconds)],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONHASHSEED": "4242"},
        )
        print(again.stdout, end="")
        if digest not in again.stdout:
            sys.exit("the two days differ")


if __name__ == "__main__":
    main()
