"""The key that pays for anchoring: a keystore file (Web3 Secret Storage, version 3).

Edge. The file is for its owner's eyes only, and so is its passphrase's. Neither is ever in a
message, a log or on a command line. The key signs transactions, never checkpoints: whoever
steals it can spend what the account has and anchor what is newer, and undo nothing.
"""

import json
import stat
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

import anchor.ledgers.evm.recursion  # noqa: F401 - undoes what eth-account does
from anchor.errors import Malformed, Missing

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def open_keystore(file: Path, passphrase: str) -> LocalAccount:
    """The account of a keystore; Malformed if the file or the passphrase is not right.

    Missing if it is not there. Takes a second: the passphrase is stretched on purpose.
    """
    try:
        text = file.read_text("utf-8")
        others = file.stat().st_mode & _OTHERS
    except FileNotFoundError as error:
        raise Missing(f"{file}: there is no keystore; anchor deploy makes one") from error
    if others:
        raise Malformed(f"{file}: others may use this keystore; chmod 600 it")
    try:
        key = Account.decrypt(text, passphrase)
    except (ValueError, TypeError, KeyError, AttributeError, NotImplementedError):
        # The library's own words are about the file's inside.
        raise Malformed(f"{file}: no keystore of version 3, or another passphrase") from None
    account: LocalAccount = Account.from_key(key)
    return account


def new_keystore(passphrase: str) -> tuple[LocalAccount, bytes]:
    """A new account, and its keystore's bytes: to be written for its owner alone."""
    account: LocalAccount = Account.create()
    sealed = json.dumps(Account.encrypt(account.key, passphrase), indent=1)
    return account, f"{sealed}\n".encode()


def keystore_address(file: Path) -> bytes:
    """The 20-byte address that a keystore names, no passphrase needed; Malformed if none."""
    try:
        named = bytes.fromhex(json.loads(file.read_text("utf-8"))["address"].removeprefix("0x"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Malformed(f"{file}: not a keystore of version 3") from error
    return named
