"""Replaying and recording beside mqtt-recorder and mqtt-logger, each in the same run.

A Mosquitto, and every program a process of its own; rounds of each part:

times    the real session `startup-clean` (or the gallery's `workshop`) at its own speed: how far
         each message's arrival is from its place in the recording, at a subscriber, counted from
         the first one's; `sent_…`: how far it was sent from it, by the player's own word, which
         leaves broker and subscriber out
full     20,000 messages at QoS 1 as fast as can be: how many arrive, and how many a second
record   25,000 messages a second at QoS 1, so that with the wait for the last answers more than
         20,000 are left: how many are in the file afterwards
fixture  how long a broker, and a ledger on it, take to start for a test

Run: python benchmarks/recording.py [PART…] [--seconds S] [--count N] [--rate N] [--rounds R]
(after `make peers broker`)
"""

import argparse
import asyncio
import csv
import json
import os
import resource
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from figure import Figure, measured, tell

from factoryledger.broker import LocalBroker
from factoryledger.running import loop_factory
from factoryledger.testing.replays import GALLERY
from recorder.convert import convert
from telemetry.link import Address, Arrival, Link, Subscription
from telemetry.recording import Header, Line, Writer, read

PARTS = ("times", "full", "record", "fixture")
ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venv-peers" / "bin"
SESSION = ROOT.parent / "shared" / "recordings" / "startup-clean_20260512_102831.log"
START = 1_764_000_000_000_000
PAYLOAD = b'{"machine":"mill-01","values":[1.5,2.5,3.5],"text":"' + b"x" * 150 + b'"}'
LOGGER = """
import sys, time, signal
from mqtt_logger import Recorder
recorder = Recorder(sys.argv[1], ["bench/#"], "127.0.0.1", int(sys.argv[2]))
recorder.start()
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
try:
    time.sleep(600)
finally:
    recorder.stop()
"""
Arrivals = list[tuple[float, str, bytes]]


async def heard(  # noqa: PLR0913, PLR0917 - what one run takes
    address: Address,
    prefix: str,
    count: int,
    player: Sequence[str],
    patience: float,
    report: Path = Path(os.devnull),
) -> tuple[Arrivals, int]:
    """Listen while a program plays; what came, until `count` or silence, and its exit code.

    What it prints goes into the file `report`.
    """
    got: Arrivals = []
    last = [time.monotonic()]

    def take(arrivals: list[Arrival]) -> None:
        now = time.monotonic()
        last[0] = now
        got.extend((now, one.topic, one.payload) for one in arrivals if not one.retain)
        link.acknowledge(arrivals)

    link = Link(
        address,
        client_id="",
        clean_start=True,
        subscriptions=[Subscription(f"{prefix}/#" if prefix else "#", retain_as_published=False)],
        on_arrivals=take,
        receive_maximum=0xFFFF,
    )
    async with link:
        with report.open("wb") as printed:
            process = await asyncio.create_subprocess_exec(
                *player, stdout=printed, stderr=asyncio.subprocess.DEVNULL
            )
        last[0] = time.monotonic() + 5
        while len(got) < count and time.monotonic() - last[0] < patience:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        try:
            code = await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            code = await process.wait()
    return got, code


def own_word(report: Path) -> dict[str, float]:
    """How late messages were sent, as our player says; nothing of others."""
    said = report.read_bytes()
    if not said.startswith(b"{"):
        return {}
    played = json.loads(said)
    names = {"sent_p99_ms": "late_p99", "sent_last_ms": "late_last"}
    return {name: round(played[key] * 1000, 2) for name, key in names.items()}


