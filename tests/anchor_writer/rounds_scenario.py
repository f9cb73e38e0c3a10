"""What runs while a step fails: a small log is published twice and given to an outside ledger.

`prepare` makes the log that every run starts from, by an anchor that knew no ledgers; `resume`
starts again over whatever was left, after more has come in, and brings everything to an end.
"""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

from anchor_plant import Net, Plant
from faults import Unsynced
from notary import Book, Notary

from anchor.keeping.anchor_db import read_state
from anchor.keeping.durable import Durable
from anchor.keeping.rounds import Outside
from anchor.keeping.service import run_anchor
from anchor.keeping.submissions import read_submissions


async def anchor_once(plant: Plant, folder: Path, durable: Durable, notary: Notary | None) -> None:
    async with Net([plant.key]).client() as http:
        await run_anchor(
            batches=plant,
            requests=plant,
            folder=folder / "log",
            db=folder / "anchor.db",
            key=plant.key,
            policy=plant.policy(),
            stop=asyncio.Event(),
            once=True,
            http=http,
            durable=durable,
            ledgers=[Outside(notary, notary)] if notary else [],
        )


def plant_at(stage: int) -> Plant:
    plant = Plant()
    for _ in range(stage + 1):
        plant.collector().commit()
    return plant


def prepare(folder: Path) -> None:
    asyncio.run(anchor_once(plant_at(0), folder, Unsynced(), None))


def copy(base: Path, folder: Path) -> Path:
    shutil.copytree(base, folder)
    return folder


def run(folder: Path, durable: Durable, step: Callable[[], None] | None = None) -> None:
    """Stages 1 and 2, each published and given; a run goes on with the one before."""
    notary = Notary(Book(folder / "book"), step=step)
    for stage in (1, 2):
        asyncio.run(anchor_once(plant_at(stage), folder, durable, notary))


def resume(folder: Path) -> None:
    """Start again after a crash, when stage 3 has come in as well; then check everything."""
    check_receipts(folder)
    for _ in range(2):
        notary = Notary(Book(folder / "book"))
        asyncio.run(anchor_once(plant_at(3), folder, Unsynced(), notary))
    check_stamped(folder)


def check_receipts(folder: Path) -> None:
    """What is stored holds; nothing was entered twice."""
    notary = Notary(Book(folder / "book"))
    for path in (folder / "log/receipts").glob("*/*.ots"):
        notary.check(
            (folder / "log/checkpoints" / path.parent.name).read_bytes(), path.read_bytes()
        )
    entered = [digest for _, digest in notary.book.lines()]
    assert len(entered) == len(set(entered))


def check_stamped(folder: Path) -> None:
    """After all rounds: no checkpoint that was begun is forgotten, the newest is stamped."""
    check_receipts(folder)
    (state,) = read_submissions(folder / "anchor.db")
    assert state.submitted == state.stamped == len(Book(folder / "book").lines())
    assert state.size == read_state(folder / "anchor.db").published
    stored = {path.parent.name for path in (folder / "log/receipts").glob("*/*.ots")}
    assert stored == {digest for _, digest in Book(folder / "book").lines()}
    assert not list((folder / "log").rglob(".*.tmp"))
