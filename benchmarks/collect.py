"""What the collector stores a second beside all that the broker gives, and beside its own parts.

Everything in one run against one Mosquitto, sides in turn; each side is a process of its own and
takes what was queued for it. The ceiling is the faster of two subscribers at QoS 1 that keep
nothing: `mosquitto_sub` and the bare link. Each round's ratios are of that round.

Run: python benchmarks/collect.py [--messages N] [--rounds R]
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import structlog
from figure import Figure, measured, tell
from throughput.messages import foreign, placed, signed
from throughput.parts import parts
from throughput.sides import CORES, Figures, Sides

from factoryledger.broker import LocalBroker
from factoryledger.running import few_collections

LEAST = 9_000  # messages
WANTED_READINGS = 500_000.0  # a second
WANTED_DELAY = 500.0  # ms
PARTS = {
    "verify": "parse, signature check",
    "link": "packets in, acknowledgements out",
    "store": "claims, rows, transaction",
    "hash": "hashes, records, tree, checkpoint",
}
Rounds = dict[str, list[Figures]]


def measure(sides: Sides, count: int, rounds: int) -> Rounds:
    """Run every side, in turn, as often as said."""
    plain, sealed = foreign(count), signed(count, 3)
    wide = signed(count // 3, 50)
    runs: dict[str, Callable[[], Figures]] = {
        "mosquitto_sub": lambda: sides.mosquitto_sub(plain),
        "link": lambda: sides.ours("link", plain),
        "unsigned": lambda: sides.ours("collector", plain),
        "link, signed": lambda: sides.ours("link", sealed),
        "signed": lambda: sides.ours("collector", sealed, processes=CORES),
        "one process": lambda: sides.ours("collector", sealed[: count // 3]),
        "readings": lambda: sides.ours("collector", wide, processes=CORES),
        "mosquitto_sub, signed": lambda: sides.mosquitto_sub(sealed),
        "parts, signed": lambda: parts(placed(sealed[:20_000], "p"), sides.fresh()),
        "parts, unsigned": lambda: parts(placed(plain[:20_000], "p"), sides.fresh()),
    }
    found: Rounds = {name: [] for name in runs}
    for number in range(rounds):
        for name, run in runs.items():
            found[name].append(run())
            print(f"round {number + 1}: {name}: {found[name][-1]}", file=sys.stderr, flush=True)
    for name in ("unsigned", "signed"):
        half = min(one["rate"] for one in found[name]) / 2
        found[f"half, {name}"] = [sides.delays(half, 8.0, signed=name == "signed")]
    return found


def of(rounds: list[Figures], key: str = "rate") -> list[float]:
    """Give one figure of each round."""
    return [one[key] for one in rounds]


def figures(found: Rounds) -> list[Figure]:
    """Make the rows."""
    ceiling = [
        list(map(max, of(found["mosquitto_sub"]), of(found["link"]))),
        list(map(max, of(found["mosquitto_sub, signed"]), of(found["link, signed"]))),
    ]
    given = "all that the broker gives one subscriber at QoS 1"
    how = "a backlog of {}; each committed (SQLite, synchronous FULL), hashed, then acknowledged"
    rows = [
        measured("collect.unsigned", "stored, unsigned messages", of(found["unsigned"]),
                 ceiling[0], unit="/s", of=given, how=how.format("200 bytes each")),
        measured("collect.signed", "stored, signed messages, every signature checked",
                 of(found["signed"]), ceiling[1], unit="/s", of=given,
                 how=how.format("450 bytes each")),
        measured("collect.unsigned-sub", "stored, unsigned messages", of(found["unsigned"]),
                 of(found["mosquitto_sub"]), unit="/s", of="`mosquitto_sub` into nothing",
                 how="as above", least=0.7),
        measured("collect.link", "the collector's link alone", of(found["link"]),
                 of(found["mosquitto_sub"]), unit="/s", of="`mosquitto_sub` into nothing",
                 how="the same backlog, acknowledged at once"),
        measured("collect.ceiling", "the broker's time for it, of a core",
                 [one["broker_us"] * rate / 1e6
                  for one, rate in zip(found["link"], of(found["link"]), strict=True)], 1.0,
                 unit="cores", of="its one thread",
                 how="while the link drains it: at 1 the broker, not a subscriber, is the limit"),
        measured("collect.readings", "readings, 50 a message, signed",
                 [50 * rate for rate in of(found["readings"])], WANTED_READINGS, unit="/s",
                 of="500,000/s, wanted", how="as the signed ones", least=1.0),
        measured("collect.judges", f"signed, {CORES} judges", of(found["signed"]),
                 of(found["one process"]), unit="/s", of="the same in one process",
                 how="`collect --processes`"),
    ]  # fmt: skip
    return rows + costs(found) + delays(found)


def costs(found: Rounds) -> list[Figure]:
    """Make the rows on CPU time a message."""
    parts_of = found["parts, signed"]
    broker = of(found["mosquitto_sub, signed"], "broker_us")
    needed = [sum(one[name] for name in PARTS) + b for one, b in zip(parts_of, broker, strict=True)]
    spent = [one["cpu_us"] + one["broker_us"] for one in found["signed"]]
    cores = min(CORES, 2)
    bound = [cores * 1e6 / each for each in needed]
    hashing = of(found["parts, unsigned"], "hash")
    own = of(found["unsigned"], "cpu_us")
    rest = [cpu - one for cpu, one in zip(own, hashing, strict=True)]
    way = [one + b for one, b in zip(rest, of(found["unsigned"], "broker_us"), strict=True)]
    broker_gives = [1e6 / one["broker_us"] for one in found["link"]]
    total = "the sum of the parts"
    alone = "CPU of the part by itself, the program's own code on the same messages"
    return [
        measured("collect.share", "stored, signed", of(found["signed"]), bound, unit="/s",
                 of=f"what {cores} cores give to the sum of the parts",
                 how="the parts below, perfectly shared out", least=0.8),
        measured("collect.signed-cpu", "a signed message, collector, judges and broker", spent,
                 needed, unit="µs of CPU", of=total, how="of the same backlog"),
        *(measured(f"collect.part-{name}", f"of it: {what}", of(parts_of, name), needed,
                   unit="µs of CPU", of=total, how=alone) for name, what in PARTS.items()),
        measured("collect.part-broker", "of it: the broker", broker, needed, unit="µs of CPU",
                 of=total, how="while `mosquitto_sub` takes the same messages"),
        measured("collect.unsigned-cpu", "an unsigned message, collector", own,
                 of(found["mosquitto_sub"], "cpu_us"), unit="µs of CPU", of="`mosquitto_sub`",
                 how="of the same backlog"),
        measured("collect.unsigned-core", "stored by a core, unsigned messages",
                 [1e6 / each for each in own], broker_gives, unit="/s a core",
                 of="forwarded by a core of the broker", how="CPU of the same backlogs"),
        measured("collect.signed-core", "stored by a core, signed, every signature checked",
                 [1e6 / one["cpu_us"] for one in found["signed"]], broker_gives,
                 unit="/s a core", of="forwarded by a core of the broker",
                 how="CPU of collector and judges; the check alone is most of it"),
        measured("collect.hashing", "hashing, records and log of an unsigned message", hashing,
                 rest, unit="µs of CPU", of="all else in the collector", how=alone, most=0.25),
        measured("collect.hashing-way", "the same", hashing, way, unit="µs of CPU",
                 of="all else, the broker included", how=alone, most=0.25),
    ]  # fmt: skip


def delays(found: Rounds) -> list[Figure]:
    """Make the rows on how long a message waits at half of the peak."""
    wanted = f"{WANTED_DELAY:g} ms, wanted"
    return [
        measured(f"collect.half-{name}-{part}", f"{whence} to committed, {name}, {part} %",
                 [1000 * one[f"p{part}"] for one in found[f"half, {name}"]], WANTED_DELAY,
                 unit="ms", of=wanted, most=1.0,
                 how="at half of the rate above, made as they go, over 8 s")
        for name, whence in (("unsigned", "publisher"), ("signed", "machine"))
        for part in (50, 99)
    ]  # fmt: skip


def main() -> None:
    """Measure, tell the figures."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--messages", type=int, default=60_000)
    arguments.add_argument("--rounds", type=int, default=5)
    chosen = arguments.parse_args()
    if chosen.messages < LEAST:
        arguments.error(f"a third of --messages must be more than a batch: at least {LEAST}")
    if shutil.which("mosquitto_sub") is None:
        sys.exit("mosquitto_sub is not there: apt-get install mosquitto-clients")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    few_collections()  # as the collector has it: parts are measured in this process
    with (
        tempfile.TemporaryDirectory() as scratch,
        LocalBroker(0, Path(scratch) / "broker", embedded=False) as broker,
    ):
        tell(figures(measure(Sides(broker, Path(scratch)), chosen.messages, chosen.rounds)))


if __name__ == "__main__":
    main()
