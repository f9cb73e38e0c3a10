"""Where receipts come from, and what at hand shows whether their promises were kept."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from factoryledger.errors import WrongUsage
from factoryledger.files import PROOF_MOST, read_whole
from factoryledger.installation import Installation

if TYPE_CHECKING:
    from anchor.proving.promise_evidence import PromiseVerifier
    from anchor.proving.prove import ProvingLog

_RECORDING = b'{"factoryledger":"recording"'


def receipts_in(file: Path) -> list[tuple[str, bytes]]:
    """Give a file's receipts, each with a name: the file is one, or a recording of some.

    WrongUsage for a recording without any.
    """
    content = read_whole(file, PROOF_MOST)
    if not content.startswith(_RECORDING):
        # mosquitto_sub ends what it prints with a newline, which belongs to no receipt.
        return [(str(file), content.removesuffix(b"\n"))]
    from telemetry.recording import read  # noqa: PLC0415 - on demand

    with file.open("rb") as data:
        found = [
            (f"{file}:{number}", line.payload)
            for number, line in read(data, str(file))
            if _is_receipt(line.topic)
        ]
    if not found:
        raise WrongUsage(f"{file}: a recording without a receipt in it")
    return found


def _is_receipt(topic: str) -> bool:
    return topic.endswith("/receipt") or "ledger/receipt/" in topic


def verifier_for(
    place: Installation, log: str | None, proofs: Iterable[bytes]
) -> "PromiseVerifier":
    """Gather what is there: the log named, else that of the data folder; the store if there is one.

    Refused for a proof that does not hold.
    """
    from anchor.proving.promise_evidence import PromiseVerifier  # noqa: PLC0415 - on demand
    from collector.errors import StoreUnavailable  # noqa: PLC0415 - on demand

    ledger = None
    if place.settings.database is not None:
        ledger = place.ledger
    else:
        with suppress(StoreUnavailable):
            ledger = place.ledger
    return PromiseVerifier(
        place.policy,
        log=_log(place, log),
        ledger=ledger,
        proofs=PromiseVerifier.verified_proofs(proofs, place.policy),
    )


def _log(place: Installation, log: str | None) -> "ProvingLog | None":
    from anchor.proving.prove import ProvingLog  # noqa: PLC0415 - on demand
    from anchor.reading.http_source import open_source  # noqa: PLC0415 - on demand
    from anchor.reading.log_reader import LogReader  # noqa: PLC0415 - on demand

    if log is None and not place.has_log:
        return None
    source = open_source(log if log is not None else str(place.log))
    return ProvingLog.scan(
        LogReader(source, place.policy.log, former=place.policy.former), place.policy
    )
