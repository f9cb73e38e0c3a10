"""`make torture SECONDS=60 SEED=…`: one run and its verdict.

Prints the seed, the schedule, counts and findings; a run with findings leaves its folder, whose
`history.jsonl` says all. `--schedule FILE` does a schedule again, also one cut down by hand;
`--history FILE` only judges a history again. The summary goes to `--summary FILE`.
"""

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "survival"))
sys.path.insert(0, str(Path(__file__).parents[1] / "steps"))
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from torture_checker import check, summary
from torture_history import History, read_history
from torture_nemesis import FAULTS
from torture_plan import Plan, draw_plan
from torture_run import run
from torture_works import able

SHOWN = 20
TERMINATED = 143


def torture(plan, folder, enough=None):
    """Run a plan; gives its findings and the summary."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "schedule.json").write_text(plan.to_json())
    history, began = History(folder / "history.jsonl"), time.monotonic()
    try:
        run(plan, folder, history, enough)
    except Exception:  # noqa: BLE001 - what was seen until then is judged all the same
        history.put("broken", kind="run", target="itself", said=traceback.format_exc())
    finally:
        history.close()
    findings, said = judge(folder / "history.jsonl")
    took = round(time.monotonic() - began, 1)
    return findings, {
        "seed": plan.seed, "seconds": plan.seconds, "took": took, "database": plan.database,
        "collectors": plan.collectors, "witnesses": plan.witnesses, **said,
    }  # fmt: skip


def judge(path):
    """The findings of a history, and its counts."""
    events = read_history(path)
    findings = check(events)
    return findings, summary(events, findings)


def show(plan):
    """What is about to happen, a line each."""
    keeps = "keeps" if plan.keeping else "forgets"
    works = (
        f"seed {plan.seed}: {plan.seconds:g} s, {plan.database}, {plan.collectors} collectors, "
        f"{plan.witnesses} witnesses ({plan.quorum} suffice), 2 fleets of {plan.machines}, "
        f"a scan every {plan.interval} s, a broker that {keeps}"
    )
    strikes = [
        f"  {one.at:7.2f} s  {one.kind:16} {one.target:18} {one.lasts:5.2f} s  {one.amount}"
        for one in plan.strikes
    ]
    return "\n".join([works, *strikes])


def say(findings, counts):
    """The verdict for people."""
    lines = [json.dumps(counts)]
    lines += [str(finding) for finding in findings[:SHOWN]]
    if len(findings) > SHOWN:
        lines.append(f"and {len(findings) - SHOWN} findings more")
    return "\n".join(lines)


def main():
    options = read_options()
    if options.history:
        findings, counts = judge(options.history)
        sys.stdout.write(f"{say(findings, counts)}\n")
        return bool(findings)
    if options.schedule:
        plan = Plan.from_json(options.schedule.read_text())
    else:
        seed = random.randrange(2**32) if options.seed is None else options.seed
        plan = draw_plan(seed, options.seconds, able(), options.kind)
    sys.stdout.write(f"{show(plan)}\n")
    missing = sorted(set(FAULTS) & {"clock", "disk-full", "io-error"} - able())
    if missing:
        sys.stdout.write(f"not on this machine: {', '.join(missing)}\n")
    sys.stdout.flush()
    # Ended from outside, it takes its processes and disks with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    folder = options.keep or Path(tempfile.mkdtemp(prefix="factoryledger-torture-"))
    enough = []
    signal.signal(signal.SIGUSR1, lambda *_: enough.append(True))
    findings, counts = torture(plan, folder, enough)
    if options.summary:
        options.summary.parent.mkdir(exist_ok=True)
        options.summary.write_text(json.dumps(counts, indent=1) + "\n")
    sys.stdout.write(f"{say(findings, counts)}\n")
    if findings:
        sys.stdout.write(f"{len(findings)} findings; the history is in {folder}\n")
    elif not options.keep:
        shutil.rmtree(folder)
    return bool(findings)


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--schedule", type=Path, help="do this schedule.json again")
    parser.add_argument("--kind", action="append", help="only this kind of fault; repeatable")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave everything there")
    parser.add_argument("--summary", type=Path, metavar="FILE")
    parser.add_argument("--history", type=Path, metavar="FILE", help="only judge this history")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
