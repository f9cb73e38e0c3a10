"""Run as a program: `fail_steps.py PART FOLDER STEPS FAULTS`; fails a part's durable steps in turn.

The library is preloaded; all is imported once, then each try is a forked child, which arms the
library, runs the part until it is killed or ends, and another, which starts it again and looks
for everything that was promised. STEPS is `all`, or how many to pick; FAULTS names, with `,`
between. Prints JSON: the part's steps, what came of each, and what was wrong.
"""

import ctypes
import gc
import json
import os
import pickle
import random
import shutil
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path

import structlog

HERE = Path(__file__).parent
for place in (HERE, HERE.parent / "anchor_writer", HERE.parents[1]):
    sys.path.insert(0, str(place))

from library import armed  # noqa: E402
from power_cut import Disk, records  # noqa: E402 - its folder above

from factoryledger.exits import exit_for  # noqa: E402

CUTS = (None, 1, 2)
SYNCS = {"fsync", "fdatasync"}
SLOTS = 3
LIBRARY = ctypes.CDLL(None)


class Try:
    """One run of a part in a folder of its own, under one fault at one step."""

    def __init__(self, part, base, folder, fault, at):
        self.part, self.folder, self.fault, self.at = part, folder, fault, at
        self.trace = folder.with_suffix(".trace")
        self.log = folder.with_suffix(".log")
        self.note = folder.with_suffix(".told")
        self.said = folder.with_suffix(".said")
        shutil.copytree(base, folder, symlinks=True)
        self.disk = Disk(folder / "disk")

    def arm(self, fault, at):
        settings = armed(
            [self.folder / "disk"], fault=fault, at=at, trace=self.trace, log=self.log, lasting=4
        )
        os.environ.update(settings)
        LIBRARY.steps_arm()

    def tell(self, *what):
        line = json.dumps(what).encode() + b"\n"
        with self.note.open("ab", buffering=0) as file:
            file.write(line)
        LIBRARY.steps_mark(line, len(line))

    def told(self):
        lines = self.note.read_bytes().splitlines() if self.note.exists() else []
        return [json.loads(line) for line in lines]

    def run(self):
        """Run until the fault; how that ended: `killed`, `ended`, or `exit N` and a sentence."""

        def work():
            self.arm(self.fault, self.at)
            self.part.run(self.folder, self.tell)

        status = in_child(work, self.said)
        if os.WIFSIGNALED(status):
            return "killed"
        code = os.WEXITSTATUS(status)
        return "ended" if code == 0 else f"exit {code}"

    def resume(self, folder, cut, traced=False):
        """Start again over what is there; what was wrong, or nothing."""
        told = self.told()

        def work():
            if traced:
                self.arm("none", 0)
            tell = self.tell if traced else (lambda *_: None)
            self.part.resume(folder, tell, told, cut)

        return wrong_in(work, self.said)

    def cut(self, name, seed, upto=None):
        """The folder as a power cut leaves it; `upto` records of the trace."""
        disk = pickle.loads(pickle.dumps(self.disk))
        for record in self.read()[:upto]:
            disk.play(record)
        folder = self.folder.with_name(f"{self.folder.name}-{name}")
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("disk"))
        disk.cut_into(folder / "disk", None if seed is None else random.Random(seed))
        return folder, [json.loads(line) for line in disk.told]

    def promised_since(self):
        """Whether anything was promised after the step that failed."""
        return any(r.operation == "M" and r.step >= self.at for r in self.read())

    def read(self):
        return list(records(self.trace.read_bytes())) if self.trace.exists() else []

    def steps(self):
        """Operation and path of each step that was counted."""
        return [line.split(" ", 3)[2:] for line in self.log.read_text().splitlines()]


def in_child(work, said):
    """Fork, work, wait; the child's status. What it ended with is written to `said`."""
    said.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        code = 70
        try:
            work()
            code = 0
        except BaseException as error:  # noqa: BLE001 - the roof does the same
            found, sentence = exit_for(error)
            code = int(found)
            os.environ["STEPS_FOLDERS"] = ""
            LIBRARY.steps_arm()
            said.write_text(f"{sentence}\n{traceback.format_exc()}")
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


def wrong_in(work, said):
    status = in_child(work, said)
    if status == 0:
        return None
    return said.read_text() if said.exists() else f"status {status}"


