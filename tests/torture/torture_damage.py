"""Strikes on files, while the part that owns them is down.

What the promise covers has to be survived; what it does not cover has to be noticed: then the
part says so, refuses, and goes on once the file is as it was. Silence is a finding.
"""

import re
from contextlib import suppress

from torture_waiting import LONG, lasting, waiting

from anchor.errors import AnchorError
from anchor.policy import Policy

BROKEN = 0x55
ALIVE = 3.0  # s: a part that is ready and goes on for so long has not minded


def torn_outbox(works, strike):
    """A write that a crash cut short: the first half of a frame behind the whole ones."""
    part = works.parts[strike.target]
    part.wanted = False
    part.kill()
    path = _chosen(sorted((works.folder / "outbox" / strike.target).glob("*.outbox")), strike)
    if path is not None:
        data = path.read_bytes()
        with path.open("ab") as file:
            # The head's first bytes say how long it is; whatever follows it fits no checksum.
            file.write(data[: 12 + int(strike.amount * 20)])
    yield from lasting(strike.lasts)
    part.start()


def broken_outbox(works, strike):
    """A byte that changed in what had been durable: refused until it is put right."""
    part = works.parts[strike.target]
    part.wanted = False
    part.kill()
    path = _chosen(sorted((works.folder / "outbox" / strike.target).glob("*.outbox")), strike)
    if path is None or path.stat().st_size == 0:
        part.start()
        return
    whole = path.read_bytes()
    # In the head, which compaction makes durable before the file has its name.
    _flip(path, 24)
    part.left = True
    part.start()
    ended = yield from waiting(lambda: not part.running or part.ready, LONG)
    noticed = ended and not part.running and path.name.encode() in part.since_start()
    works.history.put("damage", kind=strike.kind, part=part.name, noticed=noticed, file=path.name)
    part.tend(0.0)
    part.kill()
    yield from _put_back(path, whole)
    part.left = False
    yield from lasting(strike.lasts)
    part.start()


def cut_tile(works, strike):
    """The tile at the log's right edge, or its entries, cut short."""
    kinds = ("tile/entries", "tile/0")
    newest = _newest(works.data / "log" / kinds[strike.amount < 1 / 2])
    yield from _damaged(works, strike, newest, lambda data: data[: len(data) // 2])


def bad_checkpoint(works, strike):
    """The published checkpoint with a letter changed, or cut short."""

    def damage(data):
        if strike.amount < 1 / 2:
            return data[: len(data) // 3]
        return data[:5] + bytes([data[5] ^ BROKEN]) + data[6:]

    path = works.data / "log" / "checkpoint"
    yield from _damaged(works, strike, path if path.exists() else None, damage)


def bad_broker_file(works, strike):
    """What the broker saved, damaged: it may refuse it, and is then started without."""
    part = works.parts["broker"]
    part.wanted = False
    part.kill()
    path = works.broker.directory / "mosquitto.db"
    if path.exists():
        data = path.read_bytes()
        half = int(len(data) * strike.amount)
        path.write_bytes(data[:half] if strike.lasts < 1 / 2 else data[:half] + data[half + 1 :])
        works.history.put("damage", kind=strike.kind, part="broker", noticed=True, file=path.name)
    yield from lasting(strike.lasts)
    if not part.start():
        path.unlink(missing_ok=True)
        part.start()


def _damaged(works, strike, path, damage):
    """Damage a file of the log under a dead anchor, see what it does, and put it right."""
    part = works.parts["anchor"]
    part.wanted = False
    part.kill()
    if path is None:
        part.start()
        return
    whole, name = path.read_bytes(), str(path.relative_to(works.data / "log"))
    works.history.put("damaged", file=name)
    with suppress(OSError):  # on a full disk less of it may be written, which is damage, too
        path.write_bytes(damage(whole))
    part.left = True
    part.start()
    ready = yield from waiting(lambda: not part.running or part.ready, LONG)
    if ready and part.running:
        yield from lasting(ALIVE)
    refused = not part.running
    mended = path.exists() and _holds(works, path, whole)
    told = bool(re.search(rb"error|warning|refus", part.since_start()))
    noticed = refused or mended or told or (yield from _audit_says(works))
    works.history.put(
        "damage", kind=strike.kind, part="anchor", noticed=noticed, file=name,
        refused=refused, mended=mended, told=told,
    )  # fmt: skip
    part.tend(0.0)
    part.left = False
    if not mended:
        part.kill()
        yield from _put_back(path, whole)
    works.history.put("mended", file=name)
    yield from lasting(strike.lasts)
    part.start()


def _put_back(path, whole):
    """Make a file what it was; a disk that another strike has filled is waited for."""

    def written():
        with suppress(OSError):
            path.write_bytes(whole)
        return path.read_bytes() == whole

    yield from waiting(written, LONG)


def _holds(works, path, whole):
    """Whether the file is as it was, or a newer good checkpoint in its place."""
    data = path.read_bytes()
    if data == whole:
        return True
    if path.name != "checkpoint":
        return False
    try:
        Policy.from_bytes((works.data / "policy").read_bytes()).open(data)
    except AnchorError:
        return False
    return True


def _audit_says(works):
    """Whether an audit, beside all the rest, finds it."""
    from survival_line import Program

    audit = Program(works.folder, "audit-of-damage", works.audit_arguments(), works.reading())
    audit.launch()
    yield from waiting(lambda: not audit.running, LONG)
    code = audit.code
    audit.end()
    return code not in {0, None}


def _chosen(paths, strike):
    return paths[int(strike.amount * len(paths))] if paths else None


def _newest(folder):
    named = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".tmp")
    files = [path for path in named if path.stat().st_size > 1]
    return max(files, key=lambda path: path.stat().st_mtime_ns, default=None)


def _flip(path, place):
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)
        file.seek(place)
        file.write(bytes([byte[0] ^ BROKEN]))
