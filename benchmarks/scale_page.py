"""The figures of `docs/scale.md` that follow from one run of `benchmarks/collect.py`.

`benchmarks/tables.py` writes them where the stored run has all of `ROWS`, measured on a machine
left alone; else the page keeps those of the last that had. Figures and a text in, a text out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from figure import Figure

ROWS = (
    "part-broker",
    "part-verify",
    "signed-cpu",
    "unsigned-cpu",
    "hashing",
    "share",
    "readings",
    "half-unsigned-99",
)
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
    def of(cls, figures: Mapping[str, Figure]) -> "Costs":
        """Take them out of a run."""
        broker = figures["collect.part-broker"].value
        check = figures["collect.part-verify"].value
        spent = figures["collect.signed-cpu"]
        return cls(
            foreign=figures["collect.unsigned-cpu"].value,
            hashing=figures["collect.hashing"].value,
            broker=broker,
            check=check,
            signed=spent.value - check - broker,
            share=figures["collect.share"].ratio,
            needed=spent.base,
            readings=figures["collect.readings"].ratio,
            late=figures["collect.half-unsigned-99"].ratio,
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
            f"collector, foreign of 200 bytes, SQLite FULL ({of.hashing:.1f} hashing and log)",
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
        f"Two cores take {rate(of.needed / of.share / 2)} signed messages a second from a "
        f"backlog ({of.share:.2f} of what the two give to checking, broker, link, store and "
        f"hash); fifty readings a message are {of.readings:.2f} times 500,000 readings/s. At "
        f"half of the peak of foreign ones, 99 % are committed within {of.late / 2:.2f} s."
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


def rendered(figures: Mapping[str, Figure], page: str) -> str:
    """Give the page with its figures as the run has them; as it is, where one is not there."""
    if not {f"collect.{row}" for row in ROWS} <= figures.keys():
        return page
    of = Costs.of(figures)
    for mark, write in zip(MARKS, (costs, one_machine, a_million), strict=True):
        before, _, after = page.split(mark)
        page = f"{before}{mark}\n{write(of)}\n{mark}{after}"
    return page
