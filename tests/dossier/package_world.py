"""Packages of worlds in memory, and what a forger would do to one."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from verify_logs import MemorySource
from verify_world import START, US, Machine, MemoryLedger, World, machines, seed

from anchor.correction import Change, Correction, Subject, seal
from anchor.merkle import leaf_hash
from anchor.policy import Policy
from anchor.proving.prove import ProvingLog
from anchor.reading.log_reader import LogReader
from anchor.reading.row_record import record_of
from dossier.build import Sources, build, finish
from dossier.check import Sound, Trusted, check
from dossier.container import Folder, Opened, open_package
from dossier.derived import Derivation
from dossier.manifest import (
    BESIDE,
    MANIFEST,
    README,
    REPORT,
    SUMS,
    About,
    Manifest,
    Stored,
    sums_text,
)
from dossier.readme import readme
from dossier.report.page import FORM, report
from telemetry.message import compose
from telemetry.rows import MessageRow
from telemetry.signature import SigningKey, body_hash
from telemetry.signature import seal as seal_message
from telemetry.topic import MachineTopic

PAGE = b"<!doctype html><title>the page that checks</title>"
HOSTILE = '<img src=x onerror=alert(1)>"&\u202e=1+1'


class Archive(MemoryLedger):
    """A store in memory that is asked for a time."""

    def between(self, device: str, start: int, stop: int) -> Iterator[MessageRow]:
        for row in self.message_rows:
            inside = start <= (row.time or 0) < stop
            if row.status == "accepted" and row.device == device and inside:
                yield row

    def disputed(self, start: int, stop: int, most: int) -> Iterator[MessageRow]:
        found = [row for row in self.message_rows if row.status in {"conflict", "revoked"}]
        found = [row for row in found if start <= (row.time or 0) < stop]
        for device in dict.fromkeys(row.device for row in found):
            yield from [row for row in found if row.device == device][:most]


@dataclass(frozen=True)
class Packed:
    """A package and the world that it is of."""

    folder: Path
    world: World
    policy: Policy

    def at(self, folder: Path) -> "Packed":
        return replace(self, folder=folder)

    def check(self, policy: Policy | None = None, path: Path | None = None) -> Sound:
        """What `verify` makes of it."""
        trusted = Trusted(
            policy=policy or self.policy,
            vouchers={},
            readme=readme,
            report=report,
            verifier=PAGE,
        )
        with open_package(path or self.folder) as opened:
            return check(opened, trusted)

    def follow(self, about: About | None = None) -> bytes:
        """What follows from its proofs, as a forger of everything else would have it too."""
        with open_package(self.folder) as opened:
            manifest = Manifest.from_bytes(opened.read(MANIFEST, 1 << 25))
            derived = Derivation(opened, about or manifest.about, self.policy)
            for _ in derived.rows():
                pass
            return derived.figures()

    @property
    def names(self) -> list[str]:
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return sorted(path.relative_to(self.folder).as_posix() for path in files)

    @property
    def figures(self) -> dict:
        return json.loads((self.folder / "figures.json").read_bytes())

    def machine(self, name: str) -> dict:
        return next(one for one in self.figures["machines"] if one["device"] == name)

    def sealed_anew(self, *, rendered: bool = True) -> None:
        """What a forger does last: every list of hashes, and the report, made anew."""
        folder = self.folder
        files = {
            name: Stored(len(data), sha256(data).hexdigest())
            for name in self.names
            if name not in BESIDE
            for data in [(folder / name).read_bytes()]
        }
        manifest = Manifest(Manifest.from_bytes((folder / MANIFEST).read_bytes()).about, files)
        (folder / MANIFEST).write_bytes(manifest.to_bytes())
        if rendered:
            # Figures of another form make no report; that they are others is found before.
            with suppress(KeyError, ValueError, TypeError, FileNotFoundError):
                figures = (folder / "figures.json").read_bytes()
                (folder / REPORT).write_bytes(report(manifest, figures))
            (folder / README).write_bytes(readme(manifest))
        self.summed_anew()

    def summed_anew(self) -> None:
        sums = {
            name: sha256((self.folder / name).read_bytes()).hexdigest()
            for name in self.names
            if name != SUMS
        }
        (self.folder / SUMS).write_bytes(sums_text(sums))


def packed(
    folder: Path, world: World, *names: str, since: int = 0, span: int = 600, aim: int = 15
) -> Packed:
    """A package of these machines (all), of some seconds, by those since the world's start."""
    fields = MemoryLedger.__dataclass_fields__
    ledger = Archive(**{name: getattr(world.ledger, name) for name in fields})
    known = ProvingLog.scan(
        LogReader(MemorySource(world.published), world.anchor.verifier), world.policy
    )
    devices = {row.device for row in ledger.message_rows if row.device}
    about = About(
        start=(START + since) * US,
        stop=(START + span) * US,
        machines=tuple(sorted(names or devices)),
        made=(START + 1000) * US,
        by="the tests",
        title=f"A world {HOSTILE.replace(chr(0x202E), '')}",
        release="0",
        report=FORM,
    )
    sources = Sources(archive=ledger, known=known, policy=world.policy_bytes, verifier=PAGE)
    folder.mkdir(parents=True)
    built = build(folder, about, sources, aim)
    made = {REPORT: report(built.manifest, built.figures), README: readme(built.manifest)}
    finish(built, made)
    return Packed(folder, world, world.policy)


