"""The rotation of the anchor log's key: its entry goes into the log, while no anchor runs.

Rule: whoever signs a tree that holds the entry signs with the new key. So the entry's own place
says up to which size the former key counts, and no checkpoint is signed by both.
"""

from pathlib import Path

from anchor.keeping.anchor_db import AnchorDb
from anchor.keeping.contents import KeyAuthority
from anchor.keeping.log_folder import LogFolder
from anchor.keeping.writer import Writer
from anchor.key_entry import is_log_rotation, rotate_log
from anchor.note import SignerKey
from anchor.policy import FormerLog
from anchor.spelling import MAX_NUMBER


def append_rotation(  # noqa: PLR0913 - what it needs, each by name
    *,
    folder: Path,
    db: Path,
    former: SignerKey,
    key: SignerKey,
    operator: SignerKey,
    authority: KeyAuthority,
    time: int,
) -> int:
    """Append the operator's word that `key` signs from now on; the index of its entry.

    An entry that a call which was cut short has appended is found again. Locked while an anchor
    runs; Diverged where the folder is not what anchor.db knows.
    """
    log = LogFolder(folder)
    with log.lock():
        database = AnchorDb(db, key.name)
        try:
            there = _find(log, database, authority, key)
            if there is not None:
                return there
            writer = Writer(log, database, former, [FormerLog(former.verifier, MAX_NUMBER)])
            contents = writer.recover(authority, time)
            entry = rotate_log(operator=operator, former=former, key=key, time=time)
            contents.admit_key(entry, contradicting=False)
            writer.append([entry])
            return writer.size - 1
        finally:
            database.close()


def _find(
    log: LogFolder, database: AnchorDb, authority: KeyAuthority, key: SignerKey
) -> int | None:
    """Where the log holds the entry that brings this key."""
    for row in database.index("key"):
        entry = next(log.entries(row.position, row.position + 1))
        if is_log_rotation(entry):
            statement = authority.read(entry)
            if statement.key == key.public_key:
                return row.position
    return None
