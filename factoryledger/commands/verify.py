"""`factoryledger verify`: proofs, evidence and receipts against a policy, offline."""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from factoryledger import options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from anchor.ledgers.ledger import Voucher
    from anchor.policy import Policy
    from anchor.range_verified import VerifiedRange
    from anchor.verified import Verified
    from factoryledger.installation import Installation


class Pinned(NamedTuple):
    """What is trusted: the policy, and outside ledgers by name."""

    policy: "Policy"
    vouchers: "Mapping[str, Voucher]"


def verify(  # noqa: PLR0913 - a command's options
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]…", help="Proof files, evidence files, packages."),
    ] = None,
    *,
    receipt: Annotated[
        Path | None,
        typer.Option(
            "--receipt",
            metavar="FILE",
            help="A receipt, or a recording with receipts; then the proofs, the log and the "
            "store are what shows whether its promise was kept.",
            show_default=False,
        ),
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(
            "--log",
            metavar="DIR|URL",
            help="The anchor log, for receipts. [default: log in the data folder]",
            show_default=False,
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            "--page",
            metavar="FILE",
            help="Write the page that checks a proof in a browser, offline: one HTML file.",
            show_default=False,
        ),
    ] = None,
    policy: options.PolicyFile = None,
    ledgers: options.Ledgers = None,
    ask: Annotated[
        bool,
        typer.Option(
            "--ask",
            help="Ask the nodes and servers that --ledgers names for blocks that receipts lack.",
        ),
    ] = False,
    data: options.Data = None,
    database: options.Databases = None,
    json_: options.Json = False,
) -> None:
    """Verify proof files: what each proves, and what it does not, in plain sentences.

    Trust comes from the policy, and for receipts of outside ledgers from --ledgers; never from
    beside the proof. Nobody is asked for anything without --ask. Exit code 1 if any of
    them does not hold, 2 if a file or the policy cannot be read. A file of evidence, that one
    key signed two things that contradict each other, is told by what is in it: 0 where it
    holds. A folder or a zip is a package of `export --evidence`: all of it is checked, and the
    first file and line that is not what it has to be is named. With --receipt: what the
    collector promised, and whether it kept it; 1 for a broken promise, 3 where what is at
    hand does not tell. --page FILE writes a page that checks proofs of one message in a browser
    that has no network, by the same rules, and needs nothing else.
    """
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand

    if page is not None:
        _write_page(page)
        if not files and receipt is None:
            return
    if receipt is not None:
        _judge_receipts(receipt, files or [], log, json_, data, database, policy)
        return
    if not files:
        raise WrongUsage("nothing to verify: give files, or --receipt FILE")
    from dossier.container import is_package  # noqa: PLC0415 - on demand
    from factoryledger.files import PROOF_MOST, read_whole  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.outside import vouchers  # noqa: PLC0415 - on demand

    place = installation(data=data, policy=policy, ledgers=ledgers)
    pinned = Pinned(place.policy, vouchers(place, ask=ask))
    packages = [file for file in files if is_package(file)]
    read = [(file, read_whole(file, PROOF_MOST)) for file in files if file not in packages]
    # All of them, each with its word: not only up to the first that does not hold.
    outcomes = [_verify_file(file, data_, pinned, json_) for file, data_ in read]
    outcomes += [_verify_package(place, file, ask, json_) for file in packages]
    if not all(outcomes):
        raise typer.Exit(1)


def _write_page(file: Path) -> None:
    from factoryledger.files import write_whole  # noqa: PLC0415 - on demand
    from factoryledger.running import say  # noqa: PLC0415 - on demand
    from watch.verifier import page  # noqa: PLC0415 - on demand

    write_whole(file, page())
    say(f"{file}: the page that checks a proof; open it in a browser")


def _named(file: Path) -> str:
    """A file's name, which came with what is in it, as a line that no terminal obeys."""
    from telemetry.canonical import plain  # noqa: PLC0415 - on demand

    return plain(str(file))


def _verify_file(file: Path, data: bytes, pinned: Pinned, json_: bool) -> bool:
    from anchor.evidence_file import is_evidence  # noqa: PLC0415 - on demand
    from anchor.range_file import is_range_file  # noqa: PLC0415 - on demand

    kinds = ((is_evidence, _verify_evidence), (is_range_file, _verify_range))
    check = next((check for is_one, check in kinds if is_one(data)), _verify_proof)
    return check(file, data, pinned, json_)


