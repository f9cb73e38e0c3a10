"""The cosigned checkpoints that a log kept: which one first contains an entry.

By hints of who keeps the log, else listed once a run. Either way a file counts only where the
policy opens it and the log's tree has its root.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from anchor.errors import AnchorError
from anchor.policy import Cosigned, Policy
from anchor.reading.hinted_log import Hints
from anchor.reading.log_reader import LogReader

_FOLDER = "checkpoints/"


@dataclass(slots=True)
class KeptCheckpoints:
    """The cosigned checkpoints that a log kept, by size."""

    reader: LogReader
    policy: Policy
    hints: Hints | None = None
    _sizes: list[tuple[int, str]] | None = None

    def earliest(self, index: int) -> Cosigned:
        """The earliest checkpoint known to contain entry `index` that the policy opens.

        The log's newest where its files cannot be listed. Refused if that does not hold.
        """
        view = self.reader.view
        for size, group in groupby(self._after(index), key=itemgetter(0)):
            if size > view.size:
                break
            opened = [cosigned for _, path in group if (cosigned := self._opened(path))]
            ours = [c for c in opened if c.checkpoint.root == view.root(size)]
            if ours:
                # The same tree may have been cosigned again later.
                return min(ours, key=lambda c: self.policy.not_after(c) or 0)
        return self.policy.open(self.reader.head[0])

    def after(self, index: int, wanted: Callable[[str], bool]) -> Iterator[Cosigned]:
        """Kept checkpoints that contain entry `index`, the earliest tree first.

        Of those only that are `wanted`, by the hexadecimal SHA-256 of the note, that the log
        signed and whose root its tree has.
        """
        view = self.reader.view
        for size, path in self._after(index):
            if size > view.size:
                break
            if wanted(path.removeprefix(_FOLDER)):
                try:
                    cosigned = self.policy.read(self.reader.source.read(path))
                except AnchorError:
                    continue
                if cosigned.checkpoint.root == view.root(size):
                    yield cosigned

    def without(self, index: int) -> list[Cosigned]:
        """The largest checkpoint kept that does not contain entry `index`, each time it was kept.

        Empty where there is none, or where the log's files cannot be listed.
        """
        for size, group in groupby(self._until(index), key=itemgetter(0)):
            opened = [cosigned for _, path in group if (cosigned := self._opened(path))]
            root = self.reader.view.root(size)
            if ours := [c for c in opened if c.checkpoint.root == root]:
                return ours
        return []

    def _opened(self, path: str) -> Cosigned | None:
        try:
            return self.policy.open(self.reader.source.read(path))
        except AnchorError:
            return None

    def _after(self, index: int) -> Iterable[tuple[int, str]]:
        if self.hints is not None:
            return _named(self.hints.kept_after(index))
        return self._listed()[self._split(index) :]

    def _until(self, index: int) -> Iterable[tuple[int, str]]:
        if self.hints is not None:
            return _named(self.hints.kept_until(index))
        return reversed(self._listed()[: self._split(index)])

    def _split(self, index: int) -> int:
        return bisect_right(self._listed(), index, key=itemgetter(0))

    def _listed(self) -> list[tuple[int, str]]:
        if self._sizes is None:
            self._sizes = sorted(self._list())
        return self._sizes

    def _list(self) -> Iterator[tuple[int, str]]:
        for path in self.reader.source.paths(_FOLDER) or ():
            try:
                lines = self.reader.source.read(path).split(b"\n", 2)
            except AnchorError:
                continue
            if len(lines) > 1 and lines[1].isdigit():
                yield int(lines[1][:20]), path


def _named(found: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, str]]:
    return ((size, f"{_FOLDER}{digest.hex()}") for size, digest in found)
