"""Finds the faults of a simulated factory with scikit-learn's IsolationForest.

    factoryledger simulate --scenario examples/anomaly_detection.yaml --interval 2 \
        --duration 18000 --out factory.csv
    python examples/anomaly_detection.py factory.csv

(`make example` does both.) Each machine has a model of its own, which learns from the first two
hours, in which nothing was wrong: from each metric what it is by the others, and then how far
from that it usually is. Labels are used at the end only, to count what was found. Needs
scikit-learn, and of factoryledger nothing but the two files.
"""

import csv
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, IsolationForest

HEALTHY = 2 * 3600.0  # s at the beginning, to learn from
WARM = 15 * 60.0  # s until the machines are warm
WINDOW = 30  # scans that an alarm looks back
FAR = 20.0  # deviations beyond which all is equally odd
COUNTERS = {"cycles", "parts_good", "parts_scrap", "tool_wear"}
WORK = {"unit_mode", "availability", "performance", "quality", "oee", "inlet_level", "outlet_level"}


@dataclass
class Interval:
    """A labelled fault: when it was, in seconds since the data began."""

    name: str
    device: str
    start: float
    end: float


def read(file: Path) -> dict[str, tuple[np.ndarray, np.ndarray, list[str]]]:
    """Of each device times in seconds, and a row of metrics for each."""
    scans: dict[str, dict[float, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    with file.open(newline="") as rows:
        for row in csv.DictReader(rows):
            if row["metric"] not in COUNTERS | WORK:
                time = datetime.fromisoformat(row["time"]).timestamp()
                scans[row["device"]][time][row["metric"]] = float(row["value"])
    found = {}
    for device, by_time in scans.items():
        names = list(dict.fromkeys(name for scan in by_time.values() for name in scan))
        values = [[scan.get(name, np.nan) for name in names] for scan in by_time.values()]
        found[device] = np.array(list(by_time)), np.nan_to_num(np.array(values), nan=-1e3), names
    return found


def labels(file: Path, begin: float) -> list[Interval]:
    """What was wrong, from the second file."""
    with file.with_name(f"{file.stem}.labels{file.suffix}").open(newline="") as rows:
        return [
            Interval(
                " ".join(filter(None, (row["fault"], row["device"], row["metric"]))),
                row["device"],
                datetime.fromisoformat(row["start"]).timestamp() - begin,
                datetime.fromisoformat(row["end"]).timestamp() - begin,
            )
            for row in csv.DictReader(rows)
        ]


def surprise(values: np.ndarray, number: int, learn: slice, check: slice) -> np.ndarray:
    """How far one metric is from what the machine's others make of it: mean and scatter.

    What it usually is by the others is learnt from one healthy hour, how far it usually is
    from that from another: what was learnt by heart surprises less than what is new.
    """
    others = np.delete(values, number, axis=1)
    usual = ExtraTreesRegressor(n_estimators=30, min_samples_leaf=3, random_state=0, n_jobs=-1)
    usual.fit(others[learn], values[learn, number])
    off = values[:, number] - usual.predict(others)
    scaled = np.clip(off / (off[check].std() + 1e-9), -FAR, FAR)
    return np.column_stack([rolling(scaled, np.mean), rolling(scaled, np.std)])


def rolling(values: np.ndarray, of: Callable[..., np.ndarray]) -> np.ndarray:
    """A figure of the last WINDOW scans, at each scan."""
    padded = np.concatenate([np.repeat(values[:1], WINDOW - 1), values])
    return of(np.lib.stride_tricks.sliding_window_view(padded, WINDOW), axis=-1)


def alarms(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """At which scans a metric is odder than it ever was, as an IsolationForest tells."""
    warm, middle, end = np.searchsorted(times, (WARM, (WARM + HEALTHY) / 2, HEALTHY))
    learn, check = slice(warm, middle), slice(middle, end)
    alarm = np.zeros(len(times), bool)
    for number in range(values.shape[1]):
        features = surprise(values, number, learn, check)
        forest = IsolationForest(n_estimators=100, random_state=0, n_jobs=-1)
        forest.fit(np.vstack([features[check], scattered((end - middle) // 20)]))
        score = rolling(forest.score_samples(features), np.max)
        alarm |= score < score[check].min()
    return alarm


def scattered(count: int) -> np.ndarray:
    """Points all over the room: trees that know of them see how far away a stranger is."""
    chance = np.random.default_rng(0)
    return np.column_stack([chance.uniform(-FAR, FAR, count), chance.uniform(0, FAR, count)])


def compare(
    found: dict[str, tuple[np.ndarray, np.ndarray]], intervals: list[Interval]
) -> Iterator[str]:
    """Precision and recall by scan, and which faults were found."""
    hits = false = missed = 0
    for device, (times, alarm) in found.items():
        wrong = np.zeros(len(times), bool)
        after = np.zeros(len(times), bool)
        for one in intervals:
            if one.device == device:
                wrong |= (times >= one.start) & (times < one.end)
                # Heat goes as slowly as it came, and a window looks back: neither right nor wrong.
                after |= (times >= one.end) & (times < one.end + 600)
        judged = (times >= HEALTHY) & (wrong | ~after)
        hits += int((alarm & wrong & judged).sum())
        false += int((alarm & ~wrong & judged).sum())
        missed += int((~alarm & wrong & judged).sum())
    seen = 0
    for one in intervals:
        times, alarm = found[one.device]
        within = alarm[(times >= one.start) & (times < one.end)]
        seen += within.mean() > 0.1
        yield f"{'found ' if within.mean() > 0.1 else 'missed'} {within.mean():4.0%}  {one.name}"
    precision, recall = hits / max(1, hits + false), hits / max(1, hits + missed)
    yield f"faults found {seen} of {len(intervals)}"
    yield f"precision {precision:.2f}, recall {recall:.2f} (by scan)"


def main(file: Path) -> None:
    """Read, learn, look, count."""
    data = read(file)
    begin = min(times[0] for times, _, _ in data.values())
    found = {
        device: (times - begin, alarms(times - begin, values))
        for device, (times, values, _) in data.items()
    }
    for line in compare(found, labels(file, begin)):
        print(line)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
