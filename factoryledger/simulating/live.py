"""A simulated factory on a broker: keys enrolled, outboxes opened, the fleet run until it stops."""

import asyncio
import gc
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from anchor.command import CommandVerifier
from anchor.policy import CheckpointVerifier
from anchor.receipts import ReceiptVerifier
from factoryledger.enrolment import Enrolments
from factoryledger.fleet_clients import clients_of
from factoryledger.installation import Installation
from factoryledger.metrics import watched
from factoryledger.metrics.simulating import SimulatorProbe
from factoryledger.running import allow_files, few_collections, ready, run_until_stopped, say
from factoryledger.simulating.plant import Plant
from simulator.crew import Conditions, Tally
from simulator.edge import Edge, edges_of
from simulator.fleet import FleetAccount
from simulator.fleet import simulate as run_fleet
from simulator.machine import Machine
from simulator.outbox import REMEMBERED, Outbox
from simulator.uplink import connections
from telemetry.signature import SigningKey

_OTHER_FILES: Final = 256


def run_live(
    place: Installation,
    plant: Plant,
    folder: Path | None,
    duration: float | None,
    speed: float | None,
) -> Tally:
    """Enrol the machines, then run them; nothing is published before that is durable."""
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

        async def run(stop: asyncio.Event) -> Tally:

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


def _warn(place: Installation) -> None:
    """Say what everybody will be able to read, before anything is published."""
    say(
        f"public: whoever may subscribe to # on {place.broker} reads all of it, in clear: topics "
        "(the prefix and the names of site, line and machine), readings, states, events, key ids, "
        "public keys, receipts and checkpoints. Retained messages (births, states, the "
        "checkpoint, key entries) stay there when this ends. Signatures keep others from speaking "
        f"as a machine, not from reading. The prefix is in {place.data.path / 'prefix'}"
    )


def _files(plant: Plant, *, on_disk: bool) -> int:
    """How many open files the plant needs: a socket each for machines, or gateways, and nodes.

    Where outboxes are on disk, a file and a lock each for machines and nodes beside it.
    """
    nodes = len(edges_of(plant.machines))
    plain = [machine.topic for machine in plant.machines if machine.language != "sparkplug"]
    sockets = connections(plain, plant.gateway) + nodes
    return sockets + 2 * on_disk * (len(plant.machines) + nodes) + _OTHER_FILES


def _probe(account: FleetAccount, folder: Path | None) -> SimulatorProbe:

    return SimulatorProbe(account, folder)


@contextmanager
def _outboxes(
    place: Installation, plant: Sequence[Machine], folder: Path | None
) -> Iterator[dict[str, Outbox]]:
    """Open every machine's outbox, its key enrolled; close them all at the end."""
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


def _key(place: Installation, device: str) -> tuple[SigningKey, frozenset[str]]:
    """A machine's key as it is by now, and those of its that have ended."""
    return place.data.device(device), Enrolments(place.data).ended(device)
