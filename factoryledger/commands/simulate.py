"""`factoryledger simulate`: a factory of machines that sign what they send and keep it."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factoryledger import options

if TYPE_CHECKING:
    from factoryledger.installation import Installation
    from simulator.fleet import Tally
    from simulator.machine import Machine
    from simulator.outbox import Outbox


def simulate(  # noqa: PLR0913 - a command's options
    *,
    broker: options.Broker = None,
    prefix: options.Prefix = None,
    data: options.Data = None,
    policy: options.PolicyFile = None,
    machines: Annotated[
        int | None,
        typer.Option(
            "--machines", metavar="N", help="How many machines. [default: 20]", show_default=False
        ),
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Option(
            "--scenario",
            metavar="NAME|FILE",
            help="Which machines do what, instead of --machines: a shipped scenario by its "
            "name, or a YAML file.",
            show_default=False,
        ),
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(
            "--check",
            metavar="NAME|FILE",
            help="Only check this scenario and say what it describes.",
            show_default=False,
        ),
    ] = None,
    interval: Annotated[
        float | None,
        typer.Option(
            "--interval",
            metavar="S",
            help="Between a machine's scans. [default: 1]",
            show_default=False,
        ),
    ] = None,
    seed: options.Seed = None,
    duration: options.Duration = None,
    drain: Annotated[
        float | None,
        typer.Option(
            "--drain",
            metavar="S",
            help="Wait for receipts at the end. [default: 30]",
            show_default=False,
        ),
    ] = None,
    outbox: Annotated[
        Path | None,
        typer.Option(
            "--outbox",
            metavar="DIR",
            help="Folder of the outboxes. [default: outbox in the data folder]",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Write a recording instead, on a simulated clock, with test keys from the "
            "seed; no broker.",
            show_default=False,
        ),
    ] = None,
    json_: options.Json = False,
) -> None:
    """Run a factory; each message stays in its machine's outbox until it is receipted.

    Exit code 3 if messages are still held when the drain is over; the next run sends them.
    """
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand

    if check is not None:
        _check(check, json_=json_)
        return
    place = installation(
        broker=broker,
        prefix=prefix,
        data=data,
        policy=policy,
        machines=machines,
        interval=interval,
        seed=seed,
        drain=drain,
    )
    plant = _plant(place, scenario)
    if out is not None:
        if duration is None:
            raise WrongUsage("--out needs --duration: how many simulated seconds")
        _report(_write(place, plant, duration, out), json_=json_)
        return
    tally = _run(place, plant, outbox or place.data.outboxes, duration)
    _report(tally, json_=json_)
    if tally.held:
        raise typer.Exit(3)


def _check(name: str, *, json_: bool) -> None:
    """Read a scenario and say what is in it; BadScenario says what is wrong."""
    from simulator.scenario_file import load_scenario  # noqa: PLC0415 - on demand

    scenario = load_scenario(name)
    counts = {
        "machines": scenario.size,
        "lines": sum(line.count for line in scenario.lines),
        "shifts": len(scenario.shifts),
        "faults": len(scenario.faults),
    }
    if json_:
        typer.echo(json.dumps({"scenario": name, **counts}))
    else:
        said = ", ".join(f"{count} {what}" for what, count in counts.items())
        typer.echo(f"{name} is good: {said}")


def _plant(place: "Installation", scenario: str | None) -> "list[Machine]":
    from simulator.plant import build_plant  # noqa: PLC0415 - on demand
    from simulator.scenario_file import load_scenario  # noqa: PLC0415 - on demand
    from simulator.scenario_plant import plant_of  # noqa: PLC0415 - on demand

    if scenario is not None:
        return plant_of(load_scenario(scenario), place.settings.seed)
    return build_plant(place.settings.machines, place.settings.seed)


def _write(
    place: "Installation", plant: "Sequence[Machine]", duration: float, out: Path
) -> "Tally":
    from simulator.offline import write_recording  # noqa: PLC0415 - on demand

    return write_recording(
        machines=plant,
        seed=place.settings.seed,
        duration=duration,
        interval=place.settings.interval,
        out=out,
    )


def _run(
    place: "Installation", plant: "Sequence[Machine]", folder: Path, duration: float | None
) -> "Tally":
    """Enrol the machines, then run them; nothing is published before that is durable."""
    from factoryledger.running import ready, run_until_stopped  # noqa: PLC0415 - on demand

    place.data.create()
    with _outboxes(place, plant, folder) as outboxes:

        async def run(stop: asyncio.Event) -> "Tally":
            from anchor.policy import CheckpointVerifier  # noqa: PLC0415 - on demand
            from anchor.receipts import ReceiptVerifier  # noqa: PLC0415 - on demand
            from simulator.fleet import simulate as run_fleet  # noqa: PLC0415 - on demand

            operator = place.policy.operator or place.data.operator.verifier
            return await run_fleet(
                address=place.broker,
                credentials=place.credentials,
                machines=plant,
                outboxes=outboxes,
                receipts=ReceiptVerifier(operator, place.policy.log.name),
                checkpoints=CheckpointVerifier(place.policy),
                prefix=place.settings.prefix,
                interval=place.settings.interval,
                duration=duration,
                drain=place.settings.drain,
                stop=stop,
                on_ready=ready(f"simulate {len(plant)} machines on {place.broker}"),
            )

        return run_until_stopped(run)


@contextmanager
def _outboxes(
    place: "Installation", plant: "Sequence[Machine]", folder: Path
) -> "Iterator[dict[str, Outbox]]":
    """Open every machine's outbox, its key enrolled; close them all at the end."""
    from factoryledger.enrolment import Enrolments  # noqa: PLC0415 - on demand
    from simulator.outbox import Outbox  # noqa: PLC0415 - on demand

    folder.mkdir(parents=True, exist_ok=True)
    keys = Enrolments(place.data).ensure_devices(machine.name for machine in plant)
    with ExitStack() as stack:
        opened = {}
        for machine in plant:
            box = Outbox(machine.name, keys[machine.name], machine.topic, folder)
            stack.callback(box.close)
            opened[machine.name] = box
        yield opened


def _report(tally: "Tally", *, json_: bool) -> None:
    counts = asdict(tally)
    if json_:
        typer.echo(json.dumps(counts))
    else:
        typer.echo(", ".join(f"{name} {count}" for name, count in counts.items()))
