"""A case: a folder with `case.toml`, its input, and `expected.txt`, what must come of it."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
EXPECTED = "expected.txt"
COMMON = {"title", "found", "kind"}
# What a case of each kind may say beside; a member that is not here is a slip of the pen.
KINDS = {
    "command": {"before", "run", "show"},
    "parse": {"parser", "inputs"},
    "messages": {"enrolled", "revoked", "message"},
    "replay": {"recording", "options"},
    "log": {"vkey"},
}


@dataclass(frozen=True)
class Case:
    """`says` is `case.toml` as read."""

    folder: Path
    says: dict[str, Any]

    @property
    def kind(self) -> str:
        return self.says["kind"]

    @property
    def expected(self) -> Path:
        return self.folder / EXPECTED


def read_case(folder: Path) -> Case:
    """Read a case; ValueError says what is wrong with its `case.toml`."""
    says = tomllib.loads((folder / "case.toml").read_text(encoding="utf-8"))
    if missing := COMMON - says.keys():
        raise ValueError(f"{folder.name}/case.toml lacks {', '.join(sorted(missing))}")
    if says["kind"] not in KINDS:
        raise ValueError(f"{folder.name}: no kind {says['kind']!r}; one of {', '.join(KINDS)}")
    if not isinstance(says["found"], date):
        raise ValueError(  # noqa: TRY004 - the file's word is wrong, no caller's
            f"{folder.name}: found is a date, 2026-11-28"
        )
    if unknown := says.keys() - COMMON - KINDS[says["kind"]]:
        raise ValueError(f"{folder.name}: {', '.join(sorted(unknown))} means nothing here")
    return Case(folder, says)


def folders(where: Path = HERE) -> Iterator[Path]:
    """The cases' folders, in the order of their names."""
    return (path.parent for path in sorted(where.glob("*/case.toml")))
