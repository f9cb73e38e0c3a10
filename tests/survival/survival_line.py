"""A whole line of real processes to be killed, and the sum of what came through.

Everything is started by the command, on loopback, and ended by whoever made the line.
"""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field

import psycopg

from factoryledger.auditing import run_audit
from factoryledger.broker import LocalBroker
from factoryledger.counting import with_anchored
from factoryledger.data_dir import DataDir
from factoryledger.installation import installation
from telemetry.link import Link

PATIENCE = 90.0  # s: the machine may be busy


class Program:
    """One command of the program, as often as it is started."""

    _command = (sys.executable, "-m", "factoryledger")

    def __init__(self, folder, name, arguments, environment):
        self.name = name
        self.arguments = [str(argument) for argument in arguments]
        self.environment = environment
        self.inside = []  # what is put before it, to run it elsewhere
        self._said, self._results = folder / f"{name}.log", folder / f"{name}.out"
        self._process = None

    def start(self, *more):
        """Start it, and wait until it is ready."""
        before = self._said.stat().st_size if self._said.exists() else 0
        self.launch(*more)
        until(lambda: self._ready(before), f"{self.name} is ready")

    def launch(self, *more):
        with self._said.open("ab") as said, self._results.open("ab") as results:
            self._process = subprocess.Popen(
                [*self.inside, *self._command, *self.arguments, *map(str, more)],
                stdin=subprocess.DEVNULL,
                stdout=results,
                stderr=said,
                env={**os.environ, **self.environment},
            )

    def _ready(self, before):
        with self._said.open("rb") as said:
            said.seek(before)
            ready = b": ready" in said.read()
        assert ready or self.running, self.said()
        return ready

    @property
    def running(self):
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self):
        return self._process.pid

    @property
    def code(self):
        """How it ended; None while it runs."""
        return self._process.poll()

    @property
    def log(self):
        """The file of what it says."""
        return self._said

    def said(self):
        return self._said.read_text("utf-8", "replace")[-4000:]

    def results(self):
        return [json.loads(line) for line in self._results.read_text().splitlines() if line]

    def kill(self):
        """SIGKILL; it must have been running until then."""
        assert self.running, self.said()
        self._process.kill()
        assert self._process.wait(10) == -signal.SIGKILL

    def reap(self, seconds=PATIENCE):
        """Wait for its end, whatever the code."""
        self._process.wait(seconds)

    def stop(self, code=0, seconds=PATIENCE):
        """SIGTERM, and wait for a clean end."""
        self._process.send_signal(signal.SIGTERM)
        self.wait(code, seconds)

    def wait(self, code=0, seconds=PATIENCE):
        assert self._process.wait(seconds) == code, self.said()

    def end(self):
        """Whatever it does, it is gone."""
        if self.running:
            self._process.kill()
            self._process.wait()


def until(holds, what, seconds=PATIENCE):
    """Wait until it holds; gives what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"it never came to that: {what}"
        time.sleep(0.02)
    return found


@dataclass
class Sum:
    """What machines recorded and what stores hold, counted from the stores' own tables."""

    recorded: int
    held: int
    resent: int
    evicted: int
    rows: int
    once: int
    copies: int
    findings: list = field(default_factory=list)
    stats: dict = field(default_factory=dict)

    @property
    def lost(self):
        return self.recorded - self.evicted - self.once

    @property
    def doubled(self):
        """Rows too many inside of one store."""
        return self.rows - self.once - self.copies


def publish(address, messages, *, window=1):
    """Publish foreign messages at QoS 1, so many at a time; the broker must live meanwhile."""

    async def main():
        async with Link(address, client_id="", clean_start=True) as link:
            for first in range(0, len(messages), window):
                some = messages[first : first + window]
                await asyncio.gather(*(link.post(topic, payload) for topic, payload in some))

    asyncio.run(main())


