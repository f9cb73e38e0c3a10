"""The tables of README, performance, scale and capacity (in docs/), from one stored run.

`docs/bench.json` is the last whole run (`make bench` writes `build/bench.json`). No figure
between marks is written by hand: a test renders the pages again and compares. A piece that ran
while the machine had other work gives only the rows that this changes little, marked, and the
table says what is left out. Texts in, texts out.

Run: python benchmarks/tables.py [RUN], a run to be kept as docs/bench.json first.
"""

import json
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from capacity_page import rendered as capacity
from figure import Figure
from scale_page import rendered as scale

ROOT = Path(__file__).parents[1]
STORED = ROOT / "docs/bench.json"
QUIET = 0.1  # cores that something else may have had
BESIDE = "†"
NOTE = " measured beside other work: CPU time or a size, which that changes by up to a fifth."
MARK = re.compile(r"(<!-- bench: (\S+) -->\n).*?(?=<!-- bench -->)", re.DOTALL)
# What whoever runs a plant, audits it or tests against it asks first.
README = [
    "collect.unsigned",
    "collect.signed",
    "peers.mosquitto_sub",
    "peers.mq-bridge",
    "peers.batched",
    "latency.stored",
    "latency.receipt",
    "watching.screen",
    "memory.collector",
    "memory.machine",
    "proof.prove",
    "audit.signed",
    "audit.unsigned",
    "start.proof",
]
# By CPU time, where the rate was not measured on a machine left alone.
INSTEAD = {
    "collect.unsigned": "collect.unsigned-core",
    "collect.signed": "collect.signed-core",
    "peers.mosquitto_sub": "peers.mosquitto_sub-cpu",
    "peers.mq-bridge": "peers.mq-bridge-cpu",
    "peers.batched": "peers.batched-cpu",
}


class Run:
    """A stored run: its machine, and the figures of its pieces."""

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self.machine: Mapping[str, Any] = stored["machine"]
        self.pieces: Mapping[str, Any] = stored["pieces"]
        self.figures: dict[str, Figure] = {}
        self.beside: set[str] = set()  # figures of pieces that ran beside other work
        for piece in self.pieces.values():
            found = [Figure(**one) for one in piece["figures"]]
            kept = [one for one in found if quiet(piece) or one.steady]
            self.figures |= {one.name: one for one in kept}
            self.beside |= set() if quiet(piece) else {one.name for one in kept}

    def row(self, name: str) -> Figure | None:
        """Give a figure, or what stands in for it."""
        return self.figures.get(name) or self.figures.get(INSTEAD.get(name, name))

    def spread(self, one: Figure) -> str:
        """Give the ratio's median, lowest and highest."""
        mark = BESIDE if one.name in self.beside else ""
        if one.runs == 1:
            return f"**{number(one.ratio)}**{mark}"
        return f"**{number(one.ratio)}**{mark} ({number(one.low)}, {number(one.high)})"

    def note(self, rows: Iterable[Figure]) -> list[str]:
        """Explain the mark, where a row has it."""
        marked = any(one.name in self.beside for one in rows)
        return ["", f"{BESIDE}{NOTE}"] if marked else []

    def said(self) -> str:
        """Give the machine, in a line."""
        of = self.machine
        dates = sorted(piece["at"][:10] for piece in self.pieces.values())
        commits = sorted({piece["commit"] for piece in self.pieces.values()})
        which = f"commit {commits[0]}" if len(commits) == 1 else "each piece's commit in bench.json"
        when = f"; {dates[-1]}, {which}" if dates else ""
        programs = ", ".join(f"{name} {version}" for name, version in of["programs"].items())
        return f"{of['cores']} cores ({of['processor']}), {of['system']}, {programs}{when}."


def quiet(piece: Mapping[str, Any]) -> bool:
    """Whether the machine was its own while it ran."""
    return piece["others"] is not None and piece["others"] <= QUIET


def number(value: float) -> str:
    """Give three digits, thousands parted."""
    if value == 0 or value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    text = f"{value:.3g}"
    return text if "e" not in text else f"{value:.6f}".rstrip("0")


def sides(one: Figure) -> str:
    """Give both sides as they were measured here."""
    unit = one.unit if one.unit.startswith("/") else f" {one.unit}"
    return f"{number(one.value)} to {number(one.base)}{unit}".rstrip()


def wanted(one: Figure) -> str:
    """Give what the ratio is to be, and whether it is not."""
    said = [f"at least {one.least:g}"] if one.least is not None else []
    said += [f"at most {one.most:g}"] if one.most is not None else []
    return " and ".join(said) + (", **missed**" if one.missed else "")


def short(run: Run) -> Iterator[str]:
    """Write the README's table."""
    yield "| what | ratio (lowest, highest) | to what | here | how |"
    yield "|---|---|---|---|---|"
    rows = [one for one in map(run.row, README) if one is not None]
    for one in rows:
        yield f"| {one.what} | {run.spread(one)} | {one.of} | {sides(one)} | {one.how} |"
    yield from run.note(rows)
    yield ""
    if left := [name for name in README if run.row(name) is None]:
        yield f"Left out, not measured on a quiet machine yet: {', '.join(left)}."
        yield ""
    yield run.said()


def long(run: Run, name: str) -> Iterator[str]:
    """Write a piece's table of `docs/performance.md`."""
    if name == "machine":
        yield run.said()
        return
    rows = [one for one in run.figures.values() if one.name.partition(".")[0] == name]
    if not rows:
        yield "Not measured on a quiet machine yet: `make bench` does."
        return
    yield "| what | ratio (lowest, highest) | to what | here | runs | wanted | how |"
    yield "|---|---|---|---|---|---|---|"
    for one in rows:
        cells = (one.what, run.spread(one), one.of, sides(one), one.runs, wanted(one), one.how)
        yield f"| {' | '.join(map(str, cells))} |"
    yield from run.note(rows)


def rendered(run: Run, page: str) -> str:
    """Give a page with its tables as the run has them."""

    def table(found: re.Match[str]) -> str:
        lines = short(run) if found[2] == "readme" else long(run, found[2])
        return found[1] + "\n".join(lines) + "\n"

    return MARK.sub(table, page)


def pages(stored: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Give every page and what it has to be."""
    run = Run(stored)
    for path in (ROOT / "README.md", ROOT / "docs/performance.md"):
        yield path, rendered(run, path.read_text("utf-8"))
    path = ROOT / "docs/scale.md"
    yield path, scale(run.figures, path.read_text("utf-8"))
    path = ROOT / "docs/capacity.md"
    yield path, capacity(run.figures, path.read_text("utf-8"))


def main() -> None:
    """Write the pages, from a run that is kept first, where one is named."""
    if sys.argv[1:]:
        shutil.copyfile(sys.argv[1], STORED)
    for path, text in pages(json.loads(STORED.read_text("utf-8"))):
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
