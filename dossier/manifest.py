"""What a package holds: `manifest.json`, and `SHA256SUMS` over all of it (docs/formats.md). Pure.

One spelling: each is read by writing it again. The manifest names what the report is made of;
its own SHA-256 is the package's number, which stands on every page of the report.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, NamedTuple, Self

from dossier.errors import Unreadable
from telemetry.canonical import is_segment, time_text, time_us
from telemetry.errors import NotCanonical

MANIFEST: Final = "manifest.json"
SUMS: Final = "SHA256SUMS"
README: Final = "README.txt"
REPORT: Final = "report.html"
PAPER: Final = "report.pdf"
READINGS: Final = "readings.csv"
FIGURES: Final = "figures.json"
POLICY: Final = "policy"
VERIFIER: Final = "verifier.html"

BESIDE: Final = frozenset({MANIFEST, SUMS, README, REPORT, PAPER})
"""What the manifest does not name: itself, and what is made from it."""

VERSION: Final = 1
MOST_FILES: Final = 100_000
MOST_MACHINES: Final = 10_000
MOST_BYTES: Final = 1 << 25
"""Bytes of a manifest, and of `SHA256SUMS`."""
_FORMAT: Final = "evidence package"
MOST_TEXT: Final = 200

_SINGLE: Final = (READINGS, FIGURES, POLICY, VERIFIER)
_NAMES: Final = re.compile(
    r"proofs/[a-z0-9_-]{1,64}/(?:[0-9]{5}|birth-[a-z0-9_-]{1,64}|other-[0-9]{5})\.proof"
    r"|(?:keys|corrections)/(?:0|[1-9][0-9]{0,18})\.(?:entry|tlog-proof)"
    r"|checkpoints/[0-9a-f]{64}\.note"
)
_SUM: Final = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9_./-]{1,200})")
_HASH: Final = re.compile(r"[0-9a-f]{64}")


class Stored(NamedTuple):
    """A file of a package: its size in bytes, its SHA-256 in lower-case hexadecimal."""

    size: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a package is of, and who says so; nothing of it is proved but what the proofs show.

    `start` (inclusive), `stop` (exclusive) by the machines' clocks and `made` are microseconds;
    `by` and `title` are the words of who made it, `release` the program's, `report` the version
    of the report's form.
    """

    start: int
    stop: int
    machines: tuple[str, ...]
    made: int
    by: str
    title: str
    release: str
    report: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What it is of, and its files by path."""

    about: About
    files: Mapping[str, Stored] = field(default_factory=dict)

    @property
    def number(self) -> str:
        """The package's number: the SHA-256 of the manifest, in hexadecimal."""
        return sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """The file: JSON of ASCII, a file a line, for people to read as well."""
        about = self.about
        head = {
            "factoryledger": _FORMAT,
            "version": VERSION,
            "release": about.release,
            "report": about.report,
            "made": time_text(about.made),
            "by": about.by,
            "title": about.title,
            "from": time_text(about.start),
            "to": time_text(about.stop),
            "machines": list(about.machines),
        }
        files = ",\n".join(
            f'  {json.dumps(name)}: {{"size": {stored.size}, "sha256": "{stored.digest}"}}'
            for name, stored in sorted(self.files.items())
        )
        members = "".join(f"{json.dumps(n)}: {json.dumps(v)},\n" for n, v in head.items())
        return f'{{\n{members}"files": {{\n{files}\n}}\n}}\n'.encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read it; Unreadable unless `to_bytes` would write it, with names that a package has."""
        said = _parsed(data)
        try:
            about = About(
                start=time_us(said["from"]),
                stop=time_us(said["to"]),
                machines=tuple(said["machines"]),
                made=time_us(said["made"]),
                by=said["by"],
                title=said["title"],
                release=said["release"],
                report=said["report"],
            )
            files = {n: Stored(one["size"], one["sha256"]) for n, one in said["files"].items()}
            found = cls(about, files)
            whole = _has_types(found) and found.to_bytes() == data
        except (KeyError, TypeError, AttributeError, ValueError, NotCanonical) as error:
            raise Unreadable(f"{MANIFEST}: a member is missing or of another form") from error
        if not whole:
            raise Unreadable(f"{MANIFEST}: it is not in the one spelling that `export` writes")
        _check_names(found)
        return found


def _parsed(data: bytes) -> dict[str, Any]:
    if len(data) > MOST_BYTES:
        raise Unreadable(f"{MANIFEST}: longer than {MOST_BYTES >> 20} MiB")
    try:
        said = json.loads(data.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{MANIFEST}: it is no JSON of ASCII") from error
    if not isinstance(said, dict) or said.get("factoryledger") != _FORMAT:
        raise Unreadable(f"{MANIFEST}: it is not that of an evidence package")
    if type(said.get("version")) is not int or said["version"] != VERSION:
        raise Unreadable(f"{MANIFEST}: version {said.get('version')!r}; this release reads 1")
    return said


def _has_types(manifest: Manifest) -> bool:
    about = manifest.about
    texts: tuple[object, ...] = (about.by, about.title, about.release)
    return (
        all(isinstance(one, str) and len(one) <= MOST_TEXT and one.isprintable() for one in texts)
        and type(about.report) is int
        and about.start < about.stop
        and 0 < len(about.machines) <= MOST_MACHINES
        and list(about.machines) == sorted(set(about.machines))
        and all(map(is_segment, about.machines))
        and len(manifest.files) <= MOST_FILES
        and all(map(_is_stored, manifest.files.values()))
    )


def _is_stored(one: Stored) -> bool:
    return type(one.size) is int and one.size >= 0 and _HASH.fullmatch(one.digest) is not None


def _check_names(manifest: Manifest) -> None:
    for name in manifest.files:
        if name not in _SINGLE and not _NAMES.fullmatch(name):
            raise Unreadable(f"{MANIFEST}: no package has a file {name[:100]!r}")
        folder, _, rest = name.partition("/")
        if folder == "proofs" and rest.partition("/")[0] not in manifest.about.machines:
            raise Unreadable(f"{MANIFEST}: {name} is of a machine that the package is not of")
    lacking = [name for name in _SINGLE if name not in manifest.files]
    if lacking:
        raise Unreadable(f"{MANIFEST}: it names no {lacking[0]}")


def sums_text(files: Mapping[str, str]) -> bytes:
    """`SHA256SUMS` of files by path, as `sha256sum` writes it."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items())).encode()


def read_sums(data: bytes) -> dict[str, str]:
    """Read `SHA256SUMS`; Unreadable unless it is sorted, each file once, and nothing else."""
    found = dict[str, str]()
    try:
        lines = data.decode("ascii").splitlines()
    except UnicodeDecodeError as error:
        raise Unreadable(f"{SUMS}: it is not ASCII") from error
    for number, line in enumerate(lines, 1):
        match = _SUM.fullmatch(line)
        if match is None or match[2] in found or match[2] == SUMS:
            raise Unreadable(f"{SUMS} line {number}: not a hash and a file, each file once")
        found[match[2]] = match[1]
    if sums_text(found) != data:
        raise Unreadable(f"{SUMS}: it is not in the one spelling that `export` writes")
    return found
