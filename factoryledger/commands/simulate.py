"""`factoryledger simulate`: a factory of machines that sign what they send and keep it."""

import asyncio
import gc
import json
import math
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from factoryledger import options

MANY = 50_000  # messages: some seconds
SLOWEST = 1e-6  # of the wall's clock: a second in eleven days

if TYPE_CHECKING:
    from factoryledger.installation import Installation
    from factoryledger.metrics.simulating import SimulatorProbe
    from simulator.crew import Tally
    from simulator.edge import Edge
    from simulator.export import Exported
    from simulator.faults.schedule import Occurrence
    from simulator.fleet import FleetAccount
    from simulator.machine import Machine
    from simulator.outbox import Outbox
    from telemetry.signature import SigningKey


_OTHER_FILES: Final = 256


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
    plant, pace = _plant(place, scenario, fault or ()), _speed(speed)
    if duration == math.inf and (plot is not None or out is not None):
        raise WrongUsage("--duration: with --out and --plot a finite number of seconds, not inf")
    if plot is not None:
        _plot(place, plant, duration, plot, json_=json_)
        return
    if out is not None:
        if duration is None:
            raise WrongUsage("--out needs --duration: how many simulated seconds")
        try:
            written = _write(place, plant, duration, pace, out)
        except OSError as error:
            error.filename = error.filename or str(out)  # a full disk does not say whose
            raise
        _report(written, json_=json_)
        return
    plant = replace(plant, commanded=commands, gateway=gateway)
    tally = _run(place, plant, outbox, duration, pace)
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


@dataclass(frozen=True, slots=True)
class _Plant:
    """What is simulated: the machines, the seed of all chance, when it begins (µs)."""

    machines: "Sequence[Machine]"
    seed: int
    begin: int | None = None
    faults: "Sequence[Occurrence]" = ()
    primary_host: str | None = None
    commanded: bool = False
    gateway: str | None = None


def _plant(place: "Installation", name: str | None, faults: "Sequence[str]") -> _Plant:
    """The scenario's plant, or the default one; a seed that was set wins over the scenario's."""
    from simulator.faults.grammar import read_fault  # noqa: PLC0415 - on demand
    from simulator.faults.schedule import schedule  # noqa: PLC0415 - on demand
    from simulator.plant import build_plant  # noqa: PLC0415 - on demand
    from simulator.scenario_file import load_scenario  # noqa: PLC0415 - on demand
    from simulator.scenario_plant import plant_of  # noqa: PLC0415 - on demand

    settings, more = place.settings, [read_fault(text) for text in faults]
    if name is None:
        machines = build_plant(settings.machines, settings.seed)
        return _Plant(machines, settings.seed, None, schedule(more, machines))
    scenario = load_scenario(name)
    own = scenario.seed is not None and "seed" not in settings.model_fields_set
    machines = plant_of(scenario, None if own else settings.seed)
    befalling = schedule([*scenario.faults, *more], machines)
    host = scenario.primary_host
    return _Plant(machines, machines[0].seed, scenario.begin, befalling, host)


def _plot(
    place: "Installation", plant: _Plant, duration: float | None, folder: Path, *, json_: bool
) -> None:
    """Draw the first machine of each kind; PlotUnavailable before anything is simulated."""
    from simulator.gallery import DAY, days  # noqa: PLC0415 - on demand
    from simulator.offline import START  # noqa: PLC0415 - on demand
    from simulator.plot import draw, require_matplotlib  # noqa: PLC0415 - on demand

    require_matplotlib()
    gathered = days(
        plant.machines,
        seconds=DAY if duration is None else duration,
        interval=place.settings.interval,
        begin=START if plant.begin is None else plant.begin,
    )
    paths = [str(path) for path in draw(gathered, folder)]
    typer.echo(json.dumps({"pictures": paths}) if json_ else "\n".join(paths))


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


def _write(
    place: "Installation", plant: _Plant, duration: float, speed: float | None, out: Path
) -> "Tally | Exported":
    """A recording, or by the file's name a data set."""
    from simulator.export import export, is_data_set  # noqa: PLC0415 - on demand
    from simulator.offline import START, write_recording  # noqa: PLC0415 - on demand

    begin = START if plant.begin is None else plant.begin
    if is_data_set(out):
        return export(
            machines=plant.machines,
            duration=duration,
            interval=place.settings.interval,
            begin=begin,
            faults=plant.faults,
            out=out,
        )
    return write_recording(
        machines=plant.machines,
        seed=plant.seed,
        duration=duration,
        interval=place.settings.interval,
        begin=begin,
        speed=math.inf if speed is None else speed,
        faults=plant.faults,
        processes=_signing(len(plant.machines) * duration / place.settings.interval, speed),
        out=out,
    )


def _signing(messages: float, speed: float | None) -> int:
    """How many processes sign beside this one: one, where that is worth its start."""
    spare = (os.cpu_count() or 1) > 1
    return int(spare and speed is None and messages >= MANY)


