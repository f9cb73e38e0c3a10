"""Outside ledgers as the settings name them: for the anchor that gives, for who verifies.

Each needs its extra; one that is not installed is an error only where it is used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anchor.ledgers.ledger import Ledger, Stamp, Voucher
from factoryledger.asking import asking
from factoryledger.errors import NotThere, WrongUsage
from factoryledger.installation import Installation
from factoryledger.ledger_file import (
    EvmPins,
    OtsPins,
    Pins,
    TsaPins,
    pinned,
    read_ledgers,
    with_flags,
)
from telemetry.backoff import Backoff

if TYPE_CHECKING:
    from anchor.audit.receipts import Seen
    from anchor.keeping.rounds import Outside

_EXTRA_OF = {
    "rfc3161_client": "tsa",
    **dict.fromkeys(("web3", "aiohttp", "eth_account", "eth_hash", "eth_typing", "rlp"), "evm"),
    **dict.fromkeys(("trie", "hexbytes"), "evm"),
}


def outside_ledgers(place: Installation) -> "list[Outside]":
    """What the anchor gives its checkpoints to: those of the file, and those of `--ledger`.

    WrongUsage for a ledger that lacks what giving takes; NotThere where its extra is missing.
    """
    from anchor.keeping.rounds import Outside  # noqa: PLC0415 - the writing side, on demand

    file = place.ledgers_file
    read = read_ledgers(file, demanded=place.settings.ledgers is not None)
    found = []
    for name, pins in pinned(with_flags(read, place.settings.ledger, file), file).items():
        voucher = _voucher(name, pins)
        ledger = _demanded(name, partial(_LEDGERS[pins.kind], name, pins, voucher, place))
        found.append(
            Outside(ledger, voucher, pins.every, pins.timeout, look=Backoff(1.0, _LOOKS[pins.kind]))
        )
    return found


def vouchers(place: Installation, *, ask: bool = False) -> dict[str, Voucher]:
    """What a verifier pins, by name: the file's alone, never what lies beside a proof.

    One whose extra is missing is there, and says so when it is asked. With `ask` those that
    the file names a server for ask it what a receipt lacks.
    """
    file = place.ledgers_file
    read = read_ledgers(file, demanded=place.settings.ledgers is not None)
    if "tsa" not in read and (file.parent / "tsa.pem").exists():
        read["tsa"] = {"roots": ["tsa.pem"]}
    found = dict[str, Voucher]()
    for name, pins in pinned(read, file).items():
        voucher = _voucher_or_why(name, pins)
        found[name] = asking(voucher, pins) if ask else voucher
    return found


def heads_held(place: Installation) -> "list[Seen]":
    """What the pinned ledgers that keep heads themselves hold of this log: they are asked.

    NotThere where one gives no answer.
    """
    file = place.ledgers_file
    read = read_ledgers(file, demanded=place.settings.ledgers is not None)
    found = list["Seen"]()
    for name, pins in pinned(read, file).items():
        if isinstance(pins, EvmPins) and (pins.url or pins.url_file):
            heads = _demanded(name, lambda: import_module("factoryledger.chain").contract_heads)
            found += heads(name, pins, place.policy.log.name)
    return found


@dataclass(frozen=True, slots=True)
class _Uninstalled:
    """A voucher that cannot be had here."""

    name: str
    kind: str
    why: str

    def check(self, note: bytes, receipt: bytes) -> Stamp:  # noqa: ARG002 - a Voucher's
        raise NotThere(self.why)


_ENDINGS = {"tsa": "tsr", "evm": "evm", "ots": "ots"}


def _voucher_or_why(name: str, pins: Pins) -> Voucher:
    try:
        return _voucher(name, pins)
    except NotThere as error:
        return _Uninstalled(name, _ENDINGS[pins.kind], str(error))


def _voucher(name: str, pins: Pins) -> Voucher:
    voucher: Voucher = _demanded(name, partial(_VOUCHERS[pins.kind], name, pins))
    return voucher


def _demanded(name: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        extra = _EXTRA_OF.get(module)
        if extra is None:
            raise NotThere(f"ledger {name}: module {error.name} is not there") from error
        raise NotThere(
            f"ledger {name}: {module} is not installed; install factoryledger[{extra}]"
        ) from error


def _tsa_voucher(name: str, pins: TsaPins) -> Voucher:
    tsa = import_module("anchor.ledgers.tsa.voucher")
    x509 = import_module("cryptography.x509")
    try:
        policy = None if pins.policy is None else x509.ObjectIdentifier(pins.policy)
    except ValueError as error:
        raise WrongUsage(f"ledger {name}: policy: {pins.policy} is no object id") from error
    roots = [one for path in pins.roots for one in _certificates(name, path)]
    voucher: Voucher = tsa.TsaVoucher(name, tuple(roots), policy)
    return voucher


def _certificates(name: str, path: Path) -> list[Any]:
    x509 = import_module("cryptography.x509")
    try:
        found: list[Any] = x509.load_pem_x509_certificates(path.read_bytes())
    except FileNotFoundError as error:
        raise WrongUsage(f"ledger {name}: {path}: no root certificate there") from error
    except ValueError as error:
        raise WrongUsage(f"ledger {name}: {path}: no certificates in PEM there") from error
    return found


def _tsa_ledger(name: str, pins: TsaPins, voucher: Any, place: Installation) -> Ledger:  # noqa: ARG001
    client, httpx = import_module("anchor.ledgers.tsa.client"), import_module("httpx")
    if pins.url is None:
        raise WrongUsage(f"ledger {name}: no url; give --ledger {name}=URL, or write it down")
    ledger: Ledger = client.TsaLedger(pins.url, voucher, httpx.AsyncClient(timeout=pins.timeout))
    return ledger


def _evm_voucher(name: str, pins: EvmPins) -> Voucher:
    voucher: Voucher = import_module("factoryledger.chain").evm_voucher(name, pins)
    return voucher


def _evm_ledger(name: str, pins: EvmPins, voucher: Any, place: Installation) -> Ledger:  # noqa: ARG001
    chain = import_module("factoryledger.chain")
    ledger: Ledger = chain.evm_ledger(voucher, pins, place.settings.key_passphrase_file)
    return ledger


def _ots_voucher(name: str, pins: OtsPins) -> Voucher:
    voucher: Voucher = import_module("factoryledger.bitcoin").ots_voucher(name, pins)
    return voucher


def _ots_ledger(name: str, pins: OtsPins, voucher: Any, place: Installation) -> Ledger:  # noqa: ARG001
    ledger: Ledger = import_module("factoryledger.bitcoin").ots_ledger(name, pins, voucher)
    return ledger


# Seconds between two questions for one receipt: an authority gives it at once, a chain in
# minutes, Bitcoin in hours, and calendars are run by volunteers.
_LOOKS = {"tsa": 60.0, "evm": 60.0, "ots": 1800.0}
_VOUCHERS: dict[str, Callable[..., Voucher]] = {
    "tsa": _tsa_voucher,
    "evm": _evm_voucher,
    "ots": _ots_voucher,
}
_LEDGERS: dict[str, Callable[..., Ledger]] = {
    "tsa": _tsa_ledger,
    "evm": _evm_ledger,
    "ots": _ots_ledger,
}
