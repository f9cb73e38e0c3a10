"""The tables of `docs/capacity.md`, from the pieces `capacity` and `memory` of one stored run.

Rows of machines that were run are measured; the others are reckoned from the largest that was,
message by message, and say so. `benchmarks/tables.py` writes them. Figures in, a text out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from figure import Figure

MEASURED = (20, 200, 1000)
RECKONED = ((1_000, 0.1), (5_000, 1.0), (10_000, 1.0), (50_000, 1.0))  # machines, messages a second
CLOSEST = 1000
DAY = 86_400
MARKS = ("<!-- capacity -->", "<!-- sizes -->", "<!-- held -->")
PARTS = ("collect", "broker", "anchor", "web")
SIZES = ("wire", "store", "left", "entry", "checkpoint")
ROWS = [
    f"capacity.{row}-{count}" for count in MEASURED for row in (*PARTS, *SIZES, "rate", "batches")
]
HELD = ("memory.collector", "memory.anchor", "memory.web", "memory.broker")
MOST_BATCHES = 4.0  # a second, below 8,000 messages/s: one every quarter second
FULL = 2000.0  # messages of a batch


@dataclass(frozen=True)
class Row:
    """A line of so many machines: messages and batches a second, cores by part, bytes."""

    machines: int
    rate: float
    batches: float
    cores: Mapping[str, float]
    sizes: Mapping[str, float]
    reckoned: bool = False

    def text(self) -> str:
        """Write it."""
        store = self.rate * self.sizes["store"] * DAY
        left = self.rate * self.sizes["left"] * DAY
        log = (self.batches * self.sizes["entry"] + self.sizes["checkpoint"]) * DAY
        net = 2 * 8 * self.rate * self.sizes["wire"] / 1e6
        cells = [
            f"{self.machines:,}{' ‡' if self.reckoned else ''}",
            f"{self.rate:,.0f}",
            f"{sum(self.cores.values()):.2g}",
            ", ".join(f"{self.cores[part]:.2g}" for part in PARTS),
            *(amount(size) for size in (store, left, log)),
            f"{net:,.2g}" if net < 10 else f"{net:,.0f}",
        ]
        return f"| {' | '.join(cells)} |"


def amount(size: float) -> str:
    """Give bytes in MB, GB or TB, two digits."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            found = size / scale
            return f"{found:.2g} {unit}" if found < 100 else f"{round(found, -1):.0f} {unit}"
    return f"{size / 1e6:.2g} MB"


def measured(figures: Mapping[str, Figure], machines: int) -> Row:
    """Take the row of so many machines out of a run."""

    def value(row: str) -> float:
        return figures[f"capacity.{row}-{machines}"].value

    return Row(
        machines=machines,
        rate=value("rate"),
        batches=value("batches"),
        cores={part: value(part) for part in PARTS},
        sizes={size: value(size) for size in SIZES},
    )


def reckoned(of: Row, machines: int, each: float) -> Row:
    """Reckon a row from a measured one: what a message costs stays, the anchor works by batches."""
    rate = machines * each
    batches = max(MOST_BATCHES, rate / FULL)
    by_message = rate / of.rate
    cores = {part: of.cores[part] * by_message for part in PARTS}
    cores["anchor"] = of.cores["anchor"] * max(1.0, batches / of.batches)
    return Row(machines, rate, batches, cores, of.sizes, reckoned=True)


def lines(figures: Mapping[str, Figure]) -> Iterable[str]:
    """Write the table of lines."""
    yield (
        "| machines | messages/s | cores | collector, broker, anchor, page | store a day | "
        "of it, erased | log a day | Mbit/s |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    known = {machines: measured(figures, machines) for machines in MEASURED}
    for row in known.values():
        yield row.text()
    for machines, each in RECKONED:
        yield reckoned(known[CLOSEST], machines, each).text()


def sizes(figures: Mapping[str, Figure]) -> Iterable[str]:
    """Write what a message and a batch take."""
    yield f"| | {' | '.join(f'{count:,} machines' for count in MEASURED)} |"
    yield "|---|" + "---|" * len(MEASURED)
    base = [figures[f"capacity.wire-{count}"].base for count in MEASURED]
    own = " | ".join(f"{one:.0f}" for one in base)
    yield f"| topic and payload, of some fourteen readings | {own} |"
    for size in SIZES:
        rows = [figures[f"capacity.{size}-{count}"] for count in MEASURED]
        yield f"| {rows[0].what} | {' | '.join(f'{one.value:,.0f}' for one in rows)} |"


def held(figures: Mapping[str, Figure]) -> Iterable[str]:
    """Write what the parts hold."""
    yield "| part | memory | of |"
    yield "|---|---|---|"
    for name in HELD:
        one = figures[name]
        yield f"| {one.what.removeprefix('memory, ')} | {one.value:.0f} {one.unit} | {one.how} |"


def rendered(figures: Mapping[str, Figure], page: str) -> str:
    """Give the page with its tables; one whose rows the run lacks stays as it is."""
    wanted = ((ROWS, lines), (ROWS, sizes), (HELD, held))
    for mark, (rows, write) in zip(MARKS, wanted, strict=True):
        if set(rows) <= figures.keys():
            before, _, after = page.split(mark)
            text = "\n".join(write(figures))
            page = f"{before}{mark}\n{text}\n{mark}{after}"
    return page
