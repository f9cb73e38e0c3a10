"""`prove` and `verify`, as functions and as commands, on a store of ten million messages.

Usage: python benchmarks/prove_command.py [messages [folder]]. The store and the log are made by
the program's own parts: tiles, batches of a hundred, key entries, an anchor log of a hundred
thousand checkpoints, three Ed25519 witnesses. Of the messages some hundred are real and signed,
the others are leaves alone, since neither command reads them. A folder that is named is kept,
and taken as it is where it is complete: making it takes minutes. Medians of CPU time, which
another program beside does not lengthen much, and of the clock's; ratios are of CPU time, to one
Ed25519 check or to a start of Python that does nothing.
"""

import contextlib
import io
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


def tell(what: str, took: Took, unit: Took, of: str) -> None:
    """One line: milliseconds here, and how many of the unit that is."""
    cpu, clock = (seconds * 1000 for seconds in took)
    print(f"{what:<48} {cpu:>9.2f} ms CPU {clock:>9.2f} ms {took.cpu / unit.cpu:>8.1f} {of}")


def functions(folder: Path, places: list[int]) -> bytes:
    """Both as functions; a proof."""
    key, message = SigningKey.from_seed(bytes(32)), bytes(400)
    signature = key.sign(message)
    unit = timed(lambda: check_signature(key.public_key, message, signature), 201)
    tell("one Ed25519 check of 400 bytes", unit, unit, "checks")
    proofs = list[bytes]()
    with installation(data=folder, policy=folder / "three") as place, hints_of(place) as hints:
        ledger, policy = place.ledger, place.policy
        asked = iter(places)

        def one() -> None:
            position = next(asked)
            row = next(iter(ledger.messages(NAME, position, position + 1)))
            made = prove(ledger=ledger, log=place.log_reader, policy=policy, row=row, hints=hints)
            proofs.append(made.to_bytes())

        one()
        tell("prove, in the process, verified too", timed(one, len(places) - 1), unit, "checks")
        data = proofs[-1]
        tell("verify, in the process", timed(lambda: verify(data, policy), 51), unit, "checks")
    size = policy.open(place.log_reader.head[0]).checkpoint.size
    print(f"anchor log of {size:,} entries")
    print(f"proof files with three Ed25519 witnesses: {min(map(len, proofs)):,} to "
          f"{max(map(len, proofs)):,} bytes")  # fmt: skip
    return data


def commands(folder: Path, places: list[int], data: bytes) -> None:
    """Both as commands; without anchor.db the log is scanned."""
    program = [sys.executable, "-m", "factoryledger"]
    at = ["--data", str(folder), "--policy", str(folder / "three")]
    file = folder / "p.proof"
    file.write_bytes(data)

    def ran(*arguments: object) -> None:
        subprocess.run([*program, *map(str, arguments), *at], check=True, stdout=subprocess.DEVNULL)

    nothing = [sys.executable, "-c", "pass"]
    unit = timed(lambda: subprocess.run(nothing, check=True), 11)
    tell("python -c pass", unit, unit, "starts")
    asked = iter(places)

    def prove_one() -> None:
        ran("prove", "--message", f"{NAME}:{next(asked)}", "-o", folder / "q.proof")

    tell("prove, as a command", timed(prove_one, 9), unit, "starts")
    tell("verify, as a command", timed(lambda: ran("verify", file), 11), unit, "starts")
    hidden = folder / "hidden"
    (folder / "anchor.db").rename(hidden)
    try:
        tell("prove, as a command, without anchor.db", timed(prove_one, 1), unit, "starts")
    finally:
        hidden.rename(folder / "anchor.db")


def main() -> None:
    """Print the figures."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    with contextlib.ExitStack() as stack:
        folder = Path(
            sys.argv[2] if len(sys.argv) > 2 else stack.enter_context(tempfile.TemporaryDirectory())
        ).absolute()
        begun = time.perf_counter()
        make(folder, count)
        print(f"{count:,} messages, made in {time.perf_counter() - begun:.0f} s")
        if os.environ.get("ONLY_MAKE"):
            return
        with closing(sqlite3.connect(folder / "ledger.db")) as store:
            rows = store.execute("SELECT position FROM messages ORDER BY position").fetchall()
        places = [position for (position,) in rows]
        # Far from each other, so that nothing kept serves the next.
        scattered = [places[n * 67 % len(places)] for n in range(1, 52)]
        data = functions(folder, scattered)
        commands(folder, scattered, data)


if __name__ == "__main__":
    main()
