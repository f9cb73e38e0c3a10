"""The figures of `docs/scale.md` that follow from the table of `docs/performance.md`.

So that the page reckons with one run of `benchmarks/collect.py` alone: whoever writes that table
writes these too, and `make docs` does it by itself. A text in, a text out.

Run: python benchmarks/scale_page.py
"""

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
TABLE = "<!-- benchmarks/collect.py -->"
MARKS = ("<!-- costs -->", "<!-- one machine -->", "<!-- a million -->")
MILLION = 1_000_000


@dataclass(frozen=True)
class Costs:
    """CPU microseconds a message, and what two cores made of them."""

    foreign: float
    hashing: float
    broker: float
    check: float
    signed: float  # in the collector, without the check
    share: float  # of what two cores give
    needed: float
    readings: float  # to 500,000 a second
    late: float  # to 500 ms

    @classmethod
    def of(cls, performance: str) -> "Costs":
        """Read the table."""
        rows = {}
        for line in performance.split(TABLE)[1].splitlines():
            cells = [cell.strip() for cell in line.strip("| ").split("|")]
            rows[cells[0]] = (cells[1:2], [float(n) for n in re.findall(r"[\d.]+", cells[-1])])

        def row(start: str) -> tuple[float, list[float]]:
            ratio, cpu = next(found for name, found in rows.items() if name.startswith(start))
            return float(ratio[0]), cpu

        foreign, hashing = row("foreign, 200 bytes"), row("hashing, records and log")
        share, (spent, needed, check, _, _, _, broker) = row("signed, every signature")
        return cls(
            foreign=foreign[1][0],
            hashing=hashing[1][0],
            broker=broker,
            check=check,
            signed=spent - check - broker,
            share=share,
            needed=needed,
            readings=row("50 readings")[0],
            late=row("publisher to committed")[0],
        )


def rate(microseconds: float) -> str:
    """Give how many a second a core makes, to two digits."""
    found = MILLION / microseconds
    step = 10 ** (len(str(int(found))) - 2)
    return f"{round(found / step) * step:,}"


def costs(of: Costs) -> str:
    """Write what a message costs in the processes that one run has measured."""
    rows = [
        ("Mosquitto 2.0, forwarding a signed backlog at QoS 1", of.broker, "another broker"),
        (
            f"collector, foreign of 200 bytes, SQLite FULL ({of.hashing} of it hashing and log)",
            of.foreign,
            "another collector",
        ),
        ("collector, signed message, without the check", of.signed, "another collector"),
        ("checking its signature, in a judge", of.check, "another judge (`--processes`)"),
    ]
    lines = [
        "| part | CPU, µs a message | a core of it gives | how it grows |",
        "|---|---|---|---|",
    ]
    lines += [f"| {name} | {cost:.1f} | {rate(cost)}/s | {how} |" for name, cost, how in rows]
    return "\n".join(lines)


def one_machine(of: Costs) -> str:
    """Write what two cores did."""
    return (
        f"Two cores take {rate(of.needed / of.share / 2)} signed messages a second from a backlog "
        f"({of.share} of what the two give to checking, broker, link, store and hash); fifty "
        f"readings a message are {of.readings} times 500,000 readings/s. At half of the peak of "
        f"foreign ones, 99 % are committed within {of.late / 2:.2f} s."
    )


def a_million(of: Costs) -> str:
    """Write what a million messages a second, each signed, take, as they are and ten in one."""
    few, many = of.signed / 10, of.signed / 5
    rows = [
        ("", "as it is", "ten scans in a message"),
        ("---", "---", "---"),
        ("messages", "1,000,000/s", "100,000/s"),
        (
            f"collectors ({of.signed:.1f} µs each)",
            f"{of.signed:.0f}, and more for room",
            f"{few:.0f} to {many:.0f}",
        ),
        (f"judges ({of.check:.1f} µs)", f"{of.check:.0f} cores", f"{of.check / 10:.0f} cores"),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def rendered(performance: str, page: str) -> str:
    """Give the page with its figures as the table has them."""
    of = Costs.of(performance)
    for mark, write in zip(MARKS, (costs, one_machine, a_million), strict=True):
        before, _, after = page.split(mark)
        page = f"{before}{mark}\n{write(of)}\n{mark}{after}"
    return page


def main() -> None:
    """Write the page."""
    page = DOCS / "scale.md"
    text = rendered((DOCS / "performance.md").read_text("utf-8"), page.read_text("utf-8"))
    page.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