def check_one(part, base, folder, fault, at, steps):
    """All that is to be seen of one fault at one step: outcome, what was wrong, cuts tried."""
    operation, path = steps[at - 1]
    one, wrong, cuts = Try(part, base, folder, fault, at), [], 0
    outcome = one.run()
    sentence = one.said.read_text() if one.said.exists() else ""
    if fault in {"EIO", "ENOSPC"} and is_told(steps, at) and one.promised_since():
        wrong.append(f"an fsync failed, and it went on: {outcome} {sentence}")
    if fault in {"EIO", "ENOSPC"} and outcome not in {"ended", "exit 3"}:
        wrong.append(f"ended unexpectedly: {sentence}")
    for seed in CUTS if fault == "kill-before" else CUTS[:1] if fault in {"EIO", "ENOSPC"} else ():
        cut, told = one.cut(f"cut{seed}", seed)
        said = wrong_in(
            lambda c=cut, t=told: part.resume(c, lambda *_: None, t, cut=True), one.said
        )
        wrong += [f"after a power cut (seed {seed}): {said}"] * bool(said)
        cuts += 1
    before = len(one.read())
    twice = fault in {"kill-before", "EIO"} and hasattr(part, "ALONE")
    said = one.resume(one.folder, cut=False, traced=twice)
    wrong += [f"started again: {said}"] * bool(said)
    if twice and not said:
        marks = [n for n, r in enumerate(one.read()) if r.operation == "M"]
        for number in [n for n in marks if n >= before][:1]:
            cut, told = one.cut(f"again{number}", None, number + 1)
            said = wrong_in(lambda c=cut, t=told: part.check(c, t, cut=True), one.said)
            wrong += [f"after a power cut of what was started again: {said}"] * bool(said)
            cuts += 1
    for path in folder.parent.glob(f"{folder.name}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return {
        "fault": fault,
        "step": at,
        "operation": operation,
        "path": Path(path).name,
        "outcome": outcome,
        "said": sentence.partition("\n")[0],
        "cuts": cuts,
        "wrong": wrong,
    }


def is_told(steps, at):
    """Whether a step is an fsync whose failure the program gets to know.

    SQLite says nothing of a folder's, nor of those when it merges its log by itself (its log's
    once more, then the database's): the log stays then, and the next merge writes all of it
    again. What a cut leaves after such a failure is looked at as after any other.
    """
    operation, path = steps[at - 1]
    if operation == "fdatasync" and (path.endswith(".db") or Path(path).suffix == ""):
        return False
    return operation in SYNCS and steps[at - 2 : at - 1] != [steps[at - 1]]


def chosen(steps, told_after, count):
    """Numbers of the steps to try: all; or those right after a promise, fsyncs, and others."""
    everything = range(1, len(steps) + 1)
    if count == "all":
        return list(everything)
    chance, most, picked = random.Random(7), int(count), set()
    syncs = [n for n in everything if is_told(steps, n) and n > min(told_after)]
    for some, share in ((told_after, most // 2), (syncs, most // 3), (everything, most)):
        left = sorted(set(some) - picked)
        picked |= set(chance.sample(left, min(len(left), share, most - len(picked))))
    return sorted(picked)


def warm(part, base, folder):
    """Once here, so that what is imported or compiled on demand is there in every child."""
    told = []
    shutil.copytree(base, folder)
    part.run(folder, lambda *what: told.append(json.loads(json.dumps(what))))
    part.resume(folder, lambda *_: None, told, cut=False)
    gc.collect()
    gc.freeze()


def counted(part, base, folder):
    """A run without a fault: its steps, and before which of them something was promised."""
    one = Try(part, base, folder, "none", 0)
    assert one.run() == "ended", one.said.read_text()
    told_after = {r.step + 1 for r in one.read() if r.operation == "M"}
    steps = one.steps()
    return steps, {n for n in told_after if n <= len(steps)}


def main(name, folder, count, faults):
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    part, folder = import_module(f"part_{name}"), Path(folder).resolve()
    base = folder / "base"
    base.mkdir(parents=True)
    begun = time.monotonic()
    part.prepare(base)
    warm(part, base, folder / "warm")
    steps, told_after = counted(part, base, folder / "count")
    todo = [
        (fault, at)
        for at in chosen(steps, told_after, count)
        for fault in faults.split(",")
        if fault != "torn" or "write" in steps[at - 1][0]
    ]
    tries = shared_out(part, base, folder, steps, todo)
    found = {"part": name, "steps": len(steps), "seconds": round(time.monotonic() - begun, 1)}
    sys.stdout.write(json.dumps(found | {"tries": tries}) + "\n")


def shared_out(part, base, folder, steps, todo):
    """Several at once: a part waits for its clock now and then."""
    pids = []
    for slot in range(SLOTS):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with (folder / f"slot{slot}.jsonl").open("w") as out:
                    for fault, at in todo[slot::SLOTS]:
                        place = folder / f"{fault}-{at}"
                        one = check_one(part, base, place, fault, at, steps)
                        out.write(json.dumps(one) + "\n")
                        out.flush()
                code = 0
            finally:
                if code:
                    traceback.print_exc()
                os._exit(code)
        pids.append(child)
    assert not any(os.waitpid(pid, 0)[1] for pid in pids), "a slot ended by itself"
    lines = [line for s in range(SLOTS) for line in (folder / f"slot{s}.jsonl").open()]
    return [json.loads(line) for line in lines]


if __name__ == "__main__":
    main(*sys.argv[1:])