class Line:
    """Broker, machines, collectors and anchor of one data folder."""

    def __init__(self, folder, *, broker=None, **settings):
        self.folder = folder
        self.data = folder / "d"
        self.broker = broker or LocalBroker(0, folder / "broker", embedded=False)
        # Quick resends: what a broker lost comes again within a test's time.
        given = {"interval": 0.02, "resend_after": 0.5, "drain": PATIENCE, **settings}
        self._environment = {f"FACTORYLEDGER_{k.upper()}": str(v) for k, v in given.items()}
        self._programs = []
        self.address = None

    def __enter__(self):
        self.broker.start()
        self.address = str(self.broker.address)
        DataDir(self.data).create()
        return self

    def __exit__(self, *_):
        for program in self._programs:
            program.end()
        self.broker.kill()

    def under(self, environment):
        """Let the programs made from now on have these variables too."""
        self._environment = {**self._environment, **environment}

    def program(self, name, *arguments):
        program = Program(self.folder, name, arguments, self._environment)
        self._programs.append(program)
        return program

    def collector(self, name="", *more):
        own = ["--name", name] if name else []
        at = ["--data", self.data, "--broker", self.address]
        return self.program(f"collect{name}", "collect", *at, *own, *more)

    def machines(self, count, *more):
        at = ["--data", self.data, "--broker", self.address]
        kept = ["--outbox", self.data / "outbox", "--machines", count, "--json"]
        return self.program("simulate", "simulate", *at, *kept, *more)

    def anchor(self):
        at = ["--data", self.data, "--broker", self.address]
        return self.program("anchor", "anchor", "--every", "0.2", *at)

    def run(self, *arguments):
        return subprocess.run(
            [sys.executable, "-m", "factoryledger", *map(str, arguments)],
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
        )

    def foreign(self):
        """The payloads of unsigned messages, of every store, as often as they are there."""
        rows = self.query("select payload from messages where status = 'unsigned'")
        return sorted(bytes(payload) for (payload,) in rows)

    def stores(self):
        return sorted(self.data.glob("ledger*.db"))

    def query(self, sql):
        """One query's rows, of every store; of the database alone where the settings name one."""
        rows = []
        if url := os.environ.get("FACTORYLEDGER_DATABASE"):
            with psycopg.connect(url) as ledger:
                return ledger.execute(sql).fetchall()
        for store in self.stores():
            with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=30)) as ledger:
                rows += ledger.execute(sql).fetchall()
        return rows

    def accepted(self):
        return sum(count for (count,) in self.query("select count(*) from claims"))

    def settle(self):
        """Anchor what is there; then audit, count, and hold that all is as promised."""
        anchored = self.run("anchor", "--once", "--data", self.data)
        assert anchored.returncode == 0, anchored.stderr
        with installation(data=self.data) as place:
            return run_audit(place), with_anchored(place).to_dict()

    def sum(self, tallies):
        """Sum up: `tallies` are the last words of every run of the machines that had any."""
        audited, stats = self.settle()
        columns = "select device, session, seq, body_hash from messages where status = 'accepted'"
        rows = self.query(columns)
        last = tallies[-1]
        return Sum(
            recorded=last["recorded"],
            held=last["held"],
            resent=sum(tally["resent"] for tally in tallies),
            evicted=last["evicted"],
            rows=len(rows),
            once=len(set(rows)),
            copies=stats["copies"],
            findings=audited.findings,
            stats=stats,
        )


def hold(found, what):
    """Nothing lost, nothing doubled, nothing found; the counts are printed."""
    print(  # noqa: T201 - the counts are what these tests show
        f"\n{what}: recorded {found.recorded}, stored once {found.once}, lost {found.lost}, "
        f"doubled {found.doubled}, copies {found.copies}, resent {found.resent}, "
        f"held {found.held}, findings {len(found.findings)}"
    )
    assert found.findings == []
    assert (found.lost, found.doubled, found.held) == (0, 0, 0)
    stats = found.stats
    parts = ("stored", "duplicates", "refused", "in_flight")
    assert stats["received"] == sum(stats[name] for name in parts)
    assert stats["gaps"] == []
    assert stats["anchored"] == stats["stored"]
