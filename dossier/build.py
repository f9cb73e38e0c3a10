"""A package out of a store and its log: proofs first, then what follows from them.

What follows is derived from the proofs as they were written, by the way that `verify` takes.
A machine's time is divided into files of some thousand messages, so that no more of them than
that are in memory, here and where they are checked.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from anchor.errors import AnchorError, Missing
from anchor.key_entry import OperatorAuthority
from anchor.ports import Ranged
from anchor.proving.corrections import holding, subject_of
from anchor.proving.prove import ProvingLog, prove
from anchor.proving.range_prove import prove_range
from anchor.reading.corrections import LoggedCorrection, logged_corrections
from anchor.reading.row_record import named_message, record_of
from anchor.tlog_proof import TlogProof
from dossier.container import CHUNK, Folder, Opened
from dossier.derived import Derivation, concerns
from dossier.entries import CORRECTIONS, KEYS, Entry
from dossier.erasures import Erasures
from dossier.errors import NothingThere
from dossier.manifest import (
    FIGURES,
    MANIFEST,
    POLICY,
    READINGS,
    SUMS,
    VERIFIER,
    About,
    Manifest,
    Stored,
    sums_text,
)
from telemetry.errors import TelemetryError
from telemetry.keyring import KeyStatement
from telemetry.rows import MessageRow

MOST_OTHERS: Final = 1000
"""Of a machine's messages in conflict or under an ended key; a store has few."""
AIM: Final = 5_000
_HOUR: Final = 3_600_000_000


class Archive(Ranged, Protocol):
    """What a package is made of."""

    def disputed(self, start: int, stop: int, most: int) -> Iterator[MessageRow]:
        """Every machine's `conflict` and `revoked` messages of that time, so many of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where it comes from; `policy` and `verifier` are files that are laid beside the proofs."""

    archive: Archive
    known: ProvingLog
    policy: bytes
    verifier: bytes


class _Proved(NamedTuple):
    """Whose messages were proved, and which corrections are about one of them."""

    erasures: Erasures
    collectors: dict[str, None]
    corrections: dict[int, None]

    def take(
        self,
        rows: Iterator[MessageRow],
        corrections: Mapping[tuple[str, int], Sequence[LoggedCorrection]],
    ) -> None:
        for row in rows:
            self.collectors[row.collector] = None
            if row.payload is None and not self._is_erased(row):
                raise Missing(
                    f"the payload of {row.collector}:{row.position} is gone, and the log has no "
                    "erasure of it yet: wait for the anchor, or run `factoryledger audit`"
                )
            if found := corrections.get((row.collector, row.position)):
                self.corrections.update(dict.fromkeys(_holding(row, found)))

    def _is_erased(self, row: MessageRow) -> bool:
        return self.erasures.covers(row.collector, row.position, row.status)


class Writer:
    """Writes the files of a package into a folder, and knows their sizes and hashes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.files = dict[str, Stored]()

    def write(self, name: str, data: bytes) -> None:
        """Write one file."""
        self.stream(name, [data])

    def stream(self, name: str, parts: Iterable[bytes]) -> None:
        """Write one file as its parts come."""
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        digest, size = sha256(), 0
        with path.open("xb", CHUNK) as file:
            for part in parts:
                file.write(part)
                digest.update(part)
                size += len(part)
        self.files[name] = Stored(size, digest.hexdigest())


@dataclass(frozen=True, slots=True)
class Built:
    """What was written: manifest, figures, and the folder, open for what is made of them."""

    manifest: Manifest
    figures: bytes
    writer: Writer


def build(folder: Path, about: About, sources: Sources, aim: int = AIM) -> Built:
    """Write proofs, keys, checkpoints, readings, figures and manifest.

    A file of proofs has about `aim` messages, and at most twice as many.
    NothingThere where no machine has a message in that time, Missing where one is not anchored
    yet, Refused where store or log do not hold.
    """
    writer = Writer(folder)
    writer.write(POLICY, sources.policy)
    writer.write(VERIFIER, sources.verifier)
    proved = _Proved(_erasures(sources.known), {}, {})
    corrections = _corrections(sources.known)
    for device in about.machines:
        proved.take(_prove_machine(writer, device, about, sources, aim), corrections)
    if not proved.collectors:
        raise NothingThere(
            "no machine of these has an accepted message in that time (by its own clock)"
        )
    proved.take(_prove_others(writer, about, sources), corrections)
    for under, places in (
        (KEYS, _key_places(sources.known, about, proved.collectors)),
        (CORRECTIONS, sorted(proved.corrections)),
    ):
        for place in places:
            for name, data in _entry(sources.known, place).files(under):
                writer.write(name, data)
    with Opened(Folder(folder)) as package:
        derived = Derivation(package, about, sources.known.policy)
        writer.stream(READINGS, derived.rows())
        for name, note in derived.checkpoints.items():
            writer.write(name, note)
        figures = derived.figures()
    writer.write(FIGURES, figures)
    manifest = Manifest(about, dict(writer.files))
    writer.write(MANIFEST, manifest.to_bytes())
    return Built(manifest, figures, writer)


def finish(built: Built, made: Mapping[str, bytes]) -> None:
    """Write what is made of it, by name, and `SHA256SUMS` over everything."""
    for name, data in made.items():
        built.writer.write(name, data)
    sums = {name: stored.digest for name, stored in built.writer.files.items()}
    built.writer.write(SUMS, sums_text(sums))


def _prove_machine(
    writer: Writer, device: str, about: About, sources: Sources, aim: int
) -> Iterator[MessageRow]:
    """Write a machine's range files and its births; gives its messages."""
    known = sources.known
    sessions = dict[str, None]()
    for number, (start, stop) in enumerate(_slices(sources.archive, device, about, aim), 1):
        file = prove_range(
            ledger=sources.archive, known=known, device=device, start=start, stop=stop
        )
        writer.write(f"proofs/{device}/{number:05}.proof", file.to_bytes())
        for row in sources.archive.between(device, start, stop):
            if isinstance(row.session, str):
                sessions[row.session] = None
            yield row
    for session in sessions:
        yield from _prove_birth(writer, device, session, sources)