def players(address: Address, file: Path, folder: Path, *words: str) -> dict[str, list[str]]:
    """The commands that replay a file, by program; mqtt-recorder gets it as its own CSV."""
    rows = folder / f"{file.stem}.csv"
    convert(file=file, out=rows, to="mqtt-recorder", lossy=True)
    # It takes any retain but 0 for true.
    with rows.open(newline="") as opened:
        table = [[*row[:3], "0", *row[4:]] for row in csv.reader(opened)]
    with rows.open("w", newline="") as opened:
        csv.writer(opened).writerows(table)
    at = ["--host", address.host, "--port", str(address.port)]
    ours = [sys.executable, "-m", "factoryledger", "replay", str(file), "--broker", str(address)]
    return {
        "factoryledger": [*ours, *words],
        "mqtt-recorder": [
            str(PEERS / "mqtt-recorder"), *at, "--mode", "replay", "--file", str(rows),
        ],
    }  # fmt: skip


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many percent are not above."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def times(broker: LocalBroker, folder: Path, arguments: argparse.Namespace) -> dict[str, object]:
    """How far arrivals are from their places in the recording."""
    source = SESSION if SESSION.is_file() else GALLERY / "workshop.jsonl"
    with source.open("rb") as file:
        lines = [line for _, line in read(file, source.name)]
    end = lines[0].received + int(arguments.seconds * 1_000_000)
    lines = [line for line in lines if line.received < end]
    part = written(folder / "times.jsonl", lines)
    found: dict[str, object] = {"recording": source.name, "messages": len(lines)}
    report, words = folder / "report", ("--retain", "never", "--json")
    for name, player in players(broker.address, part, folder, *words).items():
        got, _ = run(heard(broker.address, "", len(lines), player, 20, report))
        errors = [
            (at - got[0][0] - (line.received - lines[0].received) / 1e6) * 1000
            for (at, _, _), line in zip(got, lines, strict=False)
        ]
        found[name] = {
            "arrived": len(got),
            "same": [one[1:] for one in got] == [(one.topic, one.payload) for one in lines],
            "drift_ms": round(errors[-1], 2),
            "p99_ms": round(percentile([abs(error) for error in errors], 99), 2),
            **own_word(report),
        }
    return found


def full(broker: LocalBroker, folder: Path, arguments: argparse.Namespace) -> dict[str, object]:
    """How many arrive, and how many a second, as fast as can be."""
    lines = [Line(START, f"bench/{n % 100}", PAYLOAD, 1) for n in range(arguments.count)]
    file = written(folder / "full.jsonl", lines)
    found: dict[str, Any] = {"messages": len(lines)}
    rates = {}
    for name, player in players(broker.address, file, folder, "--speed", "max").items():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        got, code = run(heard(broker.address, "bench", len(lines), player, 5))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        rates[name] = (len(got) - 1) / (got[-1][0] - got[0][0])
        found[name] = {"arrived": len(got), "rate": round(rates[name]), "exit": code}
        found[name] |= {"cpu_us": round(cpu / len(lines) * 1e6, 1)}
    found["ratio"] = round(rates["factoryledger"] / rates["mqtt-recorder"], 1)
    return found