def _verify_package(place: "Installation", path: Path, ask: bool, json_: bool) -> bool:
    from dossier.errors import Untrue  # noqa: PLC0415 - on demand
    from factoryledger.evidence_package import sentences, totals, verify_package  # noqa: PLC0415 - on demand
    from factoryledger.running import say  # noqa: PLC0415 - on demand

    try:
        sound = verify_package(place, path, ask=ask)
    except Untrue as error:
        if json_:
            typer.echo(json.dumps({"file": str(path), "verified": False, "reason": str(error)}))
        else:
            say(f"{_named(path)}: not whole: {error}")
        return False
    if json_:
        said = {"file": str(path), "verified": True, "number": sound.manifest.number}
        lines = {"lines": sentences(sound), "not_compared": list(sound.remarks)}
        typer.echo(json.dumps({**said, **totals(sound.figures), **lines}))
    else:
        typer.echo(f"{_named(path)}: whole")
        typer.echo("\n".join(f"  {line}" for line in sentences(sound)))
    return True


def _verify_range(file: Path, data: bytes, pinned: Pinned, json_: bool) -> bool:
    from anchor.proving.range_verify import verify_range  # noqa: PLC0415 - on demand

    return _say_verified(file, lambda: verify_range(data, *pinned), json_=json_)


def _verify_evidence(file: Path, data: bytes, pinned: Pinned, json_: bool) -> bool:
    from anchor.errors import Refused  # noqa: PLC0415 - on demand
    from anchor.proving.evidence import check_evidence  # noqa: PLC0415 - on demand
    from factoryledger.running import say  # noqa: PLC0415 - on demand

    try:
        convicted = check_evidence(data, pinned.policy)
    except Refused as error:
        if json_:
            typer.echo(json.dumps({"file": str(file), "holds": False, "reason": str(error)}))
        else:
            say(f"{_named(file)}: the evidence does not hold: {error}")
        return False
    if json_:
        typer.echo(json.dumps({"file": str(file), **convicted.to_json()}))
    else:
        typer.echo(f"{_named(file)}: the evidence holds")
        typer.echo("\n".join(f"  {line}" for line in convicted.lines()))
    return True


def _verify_proof(file: Path, proof: bytes, pinned: Pinned, json_: bool) -> bool:
    from anchor.proving.verify import verify as check  # noqa: PLC0415 - on demand

    return _say_verified(file, lambda: check(proof, *pinned), json_=json_)


def _say_verified(
    file: Path, check: "Callable[[], Verified | VerifiedRange]", *, json_: bool
) -> bool:
    from anchor.errors import Refused  # noqa: PLC0415 - on demand
    from factoryledger.running import say  # noqa: PLC0415 - on demand

    try:
        verified = check()
    except Refused as error:
        if json_:
            typer.echo(json.dumps({"file": str(file), "verified": False, "reason": str(error)}))
        else:
            say(f"{_named(file)}: not valid: {error}")
        return False
    if json_:
        typer.echo(json.dumps({"file": str(file), **verified.to_json()}))
    else:
        typer.echo(f"{_named(file)}: valid")
        typer.echo("\n".join(f"  {line}" for line in verified.lines()))
    return True


def _judge_receipts(  # noqa: PLR0913, PLR0917 - the command's options, handed on
    file: Path,
    proofs: Sequence[Path],
    log: str | None,
    json_: bool,
    data: Path | None,
    database: list[str] | None,
    policy: Path | None,
) -> None:
    """Judge each receipt of the file; the worst decides the exit code."""
    from anchor.errors import Malformed, Refused  # noqa: PLC0415 - on demand
    from factoryledger.files import PROOF_MOST, read_whole  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.promises import receipts_in, verifier_for  # noqa: PLC0415 - on demand

    found = receipts_in(file)
    now = time.time_ns() // 1000
    states = set[str]()
    with installation(data=data, database=database, policy=policy) as place:
        verifier = verifier_for(place, log, [read_whole(proof, PROOF_MOST) for proof in proofs])
        for name, payload in found:
            try:
                verdict = verifier.judge(payload, now=now)
            except (Malformed, Refused) as error:
                states.add("invalid")
                _show(name, {"state": "invalid", "reason": str(error)}, [], json_=json_)
                continue
            states.add(verdict.state.value)
            _show(name, verdict.to_json(), verdict.lines(), json_=json_)
    if states & {"invalid", "broken"}:
        raise typer.Exit(1)
    if "undecided" in states:
        raise typer.Exit(3)


def _show(name: str, values: dict[str, object], lines: Sequence[str], *, json_: bool) -> None:
    if json_:
        typer.echo(json.dumps({"file": name, **values}))
        return
    for line in _sentences(name, values, lines):
        typer.echo(line)


def _sentences(name: str, values: dict[str, object], lines: Sequence[str]) -> Iterator[str]:
    if not lines:
        yield f"{name}: not valid: {values['reason']}"
        return
    yield f"{name}: a receipt"
    yield from (f"  {line}" for line in lines)
