"""An outside ledger for tests: a book in a file that no crash of ours takes back.

Like a chain it takes a checkpoint in two calls: one enters it under the ticket that was kept,
the next gives the receipt. A ticket that comes again is the same entry.
"""

import asyncio
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from anchor.errors import Malformed, Missing, Refused
from anchor.ledgers.ledger import Stamp


class Book:
    """What the notary wrote down: (ticket, hash of the note), in order; the outside world."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[tuple[str, str]]:
        if not self.path.exists():
            return []
        return [tuple(json.loads(line)) for line in self.path.read_text().splitlines()]

    def enter(self, ticket: str, digest: str) -> None:
        if ticket not in dict(self.lines()):
            with self.path.open("a") as file:
                file.write(json.dumps([ticket, digest]) + "\n")


class Notary:
    """`anchor.ledgers.ledger.Ledger` and its voucher; `trouble` is what goes wrong now.

    `down`: cannot be reached. `hangs`: never answers. `lies`: a receipt of another checkpoint.
    `refuses`: will never take one. `slow`: no receipt yet.
    """

    kind = "ots"

    def __init__(
        self, book: Book, name: str = "notary", step: Callable[[], None] | None = None
    ) -> None:
        self.name = name
        self.book = book
        self.trouble = ""
        self.asked = 0
        self._step = step or (lambda: None)

    async def advance(self, note, ticket, keep):
        self.asked += 1
        if self.trouble == "hangs":
            await asyncio.Event().wait()
        if self.trouble == "down":
            raise Missing("the notary is asleep: try again")
        if self.trouble == "refuses":
            raise Refused("the notary takes no such checkpoint")
        if self.trouble == "breaks":
            raise RuntimeError("a fault of the ledger's own code")
        digest = sha256(note).hexdigest()
        if ticket is None:
            ticket = f"ticket {len(self.book.lines())} {digest[:8]}".encode()
            await keep(ticket)
            self._step()
            self.book.enter(ticket.decode(), digest)
            self._step()
            return None
        self.book.enter(ticket.decode(), digest)
        if self.trouble == "slow":
            return None
        shown = sha256(b"another").hexdigest() if self.trouble == "lies" else digest
        return receipt_of(shown, 1764000000)

    async def aclose(self):
        pass

    def check(self, note, receipt):
        try:
            _, digest, time, _ = receipt.decode().split()
            whole = receipt_of(digest, int(time)) == receipt
        except ValueError:
            whole = False
        if not whole:
            raise Malformed("not a notary's receipt")
        if digest != sha256(note).hexdigest():
            raise Refused("the receipt is of another checkpoint")
        return Stamp(self.name, self.kind, int(time), "the notary")


def receipt_of(digest: str, time: int) -> bytes:
    """A receipt over a note of this SHA-256, in hexadecimal; its seal stands for a signature."""
    said = f"seen {digest} {time}"
    return f"{said} {sha256(said.encode()).hexdigest()[:16]}\n".encode()
