"""Run as a program: `hammer_process.py FOLDER SEED ROUNDS`; prints what befell, as JSON.

Each round more comes in and an anchor starts over what the round before left. It is killed
with SIGKILL right after one of its durable steps, or ends; before every third round one bit of
its storage is flipped. Every checkpoint that a witness was sent is written down at once, so
that also what a killed process had signed is known.
"""

import asyncio
import json
import os
import random
import shutil
import sys
from collections import Counter
from pathlib import Path

import structlog

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2]))

from anchor_plant import Plant, open_net
from check_log import check_log, check_signed
from crash_process import kill_self
from crash_scenario import WITNESSES, anchor_once, check_entries, policy_of
from faults import AFTER, FaultyDurable, Unsynced
from sqlalchemy.exc import SQLAlchemyError

from anchor.errors import AnchorError, Refused

MOST_STEPS = 90
REFUSED = 3


def note_sent(folder, net):
    """Write down what a witness is being sent, before it has it."""
    with (folder / "sent").open("ab") as file:
        file.write(net.sent[-1] + b"\0")


def run_anchor_to(folder: Path, plant: Plant, at: int) -> str:
    """One process over the folder, killed after step `at`: how it ended."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            durable = FaultyDurable(at, AFTER, kill_self)
            net = open_net(plant, folder, WITNESSES)
            noting = iter(range(1 << 30))

            def step():
                if net.sent and next(noting) % 2 == 0:
                    note_sent(folder, net)
                durable.step("witness")

            net.step = step
            try:
                asyncio.run(anchor_once(plant, folder, net, durable))
                code = 0
            except (AnchorError, OSError, SQLAlchemyError):
                code = REFUSED
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "killed"
    return {0: "ended", REFUSED: "refused"}.get(os.WEXITSTATUS(status), "failed")


class Storage:
    """What the anchor keeps, with one bit of it flipped, and put right again."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder = folder
        self._copy = folder / "copy"
        files = [p for p in (folder / "log").rglob("*") if p.is_file() and p.stat().st_size]
        files.append(folder / "anchor.db")
        self.file = chance.choice(files)
        self.place = chance.randrange(self.file.stat().st_size)
        self.bit = 1 << chance.randrange(8)
        self._sent = self._size_of_sent()
        self._save()
        self._flip()

    def right(self, outcome: str) -> None:
        """After a refusal that sent nothing the copy is the newest there is; else the bit alone."""
        if outcome == "refused" and self._size_of_sent() == self._sent:
            shutil.rmtree(self.folder / "log")
            shutil.copytree(self._copy / "log", self.folder / "log")
            for path in self.folder.glob("anchor.db*"):
                path.unlink()
            for path in self._copy.glob("anchor.db*"):
                shutil.copy(path, self.folder)
        elif self._is_flipped():
            self._flip()
        shutil.rmtree(self._copy)

    def _is_flipped(self) -> bool:
        there = self.file.read_bytes() if self.file.is_file() else b""
        return len(there) > self.place and there[self.place] == self._flipped

    def _save(self) -> None:
        self._copy.mkdir()
        shutil.copytree(self.folder / "log", self._copy / "log")
        for path in self.folder.glob("anchor.db*"):
            shutil.copy(path, self._copy)

    def _flip(self) -> None:
        data = bytearray(self.file.read_bytes())
        data[self.place] ^= self.bit
        self._flipped = data[self.place]
        with self.file.open("r+b") as file:
            file.seek(self.place)
            file.write(bytes([self._flipped]))

    def _size_of_sent(self) -> int:
        path = self.folder / "sent"
        return path.stat().st_size if path.exists() else 0


def forget_uncosigned(folder: Path, plant: Plant) -> int:
    """A start keeps what `checkpoint` holds: the log's signature is good, a cosignature flipped."""
    policy, found = policy_of(plant), 0
    for path in (folder / "log/checkpoints").iterdir():
        try:
            policy.open(path.read_bytes())
        except Refused:
            path.unlink()
            found += 1
    return found


def grow(plant: Plant, number: int, chance: random.Random) -> None:
    """What comes in before a round."""
    for _ in range(chance.choice((1, 2, 40, 90))):
        plant.collector("one").commit()
    if number % 3 == 0:
        plant.request(plant.enrol_device(f"device-{number}"))
        plant.collector("two").apply(plant.waiting[-1][1])
        plant.collector("two").commit()


def hammer(folder: Path, seed: int, rounds: int) -> dict[str, int]:
    """All rounds, and the proof at the end that every head ever signed is of one tree."""
    chance, plant, counts = random.Random(seed), Plant(), Counter()
    for number in range(rounds):
        grow(plant, number, chance)
        flips = number % 3 == 2 and (folder / "anchor.db").exists()
        storage = Storage(folder, chance) if flips else None
        outcome = run_anchor_to(folder, plant, chance.randrange(1, MOST_STEPS))
        counts[f"{outcome}, a bit flipped" if storage else outcome] += 1
        if storage is not None:
            storage.right(outcome)
        if outcome == "failed" or (outcome == "refused" and storage is None):
            raise SystemExit(f"round {number} of seed {seed}: {outcome}, flipped: {storage}")
    net = open_net(plant, folder, WITNESSES)
    net.step = None
    asyncio.run(anchor_once(plant, folder, net, Unsynced()))
    kept = [path.read_bytes() for path in (folder / "log/checkpoints").iterdir()]
    counts["kept with a flipped cosignature"] = forget_uncosigned(folder, plant)
    checked = check_log(folder / "log", policy_of(plant))
    check_entries(plant, checked.entries)
    sent = [note for note in (folder / "sent").read_bytes().split(b"\0") if note]
    witnessed = [state.latest(plant.key.name).note for state in net.states.values()]
    net.close()
    notes = [*sent, *net.sent, *kept, *witnessed]
    counts["signed heads"] = check_signed(notes, plant.key.verifier, checked.leaves)
    counts["sent"] = len(sent)
    return dict(counts)


def main(folder: Path, seed: int, rounds: int) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    sys.stdout.write(json.dumps(hammer(folder, seed, rounds)) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:4]))
