"""`prove` and `verify`, as functions and as commands, on a store of ten million messages.

The store and the log are made by the program's own parts: tiles, batches of a hundred, key
entries, an anchor log of a hundred thousand checkpoints, three Ed25519 witnesses. Of the messages
some hundred are real and signed, the others are leaves alone, since neither command reads them.
A folder that is named is kept, and taken as it is where it is complete: making ten million takes
minutes. Ratios are of CPU time, which another program beside does not lengthen much, to one
Ed25519 check or to a start of Python that does nothing.

Run: python benchmarks/prove_command.py [--messages N] [--rounds R] [--folder DIR [--only-make]]
"""

import argparse
import contextlib
import io
import itertools
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "anchor_verify"))

from figure import Figure, measured, tell
from verify_world import Machine, record_bytes

from anchor.cosignature import cosign
from anchor.growing import GrowingLog
from anchor.keeping.anchor_db import AnchorDb
from anchor.key_entry import OperatorAuthority
from anchor.note import COSIGNATURE, Note, SignerKey
from anchor.policy import Witness, write_policy
from anchor.proving.prove import prove
from anchor.proving.verify import verify
from collector.store import open_store
from factoryledger.cli import run
from factoryledger.data_dir import DataDir, bare
from factoryledger.enrolment import Enrolments
from factoryledger.installation import installation
from factoryledger.proving import hints_of
from telemetry.judgement import judge
from telemetry.keyring import Keyring
from telemetry.message import Cited
from telemetry.rows import MessageRow
from telemetry.signature import SigningKey
from telemetry.signature import verify as check_signature

BATCH = 100
REAL = 200
NAME = "bench"
DEVICE = "mill-01"
START = 1_764_000_000_000_000
WITNESSES = [SignerKey.from_seed(f"witness{n}.example.com", bytes([n]) * 32, COSIGNATURE)
             for n in range(3)]  # fmt: skip


def quietly(*arguments: object) -> None:
    """Run a command in this process; it has to succeed."""
    with contextlib.redirect_stdout(io.StringIO()):
        code = run([str(argument) for argument in arguments])
    assert code == 0, arguments


