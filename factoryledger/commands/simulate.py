"""`factoryledger simulate`: a factory of machines that sign what they send and keep it."""

import json
import math
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factoryledger import options

SLOWEST = 1e-6  # of the wall's clock: a second in eleven days

if TYPE_CHECKING:
    from simulator.crew import Tally
    from simulator.export import Exported


class Level(StrEnum):
    """Whose machines share a gateway."""

    line = "line"
    area = "area"
    site = "site"


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
    speed: Annotated[
        str | None,
        typer.Option(
            "--speed",
            metavar="X|max",
            help="Let the machines' own clock go so many times as fast as the wall's, from the "
            "scenario's start or now; max: as fast as the receipts allow. [default: the wall's "
            "clock; with --out max]",
            show_default=False,
        ),
    ] = None,
    seed: options.Seed = None,
    duration: options.Duration = None,
    drain: options.Drain = None,
    outbox: Annotated[
        Path | None,
        typer.Option(
            "--outbox",
            metavar="DIR",
            help="Keep the outboxes in this folder, where a killed process loses nothing that "
            "it recorded. [default: in memory]",
            show_default=False,
        ),
    ] = None,
    gateway: Annotated[
        Level | None,
        typer.Option(
            "--gateway",
            metavar="line|area|site",
            help="Let the machines of each line, area or site share one connection, a gateway's. "
            "[default: a connection a machine]",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Write a recording instead, on a simulated clock, with test keys from the "
            "seed; no broker. FILE.csv or FILE.parquet: the readings as a data set, with a "
            "second file FILE.labels.… of its faults.",
            show_default=False,
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="FAULT",
            help="Let a fault befall machines, beside the scenario's: "
            "FAULT:MACHINE[/METRIC]@START+LASTS[,FIELD=VALUE...], like "
            "drift:mill-01/power@30+60 (docs/faults.md). Repeatable.",
            show_default=False,
        ),
    ] = None,
    commands: Annotated[
        bool,
        typer.Option(
            "--commands",
            help="Let the operator's signed commands (simulate-fault) bring more faults meanwhile.",
        ),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="DIR",
            help="Draw a day (or --duration) of each kind of machine instead, a PNG each; no "
            "broker. Needs the extra `plot`.",
            show_default=False,
        ),
    ] = None,
    metrics: options.Metrics = None,
    json_: options.Json = False,
) -> None:
    """Run a factory; each message stays in its machine's outbox until it is receipted.

    Exit code 3 if messages are still held when the drain is over (but for those that a fault
    withholds), or if the broker shuts one of its clients out (`shut_out`). With --outbox the next
    run sends them; in memory they end with the process.
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
        metrics=metrics,
    )
    if scenario is not None and machines is not None:
        raise WrongUsage("--machines or --scenario: a scenario says how many machines there are")
    from factoryledger.simulating.plant import plant_for  # noqa: PLC0415 - on demand

    plant, pace = plant_for(place, scenario, fault or ()), _speed(speed)
    if duration == math.inf and (plot is not None or out is not None):
        raise WrongUsage("--duration: with --out and --plot a finite number of seconds, not inf")
    if plot is not None:
        from factoryledger.simulating.offline import plot_days  # noqa: PLC0415 - on demand

        pictures = plot_days(place, plant, duration, plot)
        typer.echo(json.dumps({"pictures": pictures}) if json_ else "\n".join(pictures))
        return
    if out is not None:
        from factoryledger.simulating.offline import write_offline  # noqa: PLC0415 - on demand

        if duration is None:
            raise WrongUsage("--out needs --duration: how many simulated seconds")
        try:
            written = write_offline(place, plant, duration, pace, out)
        except OSError as error:
            error.filename = error.filename or str(out)  # a full disk does not say whose
            raise
        _report(written, json_=json_)
        return
    from factoryledger.simulating.live import run_live  # noqa: PLC0415 - on demand

    plant = replace(plant, commanded=commands, gateway=gateway)
    tally = run_live(place, plant, outbox, duration, pace)
    _report(tally, json_=json_)
    if tally.shut_out:
        _say_shut_out(tally)
    if tally.held > tally.withheld or tally.shut_out:
        raise typer.Exit(3)


def _say_shut_out(tally: "Tally") -> None:
    from factoryledger.running import say  # noqa: PLC0415 - on demand

    clients = "1 client" if tally.shut_out == 1 else f"{tally.shut_out} clients"
    say(
        f"{clients} shut out by the broker, named above: revoked, or a certificate that has ended; "
        "`factoryledger device list` says which, `device enrol NAME` lets one in again",
        level="warning",
    )


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
        said = ", ".join(
            f"{count} {what if count != 1 else what.removesuffix('s')}"
            for what, count in counts.items()
        )
        typer.echo(f"{name} is good: {said}")


def _speed(given: str | None) -> float | None:
    """How many times as fast as the wall's clock; infinite for `max`, None for the wall's."""
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand

    if given is None or given == "max":
        return None if given is None else math.inf
    try:
        speed = float(given)
    except ValueError:
        speed = math.nan
    if not SLOWEST <= speed < math.inf:
        raise WrongUsage(f"--speed: a number from {SLOWEST} on, or max, not {given!r}")
    return speed


def _report(tally: "Tally | Exported", *, json_: bool) -> None:
    counts = asdict(tally)
    if json_:
        typer.echo(json.dumps(counts))
    else:
        typer.echo(", ".join(f"{name} {count}" for name, count in counts.items()))