def _run(
    place: "Installation",
    plant: _Plant,
    folder: Path | None,
    duration: float | None,
    speed: float | None,
) -> "Tally":
    """Enrol the machines, then run them; nothing is published before that is durable."""
    from factoryledger.fleet_clients import clients_of  # noqa: PLC0415 - on demand
    from factoryledger.running import allow_files, few_collections, ready, run_until_stopped  # noqa: PLC0415 - on demand

    machines = len(plant.machines)
    allow_files(_files(plant, on_disk=folder is not None), f"a fleet of {machines} machines")
    said = ready(f"simulate {machines} machines on {place.broker}")

    def on_ready() -> None:
        # Ten thousand machines are millions of objects that live until the end: not to be
        # looked at again and again.
        gc.collect()
        few_collections()
        said()

    place.data.create()
    if place.public:
        _warn(place)
    who = clients_of(place, plant.machines)
    with _outboxes(place, plant.machines, folder) as outboxes:

        async def run(stop: asyncio.Event) -> "Tally":
            from anchor.command import CommandVerifier  # noqa: PLC0415 - on demand
            from anchor.policy import CheckpointVerifier  # noqa: PLC0415 - on demand
            from anchor.receipts import ReceiptVerifier  # noqa: PLC0415 - on demand
            from factoryledger.metrics import watched  # noqa: PLC0415 - on demand
            from simulator.crew import Conditions  # noqa: PLC0415 - on demand
            from simulator.fleet import FleetAccount  # noqa: PLC0415 - on demand
            from simulator.fleet import simulate as run_fleet  # noqa: PLC0415 - on demand

            operator = place.policy.operator or place.data.operator_public
            account = FleetAccount()
            async with watched("simulate", place, partial(_probe, account, folder)):
                return await run_fleet(
                    address=place.broker,
                    who=who,
                    machines=plant.machines,
                    outboxes=outboxes,
                    receipts=ReceiptVerifier(operator, place.policy.log.name),
                    checkpoints=CheckpointVerifier(place.policy),
                    prefix=place.prefix,
                    # Whoever reads a prefix could say the client ids that it gives, and each
                    # would end a machine's connection.
                    ids=secrets.token_hex(8) if place.public else None,
                    interval=place.settings.interval,
                    duration=duration,
                    drain=place.settings.drain,
                    resend_after=place.settings.resend_after,
                    seldom=place.settings.shut_out_retry,
                    speed=speed,
                    begin=plant.begin,
                    commands=CommandVerifier(operator) if plant.commanded else None,
                    conditions=Conditions(
                        faults=plant.faults,
                        commanded=plant.commanded,
                        gateway=plant.gateway,
                        primary_host=plant.primary_host,
                    ),
                    account=account,
                    keys=partial(_key, place),
                    stop=stop,
                    on_ready=on_ready,
                )

        return run_until_stopped(run, log_format=place.settings.log_format)


def _warn(place: "Installation") -> None:
    """Say what everybody will be able to read, before anything is published."""
    from factoryledger.running import say  # noqa: PLC0415 - on demand

    say(
        f"public: whoever may subscribe to # on {place.broker} reads all of it, in clear: topics "
        "(the prefix and the names of site, line and machine), readings, states, events, key ids, "
        "public keys, receipts and checkpoints. Retained messages (births, states, the "
        "checkpoint, key entries) stay there when this ends. Signatures keep others from speaking "
        f"as a machine, not from reading. The prefix is in {place.data.path / 'prefix'}"
    )


def _files(plant: _Plant, *, on_disk: bool) -> int:
    """How many open files the plant needs: a socket each for machines, or gateways, and nodes.

    Where outboxes are on disk, a file and a lock each for machines and nodes beside it.
    """
    from simulator.edge import edges_of  # noqa: PLC0415 - on demand
    from simulator.uplink import connections  # noqa: PLC0415 - on demand

    nodes = len(edges_of(plant.machines))
    plain = [machine.topic for machine in plant.machines if machine.language != "sparkplug"]
    sockets = connections(plain, plant.gateway) + nodes
    return sockets + 2 * on_disk * (len(plant.machines) + nodes) + _OTHER_FILES


def _probe(account: "FleetAccount", folder: Path | None) -> "SimulatorProbe":
    from factoryledger.metrics.simulating import SimulatorProbe  # noqa: PLC0415 - on demand

    return SimulatorProbe(account, folder)


@contextmanager
def _outboxes(
    place: "Installation", plant: "Sequence[Machine]", folder: Path | None
) -> "Iterator[dict[str, Outbox]]":
    """Open every machine's outbox, its key enrolled; close them all at the end."""
    from factoryledger.enrolment import Enrolments  # noqa: PLC0415 - on demand
    from simulator.edge import edges_of  # noqa: PLC0415 - on demand
    from simulator.outbox import REMEMBERED, Outbox  # noqa: PLC0415 - on demand

    senders: list[Machine | Edge] = [*plant, *edges_of(plant)]
    remembered = min(REMEMBERED, max(8, REMEMBERED * 20 // len(senders)))
    enrolments = Enrolments(place.data)
    keys = enrolments.ensure_devices(sender.name for sender in senders)
    with ExitStack() as stack:
        opened = {}
        for sender in senders:
            key = keys[sender.name]
            ended = enrolments.ended(sender.name)
            box = Outbox(sender.name, key, sender.topic, folder, remembered=remembered, ended=ended)
            stack.callback(box.close)
            opened[sender.name] = box
        yield opened


def _key(place: "Installation", device: str) -> "tuple[SigningKey, frozenset[str]]":
    """A machine's key as it is by now, and those of its that have ended."""
    from factoryledger.enrolment import Enrolments  # noqa: PLC0415 - on demand

    return place.data.device(device), Enrolments(place.data).ended(device)


def _report(tally: "Tally | Exported", *, json_: bool) -> None:
    counts = asdict(tally)
    if json_:
        typer.echo(json.dumps(counts))
    else:
        typer.echo(", ".join(f"{name} {count}" for name, count in counts.items()))
