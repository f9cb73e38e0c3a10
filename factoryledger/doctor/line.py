"""A line of `doctor`: about what, how it is, and what to do. Pure."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any


class Level(IntEnum):
    """How it is; the greater, the worse."""

    GOOD = 0
    WARNING = 1
    BAD = 2


@dataclass(frozen=True, slots=True)
class Line:
    """`about` is what was looked at; `todo` what to do, "" where nothing is.

    `false` marks what was checked and found false, in place of what is not there.
    """

    about: str
    level: Level
    says: str
    todo: str = ""
    false: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "level": self.level.name.lower()}


def good(about: str, says: str) -> Line:
    """Nothing has to be done."""
    return Line(about, Level.GOOD, says)


def warning(about: str, says: str, todo: str) -> Line:
    """It works, and some promise is weaker than it could be."""
    return Line(about, Level.WARNING, says, todo)


def bad(about: str, says: str, todo: str, *, false: bool = False) -> Line:
    """Something does not work, or what is promised does not hold."""
    return Line(about, Level.BAD, says, todo, false)


def exit_code(lines: Iterable[Line]) -> int:
    """0 where nothing is bad; 1 where something is false; 3 where something is not there."""
    ill = [line for line in lines if line.level is Level.BAD]
    if any(line.false for line in ill):
        return 1
    return 3 if ill else 0
