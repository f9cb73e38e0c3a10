"""`factoryledger verify`: proof files against a policy, offline."""

import json
from pathlib import Path
from typing import Annotated

import typer

from factoryledger import options


def verify(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Proof files.")],
    *,
    policy: options.PolicyFile = None,
    data: options.Data = None,
    json_: options.Json = False,
) -> None:
    """Verify proof files: what each proves, and what it does not, in plain sentences.

    Trust comes from the policy alone, never from beside the proof. Exit code 1 if any of
    them does not hold, 2 if a file or the policy cannot be read.
    """
    from anchor.errors import Refused  # noqa: PLC0415 - on demand
    from anchor.verify import verify as check  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.running import say  # noqa: PLC0415 - on demand

    pinned = installation(data=data, policy=policy).policy
    proofs = [(file, file.read_bytes()) for file in files]
    all_hold = True
    for file, proof in proofs:
        try:
            verified = check(proof, pinned)
        except Refused as error:
            all_hold = False
            if json_:
                typer.echo(json.dumps({"file": str(file), "verified": False, "reason": str(error)}))
            else:
                say(f"{file}: not valid: {error}")
            continue
        if json_:
            typer.echo(json.dumps({"file": str(file), **verified.to_json()}))
        else:
            typer.echo(f"{file}: valid")
            typer.echo("\n".join(f"  {line}" for line in verified.lines()))
    if not all_hold:
        raise typer.Exit(1)
