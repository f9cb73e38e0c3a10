"""The anchor: its log only grows over every head that anybody was told of, and it never forks."""

import asyncio

from anchor_plant import open_net
from check_log import check_log, check_signed
from crash_scenario import WITNESSES, check_entries, grow_plant, plant_at, policy_of

from anchor.keeping.service import run_anchor


def prepare(folder):
    """A log near the end of a tile, published."""
    (folder / "disk").mkdir()
    plant = plant_at(0)
    anchor_until_done(plant, folder, lambda *_: None, once=True)


def anchor_until_done(plant, folder, tell, *, once=False):
    """An anchor as it runs for long, until all that waits is published and announced."""
    net = open_net(plant, folder, WITNESSES)
    due = sum(len(c.batches) for c in plant.known.values())
    due += len({entry for c in plant.known.values() for entry in c.applied})
    due += len(
        [e for _, e in plant.waiting if all(e not in c.applied for c in plant.known.values())]
    )

    def sent():
        for note in net.sent:
            tell("sent", note.decode())
        net.sent.clear()

    async def main():
        stop = asyncio.Event()

        async def announce(note):
            tell("announced", note.decode())
            if policy_of(plant).open(note).checkpoint.size == due:
                stop.set()

        net.step = sent
        async with net.client() as http:
            await asyncio.wait_for(
                run_anchor(
                    batches=plant,
                    requests=plant,
                    folder=folder / "disk" / "log",
                    db=folder / "disk" / "anchor.db",
                    key=plant.key,
                    policy=policy_of(plant),
                    stop=stop,
                    every=0.01,
                    once=once,
                    publish=announce,
                    http=http,
                ),
                60,
            )

    try:
        asyncio.run(main())
    finally:
        net.close()


def run(folder, tell):
    plant = plant_at(0)
    for stage in (1, 2):
        grow_plant(plant, stage)
        anchor_until_done(plant, folder, tell)


def resume(folder, tell, told, cut):
    """Start again when stage 3 has come in as well, then check everything."""
    check(folder, told, cut)
    plant, notes = plant_at(3), []

    def telling(*what):
        notes.append(what)
        tell(*what)

    anchor_until_done(plant, folder, telling, once=True)
    checked = check_log(folder / "disk" / "log", policy_of(plant))
    check_entries(plant, checked.entries)
    kept = [path.read_bytes() for path in (folder / "disk" / "log" / "checkpoints").iterdir()]
    net = open_net(plant, folder, WITNESSES)
    kept += [state.latest(plant.key.name).note for state in net.states.values()]
    net.close()
    kept += [note.encode() for _, note in [*told, *notes]]
    check_signed(kept, plant.key.verifier, checked.leaves)


def check(folder, told, cut):
    """What was announced is published, whatever was lost."""
    del cut
    policy = policy_of(plant_at(0))
    published = policy.open((folder / "disk" / "log" / "checkpoint").read_bytes()).checkpoint.size
    for what, note in told:
        if what == "announced":
            assert policy.open(note.encode()).checkpoint.size <= published, "unpublished again"
