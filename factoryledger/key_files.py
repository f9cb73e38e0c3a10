"""The private keys of one data folder, a file each, for their owner's eyes only.

Edge. Rule: a file that others may read is refused, since its key may be theirs by now, and so
is a folder that others may use, where they could put keys of their own. A key may lie under a
passphrase; what takes its place lies under the same one. No secret is in any message.
"""

import getpass
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from anchor.errors import Malformed
from anchor.note import SignerKey, VerifierKey
from factoryledger.errors import NotThere, WrongUsage
from factoryledger.files import first_line, sync_folder, write_all, write_whole

PASSPHRASE_SETTING = "FACTORYLEDGER_KEY_PASSPHRASE_FILE"  # noqa: S105 - a variable's name
_NEXT = ".next"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class KeyFiles:
    """Reads and writes `<folder>/<stem>.key`; `passphrase_file` is asked before the terminal."""

    def __init__(self, folder: Path, passphrase_file: Path | None = None) -> None:
        self.folder = folder
        self._passphrase_file = passphrase_file
        self._passphrase: str | None = None

    def path(self, stem: str) -> Path:
        """Where the key of this stem lies."""
        return self.folder / f"{stem}.key"

    def exists(self, stem: str) -> bool:
        """Whether there is a key of this stem."""
        return self.path(stem).exists()

    def stems(self) -> list[str]:
        """Every key that is here."""
        return sorted(path.name.removesuffix(".key") for path in self.folder.glob("*.key"))

    def read(self, stem: str) -> SignerKey | None:
        """A key that is here, or None; WrongUsage where it cannot be used as it is."""
        text = self._text(stem)
        if text is None:
            return None
        try:
            if is_sealed(text):
                return self._opened(stem, text)
            return SignerKey.from_text(text.removesuffix("\n"))
        except Malformed as error:
            raise WrongUsage(f"{self.path(stem)}: {error}") from error

    def public(self, stem: str) -> VerifierKey | None:
        """The public half of a key that is here; no passphrase is needed for it."""
        text = self._text(stem)
        if text is not None and is_sealed(text):
            from factoryledger.sealed_key import public_half  # noqa: PLC0415 - on demand

            try:
                return public_half(text)
            except Malformed as error:
                raise WrongUsage(f"{self.path(stem)}: {error}") from error
        key = self.read(stem)
        return None if key is None else key.verifier

    def is_protected(self, stem: str) -> bool:
        """Whether a key lies under a passphrase."""
        text = self._text(stem)
        return text is not None and is_sealed(text)

    def write(self, stem: str, key: SignerKey, *, like: str | None = None) -> None:
        """Write a key, durable on return; under a passphrase where the one before it is.

        `like` names the key that it will take the place of, where that is not `stem`.
        """
        protected = self.is_protected(like or stem)
        self._put(stem, self._sealed(key) if protected else _plain(key))

    def write_new(self, keys: Mapping[str, SignerKey]) -> None:
        """Write many keys that are not there yet, together."""
        check_private_folder(self.folder)
        contents = {self.path(stem).name: _plain(key) for stem, key in keys.items()}
        write_all(self.folder, contents, mode=0o600)

    def protect(self, stem: str) -> None:
        """Put a key under the passphrase."""
        self._put(stem, self._sealed(self._needed(stem)))

    def unprotect(self, stem: str) -> None:
        """Take a key out from under its passphrase."""
        self._put(stem, _plain(self._needed(stem)))

    def _put(self, stem: str, content: bytes) -> None:
        check_private_folder(self.folder)
        write_whole(self.path(stem), content, mode=0o600)

    # -- the key that comes next -------------------------------------------------------

    def next(self, stem: str) -> SignerKey | None:
        """The key that was made to take this one's place, if a rotation is under way."""
        return self.read(f"{stem}{_NEXT}")

    def prepare(self, stem: str, key: SignerKey) -> None:
        """Keep the key that is to take this one's place, durably, before anybody relies on it."""
        self.write(f"{stem}{_NEXT}", key, like=stem)

    def settle(self, stem: str) -> None:
        """Let the prepared key take the place of this one, which is gone after that."""
        self.rename(f"{stem}{_NEXT}", stem)

    def rename(self, stem: str, to: str) -> None:
        """Let a key be of another stem from now on; durable on return."""
        self.path(stem).replace(self.path(to))
        sync_folder(self.folder)

    # -- reading -----------------------------------------------------------------------

    def _text(self, stem: str) -> str | None:
        path = self.path(stem)
        try:
            check_private_folder(self.folder)
            check_private(path)
            return path.read_text("ascii")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise WrongUsage(f"{path}: not a private key") from error

    def _needed(self, stem: str) -> SignerKey:
        key = self.read(stem)
        if key is None:
            raise NotThere(f"{self.path(stem)}: no key there")
        return key

    def _opened(self, stem: str, text: str) -> SignerKey:
        from factoryledger.sealed_key import open_key  # noqa: PLC0415 - on demand

        try:
            return open_key(text, self.passphrase())
        except ValueError as error:
            self._passphrase = None
            raise WrongUsage(
                f"{self.path(stem)}: it does not open under this passphrase"
            ) from error

    def _sealed(self, key: SignerKey) -> bytes:
        from factoryledger.sealed_key import seal_key  # noqa: PLC0415 - on demand

        return seal_key(key, self.passphrase()).encode("ascii")

    def passphrase(self, *, again: bool = False) -> str:
        """The passphrase, asked once; `again` has it typed twice, where it is a new one."""
        if self._passphrase is None:
            if self._passphrase_file is not None:
                self._passphrase = _from_file(self._passphrase_file)
            else:
                self._passphrase = _from_terminal(again=again)
        return self._passphrase


def check_private(path: Path) -> None:
    """WrongUsage where others than its owner may read or change a file, with what to do."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _OTHERS:
        raise WrongUsage(
            f"{path}: others may use it (mode {mode:04o}); run `chmod 600 {path}`, and if somebody "
            "could have read it, rotate the key"
        )


def check_private_folder(path: Path) -> None:
    """WrongUsage where others than its owner may use a folder of keys, with what to do."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _OTHERS:
        raise WrongUsage(
            f"{path}: others may use this folder of keys (mode {mode:04o}); run `chmod 700 {path}`,"
            " and if somebody could have put or taken a key, rotate the keys"
        )


def is_sealed(text: str) -> bool:
    """Whether a key file's text is one under a passphrase; nothing is checked."""
    # Told apart without the container's module, which is slow to load.
    return text.partition("\n")[2].startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")


def _plain(key: SignerKey) -> bytes:
    return f"{key.to_text()}\n".encode("ascii")


def _from_file(path: Path) -> str:
    try:
        check_private(path)
        return first_line(path, "passphrase")
    except FileNotFoundError as error:
        raise NotThere(f"{path}: no passphrase there; {PASSPHRASE_SETTING} names it") from error


def _from_terminal(*, again: bool) -> str:
    if not sys.stdin.isatty():
        raise NotThere(
            "a key lies under a passphrase, and there is no terminal to ask at: put it into a file "
            f"that only its owner reads, and name that by {PASSPHRASE_SETTING}"
        )
    given = getpass.getpass("Passphrase of the keys: ")
    if not given:
        raise WrongUsage("an empty passphrase protects nothing")
    if again and getpass.getpass("The same again: ") != given:
        raise WrongUsage("the two are not the same; nothing was changed")
    return given
