"""The data folder: complete, private where it has to be, on a disk that keeps and has room."""

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from factoryledger.doctor.line import Line, bad, good, warning
from factoryledger.errors import WrongUsage
from factoryledger.installation import Installation
from factoryledger.key_files import check_private, check_private_folder

LITTLE: Final = 2**30  # bytes free, from here on it is a warning
FULL: Final = 64 * 2**20
SOON: Final = timedelta(days=30)
# What forgets at a restart, and what says that it has written before it has.
_FORGETS: Final = {"tmpfs", "ramfs"}
_REMOTE: Final = {"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"}


def check_folder(place: Installation) -> Iterator[Line]:
    """The folder itself, and its disk."""
    folder = place.data.path
    if not folder.is_dir():
        yield bad(
            "data folder", f"{folder} is not there", "run `factoryledger init`, or name --data"
        )
        return
    if not place.data.policy_file.exists():
        yield bad(
            "data folder",
            f"{folder} has no policy: it was never completed",
            "run `factoryledger init` once more: it goes on where it was cut short",
        )
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield bad(
            "data folder",
            f"{folder} cannot be written by this user",
            "run as the user that owns it, or give it to this one by chown",
        )
    else:
        yield good("data folder", f"{folder} is complete")
    yield from _disk(folder)


def _disk(folder: Path) -> Iterator[Line]:
    found = os.statvfs(folder)
    left, whole = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    said = f"{left // 2**20:,} MiB of {whole // 2**20:,} free"
    todo = "make room, let retention erase payloads, or put the folder on a larger disk"
    if left < FULL:
        yield bad("disk", f"{said}: the collector will stop committing", todo)
    elif left < LITTLE:
        yield warning("disk", said, todo)
    elif found.f_files and found.f_favail < 1000:  # noqa: PLR2004 - files of one busy hour
        yield warning("disk", f"{said}, but only {found.f_favail} files can be made", todo)
    else:
        yield good("disk", said)
    kind = _file_system(folder)
    if kind in _FORGETS:
        yield warning(
            "file system",
            f"{folder} is on {kind}, which forgets everything at a restart",
            "put the data folder on a disk",
        )
    elif kind in _REMOTE:
        yield warning(
            "file system",
            f"{folder} is on {kind}: locks and fsync are the server's word, and SQLite's WAL does "
            "not work over it",
            "put the data folder on a local disk, or the store into PostgreSQL",
        )


def _file_system(folder: Path) -> str:
    """The kind of file system that a folder is on; "" where the system does not say."""
    try:
        mounts = Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    found = ""
    longest = -1
    for mount in mounts:
        _, point, kind, *_ = [*mount.split(" "), "", "", ""]
        path = point.encode().decode("unicode_escape")
        if folder.is_relative_to(path) and len(path) >= longest:
            found, longest = kind, len(path)
    return found


def check_keys(place: Installation) -> Iterator[Line]:
    """Every private key: for its owner's eyes alone, and readable."""
    folder = place.data.keys.folder
    if not folder.is_dir():
        yield warning(
            "keys", f"{folder} is not there", "right for who only reads; else `factoryledger init`"
        )
        return
    stems, ill = place.data.keys.stems(), 0
    try:
        check_private_folder(folder)
        for stem in stems:
            try:
                check_private(place.data.keys.path(stem))
                place.data.keys.public(stem)
            except WrongUsage as error:
                ill += 1
                yield _told("keys", error)
    except WrongUsage as error:
        yield _told("keys", error)
        return
    if not ill:
        yield good("keys", f"{len(stems)} private keys, each for its owner alone")
    operator = place.data.keys.exists("operator") and not place.data.keys.is_protected("operator")
    if operator and place.data.keys.exists("anchor"):
        yield warning(
            "operator's key",
            "it lies beside the log's, without a passphrase: who takes this folder can enrol "
            "machines of their own",
            "run `factoryledger keys protect operator`, or keep it elsewhere",
        )


def _told(about: str, error: WrongUsage) -> Line:
    says, _, todo = str(error).partition("; ")
    return bad(about, says, todo or "see `factoryledger keys list`")


def check_certificates(place: Installation) -> Iterator[Line]:
    """The certificates for the broker: until when they hold."""
    folder = place.broker_files.path
    if not folder.is_dir():
        return
    from cryptography import x509  # noqa: PLC0415 - slow, on demand

    ends = dict[Path, datetime]()
    for path in sorted(folder.rglob("*.crt")):
        with suppress(ValueError, OSError):
            ends[path] = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    now = datetime.now(UTC)
    over = [path for path, end in ends.items() if end <= now]
    soon = [path for path, end in ends.items() if now < end <= now + SOON]
    renew = "run `factoryledger init --broker-host NAME` again, which renews what is old"
    if over:
        yield bad("certificates", f"{_named(over)}: over since {ends[over[0]]:%Y-%m-%d}", renew)
    if soon:
        yield warning("certificates", f"{_named(soon)}: over on {ends[soon[0]]:%Y-%m-%d}", renew)
    if ends and not over and not soon:
        yield good(
            "certificates", f"{len(ends)} hold, the first until {min(ends.values()):%Y-%m-%d}"
        )


def _named(paths: list[Path]) -> str:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]}{more}"


def check_passwords(place: Installation) -> Iterator[Line]:
    """The files that settings name for passwords: there, and private."""
    for name in ("broker_password_file", "database_password_file", "key_passphrase_file",
                 "web_password_file"):  # fmt: skip
        path = getattr(place.settings, name)
        if path is None:
            continue
        try:
            mode = path.stat().st_mode & 0o007
            if mode:
                yield warning(name, f"{path}: every user may use it", f"run `chmod o= {path}`")
            else:
                yield good(name, f"{path} is there")
        except OSError as error:
            yield bad(name, f"{path}: {error}", "make the file, or change the setting")
