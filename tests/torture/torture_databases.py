"""Strikes on the databases of the writing side: `anchor.db`, and what a witness cosigned.

`anchor.db` holds nothing that the log's folder does not: whatever befalls it, the anchor goes on
or refuses in words, and goes on once it is moved away. A witness's state is what keeps it from
cosigning two histories: one that is older, changed or gone is refused, and it goes on when the
newest is put back. A witness that starts has to remember all that it cosigned.
"""

import shutil
import sqlite3
from contextlib import closing, suppress

from torture_waiting import LONG, lasting, waiting

BROKEN = 0x55
ALIVE = 2.0  # s: an anchor that is ready and goes on for so long has not minded
GROWTH = 15.0  # s: to wait until a state is newer than the copy of it
BESIDE = ("", "-wal", "-shm")
WAYS = ("cut", "flipped", "older", "removed", "without-log")


def broken_anchor_db(works, strike):
    """Cut, flipped, older, gone (in half of the cases under a running anchor), without its WAL."""
    part, path = works.parts["anchor"], works.data / "anchor.db"
    way, where = _drawn(strike)
    if way == "removed" and where < 1 / 2:
        _write(path, {})
        yield from lasting(max(1.0, strike.lasts))
    yield from _damaged(works, part, path, way, where, lambda: _entries(path))
    refused, said = yield from _tried(part, ALIVE)
    # Whatever is left of it is moved away, as its own word and docs/recovery.md say.
    in_words = b"anchor.db" in said
    if way in {"older", "removed"} and refused:
        in_words = False  # that it brings forward, or makes again, by itself
    works.history.put(
        "damage", kind=strike.kind, part=part.name, noticed=not refused or in_words,
        file=f"anchor.db, {way}", refused=refused,
    )  # fmt: skip
    part.kill()
    if refused or way in {"cut", "flipped", "without-log"}:
        _write(path, {})
    part.left = False
    yield from lasting(strike.lasts)
    part.start()


def broken_witness_db(works, strike):
    """A witness's state is damaged or put back; without the newest it must not go on."""
    part, path = works.parts[strike.target], works.witness_state(strike.target)
    way, where = _drawn(strike)
    whole = yield from _damaged(works, part, path, way, where, lambda: _seen(path))
    known = seen_in(whole, works.folder / "state-as-it-was")
    # It looks at its state before it is ready.
    refused, said = yield from _tried(part, 0)
    with works.states:
        remembers = refused or _remembers(_seen(path), known)
    works.history.put(
        "damage", kind=strike.kind, part=part.name, file=f"{path.name}, {way}", refused=refused,
        noticed=remembers and (not refused or path.name.encode() in said),
    )  # fmt: skip
    if refused or not remembers:
        part.kill()
        yield from waiting(lambda: _put_back(works, path, whole), LONG)
    with works.states:
        works.struck.discard(part.name)
    part.left = False
    yield from lasting(strike.lasts)
    part.start()


def _drawn(strike):
    """Which way, and a number below 1 that says where."""
    drawn = strike.amount * len(WAYS)
    return WAYS[int(drawn)], drawn % 1


def _damaged(works, part, path, way, where, extent):
    """Kill it and damage its database; gives the files as they were at its death."""
    part.wanted = False
    older = None
    if way == "older":
        part.kill()
        older, before = _read(path), extent()
        part.start()
        yield from waiting(lambda: part.ready and extent() not in {None, before}, GROWTH)
        part.wanted = False
    part.kill()
    whole = _read(path)
    with works.states, suppress(OSError):
        works.struck.add(part.name)
        _write(path, _changed(whole, way, where, older))
    return whole


def _changed(whole, way, where, older):
    if way == "older":
        return older
    if way == "removed":
        return {}
    if way == "without-log":
        return {"": whole[""]} if "" in whole else {}
    names = [name for name in ("", "-wal") if whole.get(name)]
    if not names:
        return {}
    name = names[int(where * len(names))]
    data, at = whole[name], int(where * len(whole[name]))
    changed = data[:at]
    if way == "flipped":
        changed += bytes([data[at] ^ BROKEN]) + data[at + 1 :]
    return {**whole, name: changed}


def _tried(part, alive):
    """Start it alone, for so many seconds once it is ready; whether it refused, and its words."""
    part.left = True
    part.start()
    ready = yield from waiting(lambda: not part.running or part.ready, LONG)
    if ready and part.running:
        yield from lasting(alive)
    refused, said = not part.running, part.since_start()
    part.tend(0.0)
    return refused, said


def _read(path):
    """The database's files, by what their names end in; SQLite's index of its log is none."""
    found = {}
    for end in BESIDE[:2]:
        with suppress(FileNotFoundError):
            found[end] = path.with_name(path.name + end).read_bytes()
    return found


def _write(path, files):
    """Let there be these files and no others."""
    for end in BESIDE:
        path.with_name(path.name + end).unlink(missing_ok=True)
    for end, data in files.items():
        path.with_name(path.name + end).write_bytes(data)


def _put_back(works, path, whole):
    with works.states, suppress(OSError):
        _write(path, whole)
    return _read(path) == whole


def _entries(path):
    return _asked(path, "select count(*) from entries")


def _seen(path):
    """The heads that a witness's state says it cosigned last; None where it cannot be read."""
    return _asked(path, "select origin, size, root from seen order by 1")


def _asked(path, query):
    with suppress(sqlite3.Error):
        uri = f"file:{path}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=1)) as state:
            return tuple(state.execute(query).fetchall())
    return None


def seen_in(files, folder):
    """The heads in the files of a witness's state, read in a place of their own."""
    folder.mkdir()
    try:
        _write(folder / "w.db", files)
        return _seen_of(folder / "w.db") or ()
    finally:
        shutil.rmtree(folder)


def _seen_of(path):
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as state:
        return tuple(state.execute("select origin, size, root from seen").fetchall())
    return None


def _remembers(seen, known):
    """Whether every log's head is at least what it was."""
    sizes = {origin: (size, root) for origin, size, root in seen or ()}
    return all(
        sizes.get(origin, (-1, b""))[0] > size or sizes.get(origin) == (size, root)
        for origin, size, root in known
    )
