"""`ledgers.toml`: outside ledgers by name, and what pins each of them (docs/ledgers.md).

Read strictly: what is not known is an error. It names files of secrets and holds none; paths
are relative to the file.
"""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from factoryledger.errors import WrongUsage
from telemetry.canonical import shown

LEDGER_FILE = "ledgers.toml"
_NAME = re.compile(r"[a-z0-9-]{1,32}")
_HEX = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{40}$")]
_HASH = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{64}$")]
_OID = Annotated[str, StringConstraints(pattern=r"^[0-2](\.(0|[1-9][0-9]*))+$")]


def _no_password(url: str) -> str:
    if not re.match(r"https?://[^/]", url) or not _is_address(url):
        raise ValueError("a URL is due, http:// or https://, host, perhaps a port")
    if "@" in url.split("/", 3)[2]:
        raise ValueError("a password in a URL gets into logs")
    return url


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return bool(parts.hostname) and port != 0 and url.isprintable() and " " not in url


_Url = Annotated[str, AfterValidator(_no_password)]


class _Pinned(BaseModel):
    """What every ledger has: seconds between the checkpoints it is given, and for one call."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    every: float = Field(default=600.0, ge=0, le=1e9)
    timeout: float = Field(default=60.0, gt=0, le=3600)


class TsaPins(_Pinned):
    """A time-stamp authority (RFC 3161): where it is, its roots, the policy of its stamps."""

    kind: Literal["tsa"] = "tsa"
    url: _Url | None = None
    roots: tuple[Path, ...] = Field(min_length=1)
    policy: _OID | None = None


class EvmPins(_Pinned):
    """An EVM chain. For who verifies: chain, contract, the account that anchors, known blocks.

    For who anchors too: its node (`url_file` where the address holds a key), the height that
    the contract is there from, the account's keystore and its passphrase, how many blocks are
    final, the most that is paid per gas, after how many blocks more is offered.
    """

    kind: Literal["evm"] = "evm"
    chain_id: int = Field(ge=1)
    contract: _HEX
    account: _HEX
    blocks: tuple[_HASH, ...] = ()
    url: _Url | None = None
    url_file: Path | None = None
    since: int = Field(default=0, ge=0)
    keystore: Path | None = None
    passphrase_file: Path | None = None
    confirmations: int = Field(default=12, ge=1, le=10_000)
    max_fee_gwei: float = Field(default=100.0, gt=0, le=1e9)
    patience: int = Field(default=10, ge=1, le=100_000)


class OtsPins(_Pinned):
    """OpenTimestamps: calendars to give to; where block headers of Bitcoin come from.

    `headers` is a file of pinned headers, `esplora` or `node` who is asked for others; `work`
    is the least work of a header, as the logarithm to base 2 of its hashes.
    """

    kind: Literal["ots"] = "ots"
    calendars: tuple[_Url, ...] = ()
    headers: Path | None = None
    esplora: _Url | None = None
    node: _Url | None = None
    work: int = Field(default=74, ge=1, le=255)
    every: float = Field(default=3600.0, ge=0, le=1e9)


Pins = TsaPins | EvmPins | OtsPins
_ADAPTER: TypeAdapter[Pins] = TypeAdapter(Annotated[Pins, Field(discriminator="kind")])
_KINDS = ("tsa", "evm", "ots")


def read_ledgers(file: Path, *, demanded: bool = False) -> dict[str, Any]:
    """The tables of a ledger file by name, unchecked; none where it is not there.

    WrongUsage where it is no TOML, holds something else than tables, or is `demanded`.
    """
    try:
        read = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError as error:
        if demanded:
            raise WrongUsage(f"{file}: no file of ledgers there; name one by --ledgers") from error
        return {}
    except ValueError as error:
        raise WrongUsage(f"{file}: {error}") from error
    except RecursionError as error:
        raise WrongUsage(f"{file}: its values nest too deep") from error
    for name, table in read.items():
        if not isinstance(table, dict):
            raise WrongUsage(f"{file}: {name} stands in no table: write it under a [NAME]")
    return read


def pinned(read: dict[str, Any], file: Path) -> dict[str, Pins]:
    """Check the tables of a ledger file; WrongUsage says which member of which is wrong."""
    return {name: _pins(name, table, file) for name, table in read.items()}


def with_flags(read: dict[str, Any], given: tuple[str, ...], file: Path) -> dict[str, Any]:
    """Tables with what `--ledger NAME=URL` says on top.

    A name that has no table is a kind, pinned by what lies beside the file: an authority's
    root in `NAME.pem`.
    """
    tables = {name: dict(table) for name, table in read.items()}
    for text in given:
        name, equals, url = text.partition("=")
        if not equals:
            raise WrongUsage(f"--ledger {text!r}: write NAME=URL, as in tsa=https://…")
        if name not in tables:
            tables[name] = _default(name, file)
        table = tables[name]
        if table.get("kind", name) == "ots":
            table["calendars"] = [url]
        else:
            table["url"] = url
    return tables


def _default(name: str, file: Path) -> dict[str, Any]:
    if name not in _KINDS:
        known = ", ".join(_KINDS)
        raise WrongUsage(f"--ledger {name}=…: {file} has no [{name}], and the kinds are {known}")
    if name == "tsa":
        root = file.parent / "tsa.pem"
        if not root.exists():
            raise WrongUsage(
                f"--ledger tsa=…: put the authority's root certificate into {root}, or write "
                f"[tsa] with roots into {file}: no stamp is believed without it"
            )
        return {"roots": ["tsa.pem"]}
    return {}


def _pins(name: str, table: dict[str, Any], file: Path) -> Pins:
    if not _NAME.fullmatch(name):
        raise WrongUsage(f"{file}: [{name}]: a name is of a-z, 0-9 and -, at most 32")
    kind = table.get("kind", name)
    if kind not in _KINDS:
        raise WrongUsage(f"{file}: [{name}] says no kind: {', '.join(_KINDS)}")
    try:
        found = _ADAPTER.validate_python({**table, "kind": kind})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        member = ".".join(map(str, first["loc"][1:])) or kind
        raise WrongUsage(f"{file}: [{name}] {member}: {_said(first)}") from error
    return _placed(found, file)


def _said(complaint: Any) -> str:
    if complaint["type"] == "extra_forbidden":
        return "there is no such setting"
    if complaint["type"] == "missing":
        return "is missing"
    if complaint["type"] == "value_error":
        # What was given may hold a secret.
        return str(complaint["ctx"]["error"])
    message: str = complaint["msg"]
    if complaint["type"] == "string_pattern_mismatch":
        # A private key, where the account's address is due.
        return message.lower()
    return f"{message.lower()}, not {shown(complaint['input'])}"


def _placed(found: Pins, file: Path) -> Pins:
    """Let paths be relative to the file."""
    if isinstance(found, TsaPins):
        return found.model_copy(update={"roots": tuple(file.parent / p for p in found.roots)})
    if isinstance(found, EvmPins):
        names = ("keystore", "passphrase_file", "url_file")
        placed = {
            name: file.parent / path for name in names if (path := getattr(found, name)) is not None
        }
        return found.model_copy(update=placed)
    if found.headers is not None:
        return found.model_copy(update={"headers": file.parent / found.headers})
    return found