def derived_anew(made):
    """What a forger does who has this program: all that follows from the proofs, made to fit."""
    about = Manifest.from_bytes((made.folder / MANIFEST).read_bytes()).about
    with Opened(Folder(made.folder)) as package:
        derived = Derivation(package, about, made.policy)
        (made.folder / "readings.csv").write_bytes(b"".join(derived.rows()))
        (made.folder / "figures.json").write_bytes(derived.figures())
    made.sealed_anew()


def born(machine: Machine, time: int, **metrics: str) -> tuple[str, bytes]:
    """A birth, with metrics by name and unit."""
    place = MachineTopic("", "acme", "north", "milling", "line1", machine.name, "birth")
    told = {name: {"unit": unit, "low": 0.0, "high": 50.0} for name, unit in metrics.items()}
    public = machine.key.public_key
    body = compose(
        kind="birth", device=machine.name, session=machine.session, seq=machine.seq,
        prev=machine.prev, anchor=machine.cited, time=time, key=machine.key.key_id,
        content={"metrics": told, "kind": "mill", "public_key": _b64(public)},
    )  # fmt: skip
    machine.seq += 1
    machine.prev = body_hash(body)
    return str(place), seal_message(machine.key, place, body)


def _b64(data: bytes) -> str:
    from telemetry.canonical import b64

    return b64(data)


def eventful() -> World:
    """Gap, break, rotation, revocation, erasure, conflict, correction, a name that is an attack."""
    world = World()
    fleet = machines(4)
    fleet[3].gateway = "edge-1"
    priors = [world.enrol_device(machine) for machine in fleet]
    world.add_collector("c0")
    world.add_collector("file-1")
    world.collect("c0", [born(one, world.time(), spindle="Cel") for one in fleet])
    world.anchor_now()
    world.cite(*fleet)
    for second in range(100, 160):
        at = (START + second) * US
        world.now = max(world.now, START + second)
        if second == 115:
            world.rotate_device(fleet[1], SigningKey.from_seed(seed(201)), priors[1])
        if second == 125:
            fleet[1].restart("s2")
        if second == 135:
            world.revoke_device(fleet[2], priors[2])
        sent = [one.message(at, spindle=20.0 + second / 3, load=-0.5) for one in fleet[:3]]
        if 110 <= second < 113:
            sent = sent[1:]  # the first machine's are lost on their way
        world.collect("c0" if second % 2 else "file-1", sent)
        if second % 20 == 19:
            world.anchor_now()
    last = fleet[3]
    world.collect("c0", [last.message((START + 100) * US, **{HOSTILE: 1.0, "x" * 300: 2.0})])
    last.seq -= 1
    world.collect("c0", [last.message((START + 101) * US, load=9.0)])
    world.erase_messages("c0", 40, 44)
    world.collect("c0", [("other/topic", b"\xff")])
    corrected(world, fleet[0], 40)
    world.anchor_now()
    world.ledger.message_rows[:] = [
        replace(row, payload=None) if row.collector == "c0" and 40 <= row.position < 45 else row
        for row in world.ledger.message_rows
    ]
    return world


def corrected(world: World, machine: Machine, seq: int) -> None:
    """The operator corrects one reading, which stays as it is."""
    row = next(
        one for one in world.ledger.message_rows if (one.device, one.seq) == (machine.name, seq)
    )
    subject = Subject(row.collector, row.position, leaf_hash(record_of(row)),
                      (machine.name, row.session, seq))  # fmt: skip
    scan = row.time
    said = Correction(
        kind="correction", subject=subject, by="A. Operator", meaning="responsibility",
        reason="read off the wrong gauge <b>", time=world.time(),
        change=Change("load", scan, "-0.5", "0.5", "%"),
    )  # fmt: skip
    world.entries.append(seal(world.operator, said))
