"""Run as a program, preloaded: `service_process.py WHAT FOLDER`; a service whose next fsync fails.

`witness` asks itself for a cosignature, `ledger` and `ledger-once` give a checkpoint to an
outside ledger. Prints what was answered and how it ended: the exit code and the sentence.
"""

import asyncio
import ctypes
import os
import socket
import sys
from pathlib import Path

import structlog

HERE = Path(__file__).parent
for place in (HERE, HERE.parent / "anchor_writer", HERE.parents[1]):
    sys.path.insert(0, str(place))

from anchor_plant import Net, witness_key  # noqa: E402 - its folder above
from library import armed  # noqa: E402
from notary import Book, Notary  # noqa: E402
from part_witness import LOG, SIDES  # noqa: E402
from rounds_scenario import plant_at, prepare  # noqa: E402

from anchor.checkpoint import Checkpoint, sign_checkpoint  # noqa: E402
from anchor.keeping.add_checkpoint import AddCheckpoint  # noqa: E402
from anchor.keeping.rounds import Outside  # noqa: E402
from anchor.keeping.service import run_anchor, run_witness  # noqa: E402
from anchor.merkle import tree_root  # noqa: E402
from factoryledger.exits import exit_for  # noqa: E402


def fail_next_fsync(place: Path) -> None:
    """From here on the first fsync of what begins with this path fails."""
    os.environ.update(armed([place], fault="EIO", at=1, operations="fsync,fdatasync"))
    ctypes.CDLL(None).steps_arm()


async def ask(port: int) -> None:
    root = tree_root(SIDES["a"][:1])
    body = AddCheckpoint(0, (), sign_checkpoint(Checkpoint(LOG.name, 1, root), LOG)).to_bytes()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    sys.stdout.write((await reader.readline()).decode().split(" ", 2)[1] + "\n")
    writer.close()


async def witness(folder: Path) -> None:
    ready = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(
            run_witness(
                db=folder / "w.db",
                key=witness_key("w"),
                logs=[LOG.verifier],
                host="",
                port=0,
                sockets=[listener],
                stop=asyncio.Event(),
                on_ready=ready.set,
            )
        )
        await ready.wait()
        fail_next_fsync(folder / "w.db")
        await ask(listener.getsockname()[1])
        await asyncio.wait_for(serving, 30)


async def ledger(folder: Path, *, once: bool) -> None:
    plant, notary = plant_at(1), Notary(Book(folder / "book"))
    fail_next_fsync(folder / "log" / "receipts")
    for _ in range(3 if once else 1):  # once is one question to the ledger, which wants two
        async with Net([plant.key]).client() as http, asyncio.timeout(30):
            await run_anchor(
                batches=plant,
                requests=plant,
                folder=folder / "log",
                db=folder / "anchor.db",
                key=plant.key,
                policy=plant.policy(),
                stop=asyncio.Event(),
                once=once,
                every=0.05,
                http=http,
                ledgers=[Outside(notary, notary)],
            )


def main(what: str, folder: Path) -> None:
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    if what != "witness":
        prepare(folder)
    works = witness(folder) if what == "witness" else ledger(folder, once=what == "ledger-once")
    try:
        asyncio.run(works)
    except Exception as error:  # noqa: BLE001 - the roof does the same
        code, sentence = exit_for(error)
        sys.stdout.write(f"{int(code)}\n{sentence}\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve())
