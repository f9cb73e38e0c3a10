"""Whether a package holds as a whole: every file, every proof, and that all else follows.

In this order: names and hashes; then, by the policy of whoever checks, every proof, and line by
line that `readings.csv` says what the proved messages say; last, that figures and report are
those. The first that does not hold ends it, named by its file and line.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import zip_longest
from typing import Any, Final

from anchor.errors import AnchorError
from anchor.ledgers.ledger import Voucher
from anchor.policy import Policy
from dossier.container import CHUNK, Opened
from dossier.derived import Derivation
from dossier.errors import Unreadable, Untrue
from dossier.manifest import (
    BESIDE,
    FIGURES,
    MANIFEST,
    MOST_BYTES,
    PAPER,
    POLICY,
    READINGS,
    README,
    REPORT,
    SUMS,
    VERIFIER,
    Manifest,
    read_sums,
)
from telemetry.canonical import plain

MOST_POLICY: Final = 1 << 20
MOST_FIGURES: Final = 1 << 28
MOST_REPORT: Final = 1 << 29
_TOLD: Final = 20
_MOST_LINE: Final = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """What whoever checks has pinned, and what this release would write itself.

    `readme` and `report` give those files as this release renders them, or None where the
    package's are of another form; `verifier` is this release's page.
    """

    policy: Policy
    vouchers: Mapping[str, Voucher]
    readme: Callable[[Manifest], bytes | None]
    report: Callable[[Manifest, bytes], bytes | None]
    verifier: bytes


@dataclass(frozen=True, slots=True)
class Sound:
    """A package that holds: what it is, its figures, and what was not compared or not shown."""

    manifest: Manifest
    figures: bytes
    remarks: tuple[str, ...]
    has_paper: bool


def check(package: Opened, trusted: Trusted) -> Sound:
    """Check a package; Untrue names what does not hold, Unreadable what cannot be read."""
    manifest = Manifest.from_bytes(package.read(MANIFEST, MOST_BYTES))
    _check_files(package, manifest)
    own = package.read(POLICY, MOST_POLICY)
    remarks = list(_remarks(package, trusted, own))
    derived = Derivation(package, manifest.about, trusted.policy, trusted.vouchers)
    _check_rows(package, derived.rows())
    _check_checkpoints(package, derived)
    remarks += [f"Not shown: {said}" for said in derived.warnings]
    figures = package.read(FIGURES, MOST_FIGURES)
    remarks += _check_figures(package, manifest, own, derived, figures)
    remarks += _check_rendered(package, trusted, manifest, figures)
    return Sound(manifest, figures, tuple(remarks), PAPER in package.sizes)


# -- names and hashes --------------------------------------------------------------------------


def _check_files(package: Opened, manifest: Manifest) -> None:
    """Every file is named and every named one is there, with its size and its hash."""
    sums = read_sums(package.read(SUMS, MOST_BYTES))
    there = set(package.sizes) - {SUMS}
    for name in sorted(there ^ set(sums)):
        raise Untrue(f"{plain(name)} is {'not in ' + SUMS if name in there else 'missing'}")
    for name in sorted((there - BESIDE) ^ set(manifest.files)):
        raise Untrue(f"{plain(name)} is {'not in ' + MANIFEST if name in there else 'missing'}")
    for name in (README, REPORT):
        if name not in there:
            raise Untrue(f"{name} is missing")
    for name, stored in manifest.files.items():
        if package.sizes[name] != stored.size or sums[name] != stored.digest:
            raise Untrue(f"{name} is not the file that {MANIFEST} names: size or hash is another")
    for name, digest in sums.items():
        if _digest(package, name) != digest:
            raise Untrue(f"{name} is not what it was: its SHA-256 is another than in {SUMS}")


def _digest(package: Opened, name: str) -> str:
    found, left = sha256(), package.sizes[name]
    with package.stream(name) as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
            left -= len(chunk)
            if left < 0:
                raise Unreadable(f"{name} is longer than it says")
    return found.hexdigest()


# -- what follows from the proofs --------------------------------------------------------------


def _check_rows(package: Opened, due: Iterator[bytes]) -> None:
    """The readings are those of the proved messages, line by line."""
    with package.stream(READINGS) as file:
        lines = iter(lambda: file.readline(_MOST_LINE), b"")
        for number, (line, wanted) in enumerate(zip_longest(lines, due), 1):
            if line != wanted:
                raise Untrue(f"{READINGS} line {number}: {_differs(line, wanted)}")


def _differs(line: bytes | None, wanted: bytes | None) -> str:
    if wanted is None:
        return "no proved message says this"
    said = wanted.decode().rstrip("\n")
    if line is None:
        return f"it ends here, and the proved messages say more: {said}"
    return f"it is not what the proved message says: {said}"


def _check_checkpoints(package: Opened, derived: Derivation) -> None:
    there = {name for name in package.sizes if name.startswith("checkpoints/")}
    for name in sorted(there ^ set(derived.checkpoints)):
        raise Untrue(f"{name}: {'no proof rests on it' if name in there else 'it is missing'}")
    for name, note in derived.checkpoints.items():
        if package.read(name, CHUNK) != note:
            raise Untrue(f"{name}: it is not the checkpoint that the proofs rest on")


def _check_figures(
    package: Opened, manifest: Manifest, own: bytes, derived: Derivation, figures: bytes
) -> Sequence[str]:
    """The figures are those of the proofs, by the package's own policy, which names them.

    Whose checkpoints count was decided before, by the policy of whoever checks: this is only
    about what the maker wrote. Where its witnesses say other times than theirs, that is told.
    """
    due = yours = derived.figures()
    if due != figures:
        try:
            policy = Policy.from_bytes(own)
            again = Derivation(package, manifest.about, policy)
            for _ in again.rows():
                pass
            due = again.figures()
        except (AnchorError, Untrue) as error:
            raise Untrue(f"{POLICY}: the proofs do not hold by it: {error}") from error
    if due != figures:
        raise Untrue(f"{FIGURES}: they are not what the proved messages add up to")
    return [] if due == yours else list(_other_times(due, yours))


def _other_times(said: bytes, yours: bytes) -> Iterator[str]:
    found = 0
    for one, other in zip(json.loads(said)["machines"], json.loads(yours)["machines"], strict=True):
        bounds = [(which["not_before"], which["not_after"]) for which in (one, other)]
        if bounds[0] == bounds[1]:
            continue
        found += 1
        if found > _TOLD:
            yield "Of more machines the report says other times than your policy does."
            return
        (before, after), (first, last) = bounds
        yield (
            f"{one['device']}: the report says signed not before {before or 'any time'}, in the "
            f"log not after {after or 'any time'}. By your policy it is {first or 'any time'} and "
            f"{last or 'any time'}."
        )


# -- what is rendered --------------------------------------------------------------------------


def _remarks(package: Opened, trusted: Trusted, own: bytes) -> Iterator[str]:
    try:
        same = Policy.from_bytes(own) == trusted.policy
    except AnchorError as error:
        raise Untrue(f"{POLICY}: {error}") from error
    if not same:
        yield (
            f"The file {POLICY} in the package is another than yours. Yours was counted; the "
            "report's times and witnesses are by the package's."
        )
    if package.read(VERIFIER, MOST_REPORT) != trusted.verifier:
        yield (
            f"{VERIFIER} is not the page of this release: use one of your own, from "
            "`factoryledger verify --page FILE`."
        )


def _check_rendered(
    package: Opened, trusted: Trusted, manifest: Manifest, figures: bytes
) -> Sequence[str]:
    """The report and the instructions are what this release renders of the same figures."""
    found = list[str]()
    due: Sequence[tuple[str, bytes | None]] = (
        (REPORT, trusted.report(manifest, figures)),
        (README, trusted.readme(manifest)),
    )
    for name, wanted in due:
        if wanted is None:
            found.append(
                f"{name} is of form {manifest.about.report}, which this release does not write: "
                f"its words were not compared. {FIGURES} was, and holds."
            )
            continue
        said = package.read(name, MOST_REPORT)
        if said != wanted:
            raise Untrue(f"{name} line {_first_other(said, wanted)}: it is not what is proved")
    return found


def _first_other(said: bytes, wanted: bytes) -> int:
    lines: Iterator[tuple[Any, Any]] = zip_longest(said.split(b"\n"), wanted.split(b"\n"))
    return next((n for n, (one, other) in enumerate(lines, 1) if one != other), 0)