def record(broker: LocalBroker, folder: Path, arguments: argparse.Namespace) -> dict[str, object]:
    """How many of the messages at a rate are in the file afterwards."""
    address, count = broker.address, arguments.count * 3
    at = ["--host", address.host, "--port", str(address.port)]
    csv_file, store, jsonl = folder / "r.csv", folder / "r.db", folder / "r.jsonl"
    topics = folder / "topics.json"
    topics.write_text('{"topics":["bench/#"]}')
    ours = [sys.executable, "-m", "factoryledger", "record", "-o", str(jsonl), "bench/#"]
    theirs = [str(PEERS / "mqtt-recorder"), *at, "--mode", "record", "--qos", "1"]
    recorders: dict[str, tuple[list[str], Callable[[], int]]] = {
        "factoryledger": ([*ours, "--broker", str(address)], lambda: whole(jsonl)),
        "mqtt-recorder": (
            [*theirs, "--file", str(csv_file), "--topics", str(topics)],
            lambda: csv_file.read_bytes().count(b"bench/"),
        ),
        "mqtt-logger": (
            [str(PEERS / "python"), "-c", LOGGER, str(store), str(address.port)],
            lambda: rows(store),
        ),
    }
    found: dict[str, object] = {"messages": count, "rate": arguments.rate}
    for name, (command, counted) in recorders.items():
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            time.sleep(2.5)
            seconds = run(publish(address, count, arguments.rate))
            time.sleep(3)
            process.send_signal(signal.SIGTERM if name == "mqtt-logger" else signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        found[name] = {"recorded": counted(), "published_per_s": round(count / seconds)}
    return found


async def publish(address: Address, count: int, rate: int) -> float:
    """Publish at a rate by QoS 1, in steps of 1 ms; gives how long it took to the last answer."""
    async with Link(address, client_id="", clean_start=True) as link:
        begun, sent, answers = time.monotonic(), 0, []
        while sent < count:
            due = min(count, int((time.monotonic() - begun) * rate) + 1)
            answers += [link.post(f"bench/{n % 100}", PAYLOAD) for n in range(sent, due)]
            sent = due
            await asyncio.sleep(0.001)
        await asyncio.gather(*answers)
        return time.monotonic() - begun


def fixture(_: LocalBroker, folder: Path, __: argparse.Namespace) -> dict[str, object]:
    """How long a broker and a ledger take to start, in a process that has loaded them."""
    from factoryledger.testing.ledger import Ledger  # noqa: PLC0415 - measured beside
    from factoryledger.testing.mosquitto import Mosquitto  # noqa: PLC0415 - measured beside

    begun = time.monotonic()
    with LocalBroker(0, folder / "fixture", embedded=False) as broker:
        answered = time.monotonic()
        with Ledger(Mosquitto(broker.address, "test"), folder / "ledger") as ledger:
            ready = time.monotonic()
            assert ledger.stored == 0
    return {
        "broker_ms": round((answered - begun) * 1000),
        "ledger_ms": round((ready - answered) * 1000),
    }


def written(path: Path, lines: Sequence[Line]) -> Path:
    """Write a recording."""
    with path.open("wb") as file:
        header = Header("benchmark", ("#",), "recorded", lines[0].received)
        with Writer(file, header) as writer:
            for line in lines:
                writer.write(line)
    return path


def whole(path: Path) -> int:
    """How many messages a whole recording of ours holds."""
    with path.open("rb") as file:
        reading = read(file, str(path))
        count = sum(1 for _ in reading)
    assert reading.complete, path
    return count


def rows(store: Path) -> int:
    """How many messages mqtt-logger has stored."""
    with sqlite3.connect(store) as connection:
        count: int = connection.execute("SELECT count(*) FROM LOG").fetchone()[0]
    return count


def run(work):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - what the coroutine gives
    """Run a coroutine in the loop that the commands use."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(work)


def part_named(text: str) -> str:
    """Take a part's name; `choices` would refuse to be given none."""
    if text in PARTS:
        return text
    raise argparse.ArgumentTypeError(f"not one of {', '.join(PARTS)}: {text!r}")


def told_of(part: str, rounds: list[Any]) -> Iterator[Figure]:
    """Make a part's rows."""
    ours, peer = "factoryledger", "mqtt-recorder"

    def of(name: str, key: str) -> list[float]:
        return [float(one[name][key]) for one in rounds]

    if part == "full":
        count = rounds[0]["messages"]
        how = f"{count:,} messages at QoS 1, heard by a subscriber"
        yield measured("recording.replay", "replay as fast as can be", of(ours, "rate"),
                       of(peer, "rate"), unit="/s", of=peer, how=how, least=3.0)  # fmt: skip
        yield measured("recording.replay-arrived", "the same, arrived", of(ours, "arrived"),
                       float(count), unit="messages", of="all", how=how, least=1.0)  # fmt: skip
        yield measured("recording.replay-peer", f"{peer}, arrived", of(peer, "arrived"),
                       float(count), unit="messages", of="all", how=how)  # fmt: skip
    elif part == "times":
        how = f"{rounds[0]['recording']}, {rounds[0]['messages']} messages, at its own speed"
        for key, what in (("p99_ms", "99 % of arrivals, off their place"),
                          ("drift_ms", "drift at the end")):  # fmt: skip
            yield measured(f"recording.{key[:-3]}", f"replay: {what}",
                           list(map(abs, of(ours, key))), 5.0, unit="ms",
                           of="5 ms, wanted", how=how, most=1.0)  # fmt: skip
            yield measured(f"recording.{key[:-3]}-peer", f"{peer}: the same",
                           list(map(abs, of(peer, key))), 5.0, unit="ms", of="5 ms",
                           how=how)  # fmt: skip
    elif part == "record":
        count = float(rounds[0]["messages"])
        for name in (ours, peer, "mqtt-logger"):
            rate = round(statistics.median(of(name, "published_per_s")), -2)
            yield measured(f"recording.record-{name}", f"recorded by {name}",
                           of(name, "recorded"), count, unit="messages", of="those published",
                           how=f"at QoS 1, {rate:,.0f}/s")  # fmt: skip
    else:
        yield measured("recording.fixture", "pytest plugin: a broker and a ledger for a test",
                       [float(one["broker_ms"] + one["ledger_ms"]) for one in rounds], 1000.0,
                       unit="ms", of="a second, wanted", how="loaded before", most=1.0)  # fmt: skip


def main() -> None:
    """Measure the parts that are asked for, tell their figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", type=part_named, metavar="PART")
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--rate", type=int, default=25_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    measures = {"times": times, "full": full, "record": record, "fixture": fixture}
    for part in arguments.parts or PARTS:
        rounds = []
        # A session at its own speed has hundreds of messages and takes its time.
        for _ in range(1 if part == "times" else arguments.rounds):
            with (
                tempfile.TemporaryDirectory() as name,
                LocalBroker(0, Path(name) / "broker", embedded=False) as broker,
            ):
                rounds.append(measures[part](broker, Path(name), arguments))
            print(json.dumps({part: rounds[-1]}), file=sys.stderr, flush=True)
        tell(told_of(part, rounds))


if __name__ == "__main__":
    main()