class Maker:
    """A collector's store of many leaves, and an anchor log over it."""

    def __init__(self, folder: Path, count: int) -> None:
        self.data, self.count = DataDir(folder), count
        self.data.create()
        enrolments = Enrolments(self.data)
        key = self.data.collector(NAME)
        entry = enrolments.ensure_collector(NAME, bare(key))
        self.machine = Machine(DEVICE, enrolments.ensure_device(DEVICE))
        entries = [entry, *(e for _, e in self.data.requests.after("") if e != entry)]
        authority = OperatorAuthority(self.data.operator.verifier)
        self.keyring = Keyring(map(authority.read, entries))
        self.log: GrowingLog = GrowingLog(key.name, key)
        url = f"sqlite:///{folder / 'ledger.db'}"
        open_store(url, create=True).close()
        self.store = sqlite3.connect(folder / "ledger.db")
        self.store.execute(
            "INSERT INTO collectors (id, ordinal, kind, origin, vkey) VALUES (?, 0, 'live', ?, ?)",
            (NAME, key.name, str(key.verifier)),
        )
        self.store.executemany(
            "INSERT INTO key_entries (collector, number, hash, entry) VALUES (?, ?, ?, ?)",
            [(NAME, n, sha256(e).digest(), e) for n, e in enumerate(entries)],
        )
        self.batches = 0

    def collect(self, upto: int) -> None:
        """Go on with leaves, in batches; a real message now and then."""
        every = self.count // REAL
        tiles = dict[tuple[int, int], bytes]()
        while self.log.size < upto:
            start = self.log.size
            records = [b"record %d" % n for n in range(start, start + BATCH)]
            if start % every < BATCH:
                records[7] = self._real(start + 7)
            grown = self.log.extend(records)
            tiles.update({(level, n): hashes for level, n, hashes in grown.tiles})
            self._commit(grown.start, grown.size, grown.root, grown.checkpoint)
            self.log = grown.log
            if len(tiles) > 5000 or self.log.size >= upto:
                self.store.executemany(
                    "INSERT OR REPLACE INTO tiles (collector, level, number, hashes) "
                    "VALUES (?, ?, ?, ?)",
                    [(NAME, *place, hashes) for place, hashes in tiles.items()],
                )
                tiles.clear()
        self.store.commit()

    def _commit(self, start: int, size: int, root: bytes, checkpoint: bytes) -> None:
        applied = self.keyring.applied
        self.store.execute(
            "INSERT INTO batches (collector, number, start, size, root, checkpoint, keys) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (NAME, self.batches, start, size - start, root, checkpoint, applied),
        )
        self.batches += 1

    def _real(self, position: int) -> bytes:
        readings = {f"metric_{n}": 20.25 + n for n in range(11)}
        topic, payload = self.machine.message(START + position, **readings)
        found = judge(topic, payload, self.keyring)
        assert found.status == "accepted"
        row = MessageRow(
            collector=NAME, position=position, received_at=START + position, original_at=None,
            topic=topic, payload=payload, properties=None, device=found.device,
            session=found.session, seq=found.seq, time=found.time, status="accepted",
            key=found.key, keys=found.keys, entry=found.entry,
            payload_hash=sha256(payload).digest(), body_hash=found.body_hash,
        )  # fmt: skip
        values = {name: getattr(row, name) for name in row.__slots__}
        names = ", ".join(values)
        marks = ", ".join("?" * len(values))
        self.store.execute(f"INSERT INTO messages ({names}) VALUES ({marks})", [*values.values()])
        self.store.execute(
            "INSERT INTO claims (device, session, seq, collector, position, body_hash) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (row.device, row.session, row.seq, NAME, position, row.body_hash),
        )
        return record_bytes(row)

    def anchor(self) -> bytes:
        """Anchor what is there, and let three witnesses cosign what was published."""
        quietly("anchor", "--once", "--data", self.data.path)
        file = self.data.log / "checkpoint"
        note = Note.from_bytes(file.read_bytes())
        now = int(time.time())
        data = note.with_signatures(*(cosign(w, note.text, now) for w in WITNESSES)).to_bytes()
        (self.data.log / "checkpoints" / sha256(data).hexdigest()).write_bytes(data)
        size = int(note.text.split("\n")[1])
        with closing(AnchorDb(self.data.anchor_db, self.data.origin)) as database:
            database.add_cosigned(sha256(data).digest(), size, now * 1_000_000)
        self.machine.cited = Cited(size, sha256(data).digest())
        return data

    def finish(self, checkpoint: bytes) -> None:
        """Pin the witnesses; the policy is what says that the folder is complete."""
        self.store.close()
        (self.data.log / "checkpoint").write_bytes(checkpoint)
        witnesses = [Witness(key.name, key.verifier) for key in WITNESSES]
        pinned = write_policy(
            self.data.anchor.verifier, self.data.operator.verifier, witnesses, "all"
        )
        (self.data.path / "three").write_bytes(pinned)


