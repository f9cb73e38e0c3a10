"""`factoryledger demo`: the whole line on one machine, and its proof."""

from typing import Annotated

import typer

from factoryledger import options


def demo(
    *,
    duration: Annotated[
        float | None,
        typer.Option(
            "--duration",
            metavar="S",
            min=1.0,
            help="End after so many seconds. [default: Ctrl-C; 60 where nobody looks on]",
            show_default=False,
        ),
    ] = None,
    machines: Annotated[
        int | None,
        typer.Option(
            "--machines", metavar="N", help="How many machines. [default: 20]", show_default=False
        ),
    ] = None,
    data: options.Data = None,
    seed: options.Seed = None,
) -> None:
    """Run broker, factory, collector, anchor, witness and page; audit, prove and verify.

    Exit code 0 only if nothing was lost, doubled or changed and the proof holds. Run again
    on the same data, it goes on with the same log.
    """
    from factoryledger.demo.run import run_demo  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand

    with installation(machines=machines, data=data, seed=seed) as place:
        held = run_demo(place, duration)
    if not held:
        raise typer.Exit(1)
