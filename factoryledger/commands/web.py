"""`factoryledger web`: the factory in a browser, and the log for any C2SP client."""

from contextlib import ExitStack
from typing import Annotated

import typer

from factoryledger import options


def web(  # noqa: PLR0913 - a command's options
    *,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            metavar="HOST",
            help="Where to listen. Beyond this machine only "
            "with a password: FACTORYLEDGER_WEB_PASSWORD_FILE.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="And at which port.")
    ] = 8080,
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="A name that browsers ask for it by, beyond the host's; repeatable.",
            show_default=False,
        ),
    ] = None,
    broker: options.Broker = None,
    prefix: options.Prefix = None,
    data: options.Data = None,
    database: options.Databases = None,
    log: options.Log = None,
    policy: options.PolicyFile = None,
    ledgers: options.Ledgers = None,
    metrics: options.Metrics = None,
) -> None:
    """Show the factory in a browser: live, its history, its log; download proofs.

    It reads only, and goes on without the broker or the store. On other than loopback it
    needs a password.
    """
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.running import run_until_stopped  # noqa: PLC0415 - on demand
    from factoryledger.web.serving import run_web  # noqa: PLC0415 - on demand

    with ExitStack() as stack:
        places = [
            stack.enter_context(
                installation(
                    broker=broker,
                    prefix=prefix,
                    data=data,
                    database=database,
                    log=log,
                    policy=policy,
                    ledgers=ledgers,
                    metrics=metrics,
                )
            )
            for _ in range(3)
        ]
        run_until_stopped(
            lambda stop: run_web(places, host, port, names or [], stop),
            log_format=places[0].settings.log_format,
        )
