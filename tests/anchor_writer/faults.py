"""A Durable that stops at one step: before it, after it, or with what was not synced lost."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

from anchor.keeping.durable import Durable

BEFORE = "before"
AFTER = "after"
LOSE_ALL = "lose-all"
LOSE_SOME = "lose-some"
TORN = "torn"


class Crash(BaseException):
    """The process ends here: no handler may go on."""


class Unsynced(Durable):
    """The real steps without waiting for the disk: what a power cut takes is simulated here."""

    def write(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)

    def sync_folder(self, path: Path) -> None:
        assert path.is_dir()


class FaultyDurable(Unsynced):
    """Counts durable steps and at number `at` (from 1) does what `mode` says, by `act`.

    `before`: the step fails and did not persist. `after`: it persisted, and yet fails.
    `lose-all`, `lose-some`: a power cut after the step takes back every (or by chance every
    second) change of a folder that was not synced since.
    """

    def __init__(self, at: int, mode: str, act: Callable[[], None]) -> None:
        self.steps = 0
        self.names: list[str] = []
        self._at = at
        self._mode = mode
        self._act = act
        self._chance = random.Random(at)
        self._unsynced: list[tuple[Path, Callable[[], None]]] = []

    def step(self, name: str, do: Callable[[], None] | None = None) -> None:
        self.steps += 1
        self.names.append(name)
        here = self.steps == self._at
        if here and self._mode == BEFORE:
            self._act()
        if do is not None:
            do()
        if here and self._mode != BEFORE and self._cut_power():
            self._act()

    def write(self, path: Path, data: bytes) -> None:
        self._will_change(path)
        if self.steps + 1 == self._at and self._mode == TORN:
            Unsynced.write(self, path, data[: len(data) // 2])
            self._act()
        self.step(f"write {path.name}", lambda: Unsynced.write(self, path, data))

    def rename(self, old: Path, new: Path) -> None:
        self._will_change(new)
        self._will_change(old)
        self.step(f"rename {new.name}", lambda: Durable.rename(self, old, new))

    def sync_folder(self, path: Path) -> None:
        def do() -> None:
            Unsynced.sync_folder(self, path)
            self._unsynced = [(folder, undo) for folder, undo in self._unsynced if folder != path]

        self.step(f"sync {path.name}", do)

    def make_folder(self, path: Path) -> None:
        if not path.exists():
            self._unsynced.append((path.parent, lambda: shutil.rmtree(path, ignore_errors=True)))
        self.step(f"make {path.name}", lambda: Durable.make_folder(self, path))

    def remove(self, path: Path) -> None:
        self._will_change(path)
        self.step(f"remove {path.name}", lambda: Durable.remove(self, path))

    def remove_folder(self, path: Path) -> None:
        self._unsynced.append((path.parent, lambda: path.mkdir(exist_ok=True)))
        self.step(f"remove {path.name}", lambda: Durable.remove_folder(self, path))

    def commit(self, transaction: Callable[[], None]) -> None:
        self.step("commit", lambda: Durable.commit(self, transaction))

    def _will_change(self, path: Path) -> None:
        before = path.read_bytes() if path.exists() else None

        def undo() -> None:
            if before is None:
                path.unlink(missing_ok=True)
            elif path.parent.is_dir():
                path.write_bytes(before)

        self._unsynced.append((path.parent, undo))

    def _cut_power(self) -> bool:
        """Take back what was not synced; False, and no end, when a power cut takes nothing."""
        if self._mode in {AFTER, TORN}:
            return self._mode == AFTER
        # Some of one is all or nothing, which the other modes do.
        if len(self._unsynced) <= (self._mode == LOSE_SOME):
            return False
        for _, undo in reversed(self._unsynced):
            if self._mode == LOSE_ALL or self._chance.random() < 0.5:
                undo()
        return True
