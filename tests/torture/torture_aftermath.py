"""What is left when all is quiet, written down: rows, batches, the anchor log, audit and stats."""

import json
import sqlite3
from contextlib import closing, suppress
from dataclasses import fields
from hashlib import sha256

import psycopg
from torture_stranger import TOPIC
from torture_watch import hashed

from anchor.errors import AnchorError
from anchor.note import Note
from anchor.reading.row_record import record_of
from anchor.tile import unpack_entries
from anchor.tree_head import Checkpoint
from telemetry.rows import MessageRow

COLUMNS = [column.name for column in fields(MessageRow)]
ROWS = f"select {', '.join(COLUMNS)} from messages order by collector, position"
BATCHES = "select collector, number, start, size, root, checkpoint from batches order by 1, 2"


def write_down(works, history):
    """Every store, the anchor log, and what the program itself says of them."""
    for store, query in stores(works):
        for values in query(ROWS):
            history.put("row", store=store, **row(MessageRow(*values)))
        for collector, number, start, size, root, note in query(BATCHES):
            history.put(
                "batch", store=store, collector=collector, number=number, start=start, size=size,
                root=bytes(root), signed=bytes(note) != b"",
            )  # fmt: skip
    for index, entry in enumerate(entries(works.data / "log")):
        history.put("entry", index=index, leaf=leaf(entry), **said(entry))
    for kept in sorted((works.data / "log" / "checkpoints").iterdir()):
        with suppress(AnchorError):
            head = Checkpoint.from_text(Note.from_bytes(kept.read_bytes()).text)
            history.put(
                "checkpoint", where="kept", origin=head.origin, size=head.size, root=head.root,
                published=False,
            )  # fmt: skip
    for command in ("audit", "stats"):
        code, answer = ask(works, command)
        history.put(command, code=code, said=answer)


def stores(works):
    """Each store's name, and how to ask it."""
    if works.server is not None:
        yield "postgresql", lambda sql: _postgres(works.database_url, sql)
        return
    for path in sorted(works.data.glob("ledger*.db")):
        yield path.name, lambda sql, path=path: _sqlite(path, sql)


def _postgres(url, sql):
    with psycopg.connect(url) as ledger:
        return ledger.execute(sql).fetchall()


def _sqlite(path, sql):
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as ledger:
        return ledger.execute(sql).fetchall()


def row(message):
    """What the checker looks at of a row."""
    body = None if message.body_hash is None else bytes(message.body_hash).hex()
    names = ("collector", "position", "status", "device", "session", "seq")
    body = None if message.body_hash is None else bytes(message.body_hash).hex()
    said = {name: getattr(message, name) for name in names}
    said |= {"body": body, "kind": message.topic.rpartition("/")[2]}
    if message.topic == TOPIC:
        said["foreign"] = int(bytes(message.payload))
    if message.device is not None:
        payload = bytes(message.payload)
        # The body is hashed here once more: the column alone would be the collector's word.
        said["body"] = sha256(payload[:-98]).hexdigest()
        said["prev"] = hashed(json.loads(payload)["prev"])
    said["leaf"] = leaf(record_of(message))
    return said


def leaf(data):
    """RFC 9162's hash of a leaf."""
    return sha256(b"\0" + data).digest()


def entries(log):
    """The entries of a tiled log, from its bundles, the widest of each."""
    number = 0
    while True:
        name = _numbered(number)
        full = log / "tile" / "entries" / name
        partial = sorted((full.parent / f"{full.name}.p").glob("*"), key=lambda p: int(p.name))
        path = full if full.exists() else partial[-1] if partial else None
        if path is None:
            return
        yield from unpack_entries(path.read_bytes())
        if path != full:
            return
        number += 1


def _numbered(number):
    """C2SP tlog-tiles: groups of three digits, all but the last with an x before them."""
    text = f"{number % 1000:03}"
    while number >= 1000:
        number //= 1000
        text = f"x{number % 1000:03}/{text}"
    return text


def said(entry):
    """What an entry of the anchor log says: a collector's head, or nothing that is looked at."""
    try:
        head = Checkpoint.from_text(Note.from_bytes(entry).text)
    except AnchorError:
        return {}
    origin, _, collector = head.origin.rpartition("/collector/")
    return {"collector": collector, "size": head.size, "root": head.root} if origin else {}


def ask(works, command):
    """Have a command answer in JSON."""
    from survival_line import PATIENCE, Program

    data = ["--data", works.data, "--json"]
    program = Program(works.folder, command, [command, *data], works.reading())
    program.launch()
    try:
        program.reap(10 * PATIENCE)
    finally:
        program.end()
    results = program.log.with_suffix(".out").read_text().strip()
    return program.code, json.loads(results) if results else program.said()[-500:]
