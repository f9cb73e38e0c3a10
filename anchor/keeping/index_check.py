"""Whether anchor.db still knows what the log holds: what comes next is judged by its word.

Cheap, for every start: how many entries, how many of each collector, and each collector's last
one as the folder has it. Damage elsewhere in it misleads nobody: what is read of it is checked.
"""

from collections.abc import Callable
from hashlib import sha256

from anchor.errors import Diverged, Malformed
from anchor.keeping.anchor_db import AnchorDb
from anchor.keeping.contents import describe


def check_index(db: AnchorDb, origin: str, size: int, entry: Callable[[int], bytes]) -> None:
    """Diverged where anchor.db's rows are not those of a log of `size` entries.

    `entry` reads one of the folder's.
    """
    count, last = db.extent()
    if (count, last) != (size, size - 1):
        raise index_broken(db, f"{count} entries up to {last}, where its head says {size}")
    for row, count in db.last_checkpoints():
        name = row.collector
        if row.number is None or count != row.number + 1:
            raise index_broken(
                db, f"{count} batches of collector {name}, the last of them {row.number}"
            )
        held = entry(row.position)
        try:
            found = describe(origin, held)
        except Malformed as error:
            raise index_broken(db, f"entry {row.position} of collector {name}: {error}") from error
        known = (sha256(held).digest(), found.collector, found.size)
        if known != (row.hash, name, row.size):
            raise index_broken(db, f"entry {row.position}, which the folder has otherwise")


def index_broken(db: AnchorDb, what: str) -> Diverged:
    """What to say of an anchor.db that knows what the folder does not."""
    return Diverged(
        f"{db.path} is damaged: it knows {what}. Move it away, with its -wal and -shm: it is made "
        "again from the log's folder, and nothing is lost but when older checkpoints came out"
    )
