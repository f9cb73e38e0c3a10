"""A backup taken while everything runs.

In this order: `anchor.db`, then the log's folder, then the stores, so that each holds at least
what the one before it speaks of. Left out is what must never be an older copy: outboxes, whose
machines would fork their chain, and what a witness has cosigned, which could then cosign
another history. Keys go where they are told to, apart, or nowhere.
"""

import os
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import file_digest
from importlib.metadata import version
from pathlib import Path
from typing import Final

from anchor.errors import Malformed, Refused
from collector.database import sqlite_path
from collector.sqlite_copy import copy_sqlite
from factoryledger.backup.databases import dump_postgres
from factoryledger.backup.manifest import NAME, Manifest
from factoryledger.errors import WrongUsage
from factoryledger.files import new_folder, write_whole
from factoryledger.installation import Installation

KEYS: Final = "keys"
BROKER: Final = "broker"
LOG: Final = "log"
ANCHOR: Final = "anchor.db"
# Of a data folder, beside what is copied by name.
_ALSO: Final = ("policy", "ledgers.toml", "requests", "proofs", "prefix")


def take(place: Installation, target: Path, keys: Path | None) -> Manifest:
    """Copy an installation into a folder that is not there yet; whole on return, or not there.

    WrongUsage where `target` or `keys` is there already, or one is inside the other.
    """
    if keys is not None and (keys.is_relative_to(target) or target.is_relative_to(keys)):
        raise WrongUsage(f"{keys} and {target}: keep the keys apart from what they sign")
    for folder in filter(None, (target, keys)):
        if folder.exists():
            raise WrongUsage(f"{folder} is there already; name a new folder for each backup")
    if keys is not None:
        new_folder(keys, lambda folder: _copy_keys(place, folder))
    made: list[Manifest] = []
    new_folder(target, lambda folder: made.append(_copy(place, folder)))
    return made[0]


def _copy(place: Installation, folder: Path) -> Manifest:
    data = place.data
    if data.anchor_db.exists():
        copy_sqlite(data.anchor_db, folder / ANCHOR)
    size = _copy_log(place, folder / LOG)
    stores = dict[str, str]()
    for number, url in enumerate(place.database_urls()):
        path = sqlite_path(url)
        if path is None:
            name = f"database-{number}.dump"
            dump_postgres(url, folder / name)
            stores[name] = "postgresql"
        elif path.exists():
            copy_sqlite(path, folder / path.name)
            stores[path.name] = "sqlite"
    for name in _ALSO:
        source = data.path / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=_unfinished)
        elif source.exists():
            shutil.copy2(source, folder / name)
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    files = {str(path.relative_to(folder)): digest(path) for path in files_of(folder)}
    manifest = Manifest(now, version("factoryledger"), data.origin, size, stores, files)
    write_whole(folder / NAME, manifest.to_bytes())
    return manifest


def _copy_log(place: Installation, target: Path) -> int:
    """The checkpoint first, put there last: tiles only grow, so they hold what it states."""
    if not place.has_log:
        return 0
    note = (place.log / "checkpoint").read_bytes()
    try:
        size = place.log_reader.open(note).size
    except (Malformed, Refused) as error:
        raise WrongUsage(f"{place.log}: {error}; run `factoryledger doctor`") from error
    copy_growing(place.log, target)
    (target / "checkpoint").write_bytes(note)
    return size


def copy_growing(source: Path, target: Path) -> None:
    """Copy a log's folder beside its writer: all that was there at the start, by content.

    Twice, since a partial tile goes once the full one is there, which may not have been listed.
    """
    for _pass in range(2):
        for folder, _, names in os.walk(source):
            for name in sorted(set(names) - set(_unfinished(folder, names))):
                copy = target / Path(folder, name).relative_to(source)
                if not copy.exists():
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    with suppress(FileNotFoundError):
                        shutil.copy2(Path(folder, name), copy)


def _unfinished(_: str, names: list[str]) -> list[str]:
    """What is being written, and locks."""
    return [name for name in names if name.startswith(".")]


def _copy_keys(place: Installation, folder: Path) -> None:
    shutil.copytree(place.data.keys.folder, folder / KEYS)
    if place.broker_files.path.is_dir():
        shutil.copytree(place.broker_files.path, folder / BROKER)


def files_of(folder: Path) -> list[Path]:
    """Every file below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def digest(path: Path) -> str:
    """A file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