def make(folder: Path, count: int) -> None:
    """Make the folder, unless it is there."""
    if (folder / "three").exists():
        return
    maker = Maker(folder, count)
    maker.collect(count // 2)
    maker.anchor()
    maker.collect(count)
    maker.finish(maker.anchor())


class Took(NamedTuple):
    """Seconds of CPU, of this process and those it waited for, and of the clock."""

    cpu: float
    clock: float


def spent() -> Took:
    """Give what was spent so far."""
    now = os.times()
    own = time.process_time()
    return Took(own + now.children_user + now.children_system, time.perf_counter())


def timed(work: Callable[[], object], rounds: int) -> Took:
    """Give the middle one of several rounds."""
    cpu, clock = list[float](), list[float]()
    for _ in range(rounds):
        begun = spent()
        work()
        ended = spent()
        cpu.append(ended.cpu - begun.cpu)
        clock.append(ended.clock - begun.clock)
    return Took(statistics.median(cpu), statistics.median(clock))


CHECK = "one Ed25519 check of 400 bytes"
START_OF = "a start of Python that does nothing"


def row(  # noqa: PLR0913, PLR0917 - a row's cells
    name: str, what: str, took: list[Took], units: list[Took], of: str, how: str,
    wanted: float | None = None,
) -> Figure:  # fmt: skip
    """Milliseconds of CPU here, and how many of the unit that is."""
    found = measured(
        f"proof.{name}",
        what,
        [each.cpu * 1000 for each in took],
        [each.cpu * 1000 for each in units],
        unit="ms of CPU",
        of=of,
        how=how,
    )
    if wanted is not None and found.value > wanted:
        print(f"{name}: {found.value} ms, {wanted} wanted", file=sys.stderr)
    return found


def functions(
    folder: Path, places: list[int], rounds: int, said: str
) -> tuple[bytes, list[Figure]]:
    """Both as functions; a proof."""
    key, message = SigningKey.from_seed(bytes(32)), bytes(400)
    signature = key.sign(message)
    proofs = list[bytes]()
    units, proved, checked = list[Took](), list[Took](), list[Took]()
    with installation(data=folder, policy=folder / "three") as place, hints_of(place) as hints:
        ledger, policy = place.ledger, place.policy
        asked = itertools.cycle(places)

        def one() -> None:
            position = next(asked)
            row = next(iter(ledger.messages(NAME, position, position + 1)))
            made = prove(ledger=ledger, log=place.log_reader, policy=policy, row=row, hints=hints)
            proofs.append(made.to_bytes())

        one()
        for _ in range(rounds):
            units.append(timed(lambda: check_signature(key.public_key, message, signature), 201))
            proved.append(timed(one, 9))
            checked.append(timed(lambda: verify(proofs[-1], policy), 21))
    size = policy.open(place.log_reader.head[0]).checkpoint.size
    how = f"in the process; {said}, an anchor log of {size:,} entries, three witnesses"
    sizes = [float(len(each)) for each in proofs]
    return proofs[-1], [
        row("prove", "prove one message", proved, units, CHECK, how, 20.0),
        row("verify", "verify its proof", checked, units, CHECK, "in the process", 5.0),
        measured("proof.size", "a proof file, three Ed25519 witnesses", sizes, 8192.0,
                 unit="bytes", of="8 kB, wanted", how="of the same messages", most=1.0),
    ]  # fmt: skip


def commands(folder: Path, places: list[int], data: bytes, rounds: int) -> list[Figure]:
    """Both as commands; without anchor.db the log is scanned."""
    program = [sys.executable, "-m", "factoryledger"]
    at = ["--data", str(folder), "--policy", str(folder / "three")]
    file = folder / "p.proof"
    file.write_bytes(data)

    def ran(*arguments: object) -> None:
        subprocess.run([*program, *map(str, arguments), *at], check=True, stdout=subprocess.DEVNULL)

    nothing = [sys.executable, "-c", "pass"]
    asked = itertools.cycle(places)

    def prove_one() -> None:
        ran("prove", "--message", f"{NAME}:{next(asked)}", "-o", folder / "q.proof")

    hidden = folder / "hidden"
    units, proved, checked, scanned = list[Took](), list[Took](), list[Took](), list[Took]()
    for _ in range(rounds):
        units.append(timed(lambda: subprocess.run(nothing, check=True), 5))
        proved.append(timed(prove_one, 3))
        checked.append(timed(lambda: ran("verify", file), 3))
        (folder / "anchor.db").rename(hidden)
        try:
            scanned.append(timed(prove_one, 1))
        finally:
            hidden.rename(folder / "anchor.db")
    return [
        row("prove-command", "`factoryledger prove`", proved, units, START_OF, "as a command"),
        row("verify-command", "`factoryledger verify`", checked, units, START_OF, "as a command",
            400.0),
        row("prove-scan", "`factoryledger prove` without `anchor.db`", scanned, units, START_OF,
            "the log is scanned"),
    ]  # fmt: skip


def main() -> None:
    """Measure, tell the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="is kept, and taken where it is complete")
    parser.add_argument("--only-make", action="store_true")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder = folder.absolute()
        begun = time.perf_counter()
        make(folder, given.messages)
        said = f"a store of {given.messages:,} messages"
        print(f"{said}, made in {time.perf_counter() - begun:.0f} s", file=sys.stderr)
        if given.only_make:
            return
        with closing(sqlite3.connect(folder / "ledger.db")) as store:
            rows = store.execute("SELECT position FROM messages ORDER BY position").fetchall()
        places = [position for (position,) in rows]
        # Far from each other, so that nothing kept serves the next.
        scattered = [places[n * 67 % len(places)] for n in range(1, 52)]
        data, found = functions(folder, scattered, given.rounds, said)
        tell([*found, *commands(folder, scattered, data, given.rounds)])


if __name__ == "__main__":
    main()
