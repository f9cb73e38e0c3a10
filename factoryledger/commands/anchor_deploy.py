"""`factoryledger anchor deploy`: the contract on an EVM chain, and what pins it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from factoryledger import options


def deploy(  # noqa: PLR0913 - a command's options
    *,
    node: Annotated[
        str | None,
        typer.Option(
            "--node", metavar="URL", help="A node of the chain (JSON-RPC).", show_default=False
        ),
    ] = None,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="The ledger's name in the file.")
    ] = "evm",
    data: options.Data = None,
    ledgers: options.Ledgers = None,
    keystore: Annotated[
        Path | None,
        typer.Option(
            "--keystore",
            metavar="FILE",
            help="The paying account's keystore; made where it is not there. "
            "[default: keys/NAME.keystore in the data folder]",
            show_default=False,
        ),
    ] = None,
    passphrase_file: Annotated[
        Path | None,
        typer.Option(
            "--passphrase-file",
            metavar="FILE",
            help="Its passphrase, on the first line; made with a new keystore. "
            "[default: beside the keystore]",
            show_default=False,
        ),
    ] = None,
    fund: Annotated[
        float,
        typer.Option(
            "--fund",
            metavar="ETHER",
            min=0.0,
            help="Have a development node give the account so much.",
        ),
    ] = 0.0,
    max_fee: Annotated[
        float,
        typer.Option("--max-fee", metavar="GWEI", min=0.001, help="The most paid per gas."),
    ] = 100.0,
    every: Annotated[
        float | None,
        typer.Option(
            "--every",
            metavar="S",
            min=0.0,
            help="Written down: seconds between checkpoints. [default: 600]",
            show_default=False,
        ),
    ] = None,
    confirmations: Annotated[
        int | None,
        typer.Option(
            "--confirmations",
            metavar="N",
            min=1,
            help="Written down: how many blocks are final. [default: 12]",
            show_default=False,
        ),
    ] = None,
    json_: options.Json = False,
) -> None:
    """Put the contract on an EVM chain, with an account to pay, and pin both for the anchor.

    Done once: where the ledgers file names the contract already, it is only checked.
    """
    from factoryledger.errors import NotThere, WrongUsage  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand

    try:
        from factoryledger.deploying import Wanted, set_up  # noqa: PLC0415 - on demand
    except ModuleNotFoundError as error:
        raise NotThere(f"{error.name} is not installed; install factoryledger[evm]") from error
    if node is None:
        raise WrongUsage("--node: name a node of the chain, as in http://127.0.0.1:8545")
    with installation(data=data, ledgers=ledgers) as place:
        file = place.ledgers_file
        wanted = Wanted(
            name=name,
            url=node,
            keys=place.data.path / "keys",
            keystore=keystore,
            passphrase_file=passphrase_file or place.settings.key_passphrase_file,
            fund=fund,
            max_fee_gwei=max_fee,
            every=every,
            confirmations=confirmations,
        )
        pins, made = set_up(wanted, file)
    if json_:
        about = {"chain_id": pins.chain_id, "contract": pins.contract, "account": pins.account}
        typer.echo(json.dumps({**about, "gas": None if made is None else made.gas}))
        return
    place_ = f"contract {pins.contract} on chain {pins.chain_id}"
    if made is None:
        typer.echo(f"[{name}] in {file} pins {place_}, and it is there")
    else:
        typer.echo(f"deployed {place_} with {made.gas} gas; pinned as [{name}] in {file}")