def _prove_birth(
    writer: Writer, device: str, session: str, sources: Sources
) -> Iterator[MessageRow]:
    """The session's first message, where it is a birth that can still be read.

    It says units, and is a proof of one message, which the page in a browser can check.
    """
    row = sources.archive.find(device, session, 0)
    if row is None or row.payload is None or not row.topic.endswith("/birth"):
        return
    proof = prove(
        ledger=sources.archive,
        log=sources.known.reader,
        policy=sources.known.policy,
        row=row,
        proving=sources.known,
    )
    writer.write(f"proofs/{device}/birth-{session}.proof", proof.to_bytes())
    yield row


def _prove_others(writer: Writer, about: About, sources: Sources) -> Iterator[MessageRow]:
    """Messages in conflict or under an ended key: what was kept and does not count."""
    numbers = dict[str, int]()
    for row in sources.archive.disputed(about.start, about.stop, MOST_OTHERS):
        if row.device not in about.machines:
            continue
        number = numbers[row.device] = numbers.get(row.device, 0) + 1
        try:
            proof = prove(
                ledger=sources.archive,
                log=sources.known.reader,
                policy=sources.known.policy,
                row=row,
                proving=sources.known,
            )
        except Missing:  # not anchored yet: nobody misses it who does not know of it
            numbers[row.device] -= 1
            continue
        writer.write(f"proofs/{row.device}/other-{number:05}.proof", proof.to_bytes())
        yield row


def _slices(archive: Archive, device: str, about: About, aim: int) -> Iterator[tuple[int, int]]:
    """Divide the period so that each part has some thousand of the machine's messages.

    None where there is no message; the parts follow one another without a gap.
    """
    start = at = about.start
    span, pending = _HOUR, False
    while at < about.stop:
        end = min(at + span, about.stop)
        count = _count(archive.between(device, at, end))
        if count > 2 * aim and end - at > 1:
            span = max(1, (end - at) // 2)
            continue
        if count and pending:
            yield start, at
            start = at
        pending = pending or bool(count)
        at = end
        span = max(1, span * 4 if not count else int(span * min(4.0, max(0.25, aim / count))))
    if pending:
        yield start, about.stop


def _count(rows: Iterator[MessageRow]) -> int:
    return sum(1 for _ in rows)


def _erasures(known: ProvingLog) -> Erasures:
    """Whose payloads the log says are erased."""
    assert known.policy.operator is not None
    authority, view = OperatorAuthority(known.policy.operator), known.reader.view
    found = list[KeyStatement]()
    for place in known.scanned.erasures:
        with suppress(AnchorError, TelemetryError):  # a false entry brings nothing
            found.append(authority.read(view.entry(place)))
    return Erasures(found)


def _corrections(known: ProvingLog) -> Mapping[tuple[str, int], Sequence[LoggedCorrection]]:
    """The operator's corrections that the log holds, by the place of their message."""
    assert known.policy.operator is not None
    found = dict[tuple[str, int], list[LoggedCorrection]]()
    for one in logged_corrections(known.scanned, known.policy.operator):
        subject = one.correction.subject
        found.setdefault((subject.collector, subject.position), []).append(one)
    return found


def _holding(row: MessageRow, found: Sequence[LoggedCorrection]) -> Iterator[int]:
    """Where those stand that are true of a message; as in `prove`, `audit` tells of others."""
    subject = subject_of(row.collector, row.position, record_of(row))
    message = named_message(row)
    for one in holding(found, subject, None if message is None else message.scans):
        yield one.index


def _key_places(known: ProvingLog, about: About, collectors: Mapping[str, None]) -> Iterator[int]:
    """Where the key entries of these machines and collectors stand."""
    assert known.policy.operator is not None
    authority, view = OperatorAuthority(known.policy.operator), known.reader.view
    for index in sorted(known.scanned.keys.values()):
        try:
            statement = authority.read(view.entry(index))
        except (AnchorError, TelemetryError):
            continue  # a false entry brings nothing; `audit` finds it
        if concerns(statement, about.machines, collectors):
            yield index


def _entry(known: ProvingLog, place: int) -> Entry:
    """An entry of the log, proved under its newest checkpoint."""
    note, view = known.reader.head
    proof = TlogProof(place, view.inclusion(place), note)
    return Entry(place, view.entry(place), proof.to_bytes())
