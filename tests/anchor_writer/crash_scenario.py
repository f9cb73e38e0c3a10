"""What runs while a step fails: a log near the end of a tile grows past it, twice published.

`prepare` makes the log that every run starts from; `run` appends and publishes; `resume`
starts again over whatever was left, after more has come in, and brings everything to an end.
"""

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path

from anchor_plant import Net, Plant, open_net
from check_log import check_log, check_signed
from faults import Unsynced

from anchor.keeping.durable import Durable
from anchor.keeping.service import run_anchor
from anchor.policy import Policy

WITNESSES = ("w1",)


def policy_of(plant: Plant) -> Policy:
    return plant.policy(WITNESSES, "all")


async def anchor_once(plant: Plant, folder: Path, net: Net, durable: Durable) -> None:
    async def announce(note: bytes) -> None:
        with (folder / "announced").open("ab") as file:
            file.write(note + b"\0")
        if net.step is not None:
            net.step()

    async with net.client() as http:
        await run_anchor(
            batches=plant,
            requests=plant,
            folder=folder / "log",
            db=folder / "anchor.db",
            key=plant.key,
            policy=policy_of(plant),
            stop=asyncio.Event(),
            once=True,
            publish=announce,
            http=http,
            durable=durable,
        )


def grow_plant(plant: Plant, stage: int) -> None:
    """What the stages commit; deterministic, so that every process sees the same store."""
    if stage == 0:
        for _ in range(251):
            plant.collector("one").commit()
        plant.collector("two").commit(3)
        return
    plant.collector("one").commit(stage)
    plant.request(plant.enrol_device(f"device-{stage}"))
    plant.collector("two").apply(plant.waiting[-1][1])
    plant.collector("two").commit()


@cache
def plant_of_base() -> Plant:
    plant = Plant()
    grow_plant(plant, 0)
    return plant


def plant_at(stage: int) -> Plant:
    plant = plant_of_base().copy()
    for number in range(1, stage + 1):
        grow_plant(plant, number)
    return plant


def prepare(folder: Path) -> None:
    """The log as of stage 0: 254 entries, published."""
    plant = plant_at(0)
    net = open_net(plant, folder, WITNESSES)
    asyncio.run(anchor_once(plant, folder, net, Unsynced()))
    net.close()


def copy(base: Path, folder: Path) -> Path:
    shutil.copytree(base, folder)
    return folder


def run(folder: Path, durable: Durable, step: Callable[[], None] | None = None) -> None:
    """Stages 1 and 2, each appended and published, every submitted checkpoint noted."""
    plant = plant_at(0)
    net = open_net(plant, folder, WITNESSES)
    net.step = step
    sent = folder / "sent"
    try:
        for stage in (1, 2):
            grow_plant(plant, stage)
            asyncio.run(anchor_once(plant, folder, net, durable))
    finally:
        with sent.open("ab") as file:
            file.writelines(note + b"\0" for note in net.sent)
        net.close()


def resume(folder: Path) -> None:
    """Start again after a crash, when stage 3 has come in as well; then check everything."""
    plant = plant_at(3)
    check_announced(folder, policy_of(plant))
    net = open_net(plant, folder, WITNESSES)
    asyncio.run(anchor_once(plant, folder, net, Unsynced()))
    net.close()
    policy = policy_of(plant)
    checked = check_log(folder / "log", policy)
    check_entries(plant, checked.entries)
    noted = [folder / name for name in ("sent", "announced")]
    told = [n for p in noted if p.exists() for n in p.read_bytes().split(b"\0") if n]
    kept = [path.read_bytes() for path in (folder / "log/checkpoints").iterdir()]
    witnessed = [s.latest(plant.key.name).note for s in net_states(plant, folder)]
    check_signed([*net.sent, *told, *kept, *witnessed], plant.key.verifier, checked.leaves)


def check_announced(folder: Path, policy: Policy) -> None:
    """Right after a crash: what was announced is published and kept, whatever was lost."""
    told = (folder / "announced").read_bytes().split(b"\0")[:-1]
    published = policy.open((folder / "log/checkpoint").read_bytes()).checkpoint.size
    for note in told:
        assert policy.open(note).checkpoint.size <= published
        assert (folder / "log/checkpoints" / sha256(note).hexdigest()).read_bytes() == note


def net_states(plant: Plant, folder: Path):
    net = open_net(plant, folder, WITNESSES)
    yield from net.states.values()
    net.close()


def check_entries(plant: Plant, entries: list[bytes]) -> None:
    """Nothing is lost, nothing doubled, and each thing stands where it must."""
    due = [batch.checkpoint for c in plant.known.values() for batch in c.batches]
    keys = {entry for c in plant.known.values() for entry in c.applied}
    due += keys | {entry for _, entry in plant.waiting}
    assert Counter(due) == Counter(entries)
    place = {sha256(entry).digest(): position for position, entry in enumerate(entries)}
    for collector in plant.known.values():
        order = [place[sha256(batch.checkpoint).digest()] for batch in collector.batches]
        assert order == sorted(order)
        for batch in collector.batches:
            at = place[sha256(batch.checkpoint).digest()]
            for entry in collector.applied[: batch.keys]:
                assert place[sha256(entry).digest()] < at
