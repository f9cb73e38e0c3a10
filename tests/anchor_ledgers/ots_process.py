"""One `advance` of an OpenTimestamps ledger over files, killed at a named point."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from anchor.ledgers.ots.calendar import Calendar
from anchor.ledgers.ots.chain import HeaderSource
from anchor.ledgers.ots.ledger import OtsLedger
from anchor.ledgers.ots.web import open_client


def die():
    os.kill(os.getpid(), signal.SIGKILL)


async def main(folder, calendar, chain, kill):
    ticket, kept = folder / "ticket", []

    async def keep(data):
        fresh = folder / "ticket.new"
        fresh.write_bytes(data)
        fresh.rename(ticket)
        kept.append(data)
        if kill == ("kept-first" if len(kept) == 1 else "kept-answer"):
            die()

    class Dying(Calendar):
        async def submit(self, commitment):
            answer = await super().submit(commitment)
            if kill == "asked":
                die()
            return answer

    http = open_client()
    source = HeaderSource(chain, http, least_work=1 << 7)
    ledger = OtsLedger("btc", [calendar], http, source=source)
    ledger._calendars = [Dying(calendar, http)]
    before = ticket.read_bytes() if ticket.exists() else None
    receipt = await ledger.advance((folder / "note").read_bytes(), before, keep)
    if receipt is not None:
        if kill == "receipt":
            die()
        (folder / "receipt").write_bytes(receipt)
    await ledger.aclose()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
