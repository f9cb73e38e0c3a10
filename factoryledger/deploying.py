"""Makes an EVM chain usable, once: the account's key, its ether, the contract, its pins.

Every step is durable before the next and is not done again: run anew after a kill or an
error, it goes on. Only the contract may then be deployed twice, which costs gas alone.
"""

import asyncio
import secrets
from dataclasses import dataclass
from pathlib import Path

from eth_account.signers.local import LocalAccount

from anchor.errors import Malformed
from anchor.ledgers.evm.deploy import Deployed, deploy, fund
from anchor.ledgers.evm.fees import GWEI
from anchor.ledgers.evm.keystore import new_keystore, open_keystore
from anchor.ledgers.evm.node import Node
from factoryledger.chain import passphrase
from factoryledger.errors import WrongUsage
from factoryledger.files import locked, write_whole
from factoryledger.ledger_file import EvmPins, pinned, read_ledgers

_OWNER_ALONE = 0o600
ETHER = 10**18


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: the ledger's name, its node, where keys lie, what to spend and write.

    `fund` is in ether, asked of the node itself, as development nodes allow. Settings of the
    written table (`every`, `confirmations`) are left to their defaults where None.
    """

    name: str
    url: str
    keys: Path
    keystore: Path | None = None
    passphrase_file: Path | None = None
    fund: float = 0.0
    max_fee_gwei: float = 100.0
    every: float | None = None
    confirmations: int | None = None


def set_up(wanted: Wanted, file: Path) -> tuple[EvmPins, Deployed | None]:
    """What the ledgers file now pins under that name, and the contract if it was deployed now.

    Missing where the node does not answer, is of another chain than the pinned one, has no
    such contract, or the account cannot pay.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with locked(file.with_name(f".{file.name}.lock")):
        known = pinned(read_ledgers(file), file).get(wanted.name)
        if known is None:
            return _made(wanted, file)
        if not isinstance(known, EvmPins):
            raise WrongUsage(f"{file}: [{wanted.name}] is of kind {known.kind}; choose a --name")
        asyncio.run(_check(wanted.url, known))
        return known, None


def _made(wanted: Wanted, file: Path) -> tuple[EvmPins, Deployed]:
    keystore, secret = _places(wanted)
    account = _account(keystore, secret)
    made = asyncio.run(_deploy(wanted, account))
    table = _table(wanted, made, account, (keystore, secret), file)
    before = file.read_text("utf-8") if file.exists() else ""
    gap = "\n" if before else ""
    write_whole(file, f"{before}{gap}{table}".encode())
    pins = pinned(read_ledgers(file), file)[wanted.name]
    if not isinstance(pins, EvmPins):
        raise WrongUsage(f"{file}: [{wanted.name}] is of another kind")
    return pins, made


def _places(wanted: Wanted) -> tuple[Path, Path]:
    keystore = wanted.keystore or wanted.keys / f"{wanted.name}.keystore"
    return keystore, wanted.passphrase_file or keystore.with_suffix(".passphrase")


def _account(keystore: Path, secret: Path) -> LocalAccount:
    """The account of a keystore; both files are made where they are not there."""
    keystore.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not secret.exists():
        if keystore.exists():
            raise WrongUsage(f"{secret}: the passphrase of {keystore} is not there")
        write_whole(secret, f"{secrets.token_urlsafe(32)}\n".encode(), _OWNER_ALONE)
    if not keystore.exists():
        account, sealed = new_keystore(passphrase(secret))
        write_whole(keystore, sealed, _OWNER_ALONE)
        return account
    try:
        return open_keystore(keystore, passphrase(secret))
    except Malformed as error:
        raise WrongUsage(str(error)) from error


async def _deploy(wanted: Wanted, account: LocalAccount) -> Deployed:
    node = Node(wanted.url)
    try:
        owner = bytes.fromhex(account.address.removeprefix("0x"))
        lacking = int(wanted.fund * ETHER) - await node.balance(owner)
        if lacking > 0:
            await fund(node, owner, lacking)
        return await deploy(node, account, most=int(wanted.max_fee_gwei * GWEI))
    finally:
        await node.aclose()


async def _check(url: str, known: EvmPins) -> None:
    node = Node(url)
    try:
        await node.check(known.chain_id, bytes.fromhex(known.contract.removeprefix("0x")))
    finally:
        await node.aclose()


def _table(
    wanted: Wanted, made: Deployed, account: LocalAccount, secrets_: tuple[Path, Path], file: Path
) -> str:
    keystore, secret = (_named(path, file) for path in secrets_)
    more = {"every": wanted.every, "confirmations": wanted.confirmations}
    lines = [
        f"[{wanted.name}]",
        'kind = "evm"',
        f"chain_id = {made.chain}",
        f'contract = "0x{made.contract.hex()}"',
        f'account = "{account.address.lower()}"',
        f"since = {made.since}",
        f'url = "{wanted.url}"',
        f'keystore = "{keystore}"',
        f'passphrase_file = "{secret}"',
        f"max_fee_gwei = {wanted.max_fee_gwei:g}",
        *(f"{name} = {value:g}" for name, value in more.items() if value is not None),
    ]
    return "".join(f"{line}\n" for line in lines)


def _named(path: Path, file: Path) -> str:
    """A path as the file names it: relative to it where it is beneath."""
    whole, folder = path.resolve(), file.parent.resolve()
    named = whole.relative_to(folder) if whole.is_relative_to(folder) else whole
    text = named.as_posix()
    if any(c in text for c in '"\\\n'):
        raise WrongUsage(f"{text!r}: a path with quotes cannot be written into {file}")
    return text
