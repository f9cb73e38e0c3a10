"""A backup put back, as an installation that goes on and forks nothing.

Its collectors end: the next start begins new ones, under the same sessions at the broker. The
log waits for its witnesses' word, and with a mirror at hand takes from it what came since.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anchor.keeping.log_folder import LogFolder
from anchor.keeping.mirror import Mirror
from anchor.policy import Policy
from anchor.policy_text import NONE
from anchor.reading.http_source import open_source
from anchor.reading.log_reader import LogReader
from factoryledger.backup.databases import mark_sqlite, restore_postgres
from factoryledger.backup.manifest import NAME, Manifest
from factoryledger.backup.taking import BROKER, KEYS, LOG, digest, files_of
from factoryledger.data_dir import DataDir
from factoryledger.errors import FoundFalse, WrongUsage
from factoryledger.files import POLICY_MOST, read_whole, sync_file, sync_folder


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back: the manifest, entries in the log now, whether anybody guards its head."""

    manifest: Manifest
    size: int
    guarded: bool


def restore(
    source: Path,
    target: Path,
    *,
    keys: Path | None,
    databases: Sequence[str],
    mirror: str | None,
) -> Restored:
    """Put a backup into a folder that is not there yet, or is empty.

    WrongUsage where it is no backup, or `target` is in use; FoundFalse where a file of it is not
    what it was.
    """
    manifest = read_manifest(source)
    check(source, manifest)
    dumps = [name for name, kind in manifest.stores.items() if kind == "postgresql"]
    if len(dumps) != len(databases):
        raise WrongUsage(
            f"{source} holds {len(dumps)} dumps of PostgreSQL: name an empty database for each by "
            f"--database ({len(databases)} are named)"
        )
    if target.absolute().is_relative_to(source.absolute()):
        raise WrongUsage(f"{target} is inside of the backup, which stays as it is")
    if target.exists() and any(target.iterdir()):
        raise WrongUsage(f"{target} is not empty; restore into a new folder")
    target = target.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.urandom(8).hex()}.tmp")
    try:
        size = _filled(source, temporary, manifest, keys, mirror)
        for name, url in zip(dumps, databases, strict=True):
            restore_postgres(url, source / name)
        for folder, _, _ in os.walk(temporary):
            sync_folder(Path(folder))
        if target.exists():
            target.rmdir()
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(target.parent)
    policy = DataDir(target).policy()
    return Restored(manifest, size, policy.quorum != NONE)


def read_manifest(source: Path) -> Manifest:
    """A backup's manifest; WrongUsage where there is none."""
    try:
        return Manifest.from_bytes((source / NAME).read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise WrongUsage(f"{source} is no backup: it has no {NAME}") from error


def check(source: Path, manifest: Manifest) -> None:
    """FoundFalse unless every file is as it was, and none is missing or too many."""
    there = {str(path.relative_to(source)) for path in files_of(source)} - {NAME}
    for name, wanted in manifest.files.items():
        if name not in there:
            raise FoundFalse(f"{source / name} is missing: the backup is not whole")
        if digest(source / name) != wanted:
            raise FoundFalse(f"{source / name} is not what was backed up: its hash is another")
    more = sorted(there - set(manifest.files))
    if more:
        raise FoundFalse(f"{source / more[0]} is no part of the backup")


def _filled(
    source: Path, folder: Path, manifest: Manifest, keys: Path | None, mirror: str | None
) -> int:
    """Make the new folder, durable but for names; gives the entries of its log."""
    folder.mkdir(mode=0o700)
    for name in manifest.files:
        if manifest.stores.get(name) != "postgresql":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            _copy(source / name, folder / name)
    for name, kind in manifest.stores.items():
        if kind == "sqlite":
            mark_sqlite(folder / name)
    if keys is not None:
        for name in (KEYS, BROKER):
            if (keys / name).is_dir():
                shutil.copytree(keys / name, folder / name, copy_function=_copy)
    if (folder / KEYS).is_dir():
        (folder / KEYS).chmod(0o700)
    if mirror is None or not manifest.size:
        return manifest.size
    policy = Policy.from_bytes(read_whole(folder / "policy", POLICY_MOST))
    asked = open_source(mirror)
    try:
        return (
            Mirror(LogFolder(folder / LOG), LogReader(asked, policy.log, former=policy.former))
            .round()
            .size
        )
    finally:
        asked.close()


def _copy(source: str | Path, target: str | Path) -> None:
    shutil.copy2(source, target)
    sync_file(Path(target))
