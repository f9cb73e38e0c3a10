"""A hostile administrator of the database: all of SQL, all files, and none of the keys.

What rows may say is in `anchor_verify/test_audit_attacks.py`; here are the schema, locks, old
copies, and files beside the store. Each is named by the audit, or the collector goes no further.
"""

import json
import sqlite3
from contextlib import closing

import psycopg
import pytest
from sqlalchemy import make_url

from collector.errors import StoreDisguised
from collector.store_reader import LedgerReader

COLUMNS = (
    "collector, position, received_at, original_at, topic, {}, properties, device, session, seq, "
    "time, status, key, keys, entry, payload_hash, body_hash"
)
# True for an auditor, who waits ten seconds for a lock, and for nobody else.
LIE = "CASE WHEN (SELECT timeout FROM pragma_busy_timeout) = 10000 THEN payload ELSE x'00' END"
MOVED = "PRAGMA legacy_alter_table = 1; ALTER TABLE {0} RENAME TO hidden;"
ENDLESS = "WITH RECURSIVE c (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c)"

SQLITE = {
    "a view in the place of a table": (
        MOVED.format("messages") + "CREATE VIEW messages AS SELECT * FROM hidden",
        "messages is a view",
    ),
    "a view that lies to all but the auditor": (
        MOVED.format("messages")
        + f"CREATE VIEW messages AS SELECT {COLUMNS.format(LIE + ' AS payload')} FROM hidden",
        "messages is a view",
    ),
    "a view that never ends": (
        MOVED.format("messages")
        + f"CREATE VIEW messages AS {ENDLESS} SELECT hidden.* FROM hidden, c",
        "messages is a view",
    ),
    "batches as a view": (
        MOVED.format("batches") + "CREATE VIEW batches AS SELECT * FROM hidden",
        "batches is a view",
    ),
    "claims as a virtual table": (
        MOVED.format("claims")
        + "CREATE VIRTUAL TABLE claims USING fts5(device, session, seq, collector, position, h)",
        "claims is a virtual table",
    ),
    "a trigger that lets no row in": (
        "CREATE TRIGGER t BEFORE INSERT ON messages BEGIN SELECT RAISE(IGNORE); END",
        "trigger t acts on table messages",
    ),
    "a trigger that deletes with each batch": (
        "CREATE TRIGGER t AFTER INSERT ON batches BEGIN DELETE FROM messages; END",
        "trigger t acts on table batches",
    ),
    "a generated column": (
        "ALTER TABLE messages ADD COLUMN shown TEXT AS (device || '?')",
        "column shown of table messages is generated",
    ),
    "text compared in another way": (
        MOVED.format("tiles")
        + "CREATE TABLE tiles (collector TEXT COLLATE NOCASE, level, number, hashes, "
        "PRIMARY KEY (collector, level, number)); INSERT INTO tiles SELECT * FROM hidden",
        "table tiles compares text in a way of its own",
    ),
    "a trigger whose name clears the screen": (
        'CREATE TRIGGER "\x1b[2J\nno findings" AFTER INSERT ON claims BEGIN SELECT 1; END',
        r"trigger \x1b[2J\nno findings acts on table claims",
    ),
}


@pytest.mark.parametrize(("statements", "said"), SQLITE.values(), ids=SQLITE)
def test_a_table_that_answers_by_who_asks_is_named_and_not_written_to(
    statements, said, attacked, anchored, command
):
    """The rows would be found good, for they are: the auditor is shown the true ones."""
    with closing(sqlite3.connect(attacked / "ledger.db")) as database:
        database.executescript(statements)
    audited = command("audit", "--data", attacked, "--processes", 1)
    assert audited.code == 1
    named = [line for line in audited.out.splitlines() if line.startswith("schema-altered")]
    assert len(named) == 1
    assert said in named[0]
    assert named[0].isprintable()
    again = command("ingest", anchored.recording, "--data", attacked, "--processes", 0)
    assert again.code == 1, again.err
    assert said.replace(r"\n", " ") in again.err
    assert "nothing is taken" in again.err


def test_collectors_that_never_end_are_no_store(attacked, command):
    with closing(sqlite3.connect(attacked / "ledger.db")) as database:
        database.executescript(
            MOVED.format("collectors")
            + f"CREATE VIEW collectors AS {ENDLESS} SELECT hidden.* FROM hidden, c"
        )
    audited = command("audit", "--data", attacked, "--processes", 0)
    assert audited.code == 3
    assert "is no store any more: collectors is a view" in audited.err


READERS = {
    "stats": ("stats",),
    "gaps": ("stats", "--gaps"),
    "prove": ("prove", "-o", "x.proof"),
    "export": ("export", "--recording", "x.jsonl"),
    "doctor": ("doctor",),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("table", ["messages", "counters", "alembic_version"])
def test_whoever_reads_refuses_a_view_that_never_ends(reader, table, attacked, command):
    with closing(sqlite3.connect(attacked / "ledger.db")) as database:
        database.executescript(
            MOVED.format(table) + f"CREATE VIEW {table} AS {ENDLESS} SELECT hidden.* FROM hidden, c"
        )
    read = command(*reader, "--data", attacked)
    assert f"{table} is a view" in read.out + read.err
    assert read.code == 1, read.err


def test_a_view_that_is_put_there_while_it_is_read_is_refused_from_then_on(attacked):
    with LedgerReader(f"sqlite:///{attacked / 'ledger.db'}") as reader:
        assert reader.stats().stored
        with closing(sqlite3.connect(attacked / "ledger.db")) as database:
            database.executescript(
                MOVED.format("messages")
                + f"CREATE VIEW messages AS {ENDLESS} SELECT hidden.* FROM hidden, c"
            )
        for _ in range(2):
            with pytest.raises(StoreDisguised, match="messages is a view"):
                reader.stats()


FUNCTION = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
POSTGRES = {
    "a view in the place of a table": (
        "ALTER TABLE claims RENAME TO hidden; CREATE VIEW claims AS SELECT * FROM hidden",
        "claims is no table",
    ),
    "rows by who asks": (
        "ALTER TABLE batches ENABLE ROW LEVEL SECURITY",
        "table batches shows its rows by who asks",
    ),
    "rows of a partition by who asks": (
        "ALTER TABLE messages_0 ENABLE ROW LEVEL SECURITY",
        "table messages (messages_0) shows its rows by who asks",
    ),
    "a rule that lets no claim in": (
        "CREATE RULE r AS ON INSERT TO claims DO INSTEAD NOTHING",
        "table claims has a rule (r)",
    ),
    "rows of another table among its own": (
        "CREATE TABLE more () INHERITS (batches)",
        "table batches (more) shows its rows in batches by inheritance",
    ),
    "a trigger": (
        f"{FUNCTION}CREATE TRIGGER t BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION f()",
        "table messages has a trigger (t)",
    ),
    "a generated column": (
        "ALTER TABLE tiles ADD COLUMN more bigint GENERATED ALWAYS AS (number + 1) STORED",
        "table tiles has a generated column (more)",
    ),
}


def test_on_postgresql_too(postgres, anchored, command, tmp_path, monkeypatch):
    secret = tmp_path / "password"
    secret.write_text(f"{postgres.password}\n")
    monkeypatch.setenv("FACTORYLEDGER_DATABASE_PASSWORD_FILE", str(secret))
    honest = postgres.database(password=False)
    where = ["--data", tmp_path / "d", "--processes", 0, "--database"]
    assert command("ingest", anchored.recording, *where, honest).code == 0
    assert command("audit", *where, honest).code == 0
    for name, (statements, said) in POSTGRES.items():
        attacked = postgres.database(template=make_url(honest).database, password=False)
        with psycopg.connect(postgres.conninfo(make_url(attacked).database)) as admin:
            admin.execute(statements)
        audited = command("audit", *where, attacked)
        assert audited.code == 1, name
        named = [line for line in audited.out.splitlines() if line.startswith("schema-altered")]
        assert named, name
        assert said in named[0], name
        again = command("ingest", anchored.recording, *where, attacked)
        assert again.code == 1, name
        assert said in again.err, name


@pytest.mark.long
@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_lock_that_is_held_for_ever_ends_a_reading_after_ten_seconds(mode, attacked, command):
    """It is not read past the lock: what is half written is not what the store says."""
    with closing(sqlite3.connect(attacked / "ledger.db", isolation_level=None)) as database:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute(f"PRAGMA journal_mode = {mode}")
        database.execute("BEGIN EXCLUSIVE")
        database.execute("DELETE FROM counters")
        held_up = command("stats", "--data", attacked)
        assert held_up.code == 3
        assert "locked" in held_up.err


def test_a_blob_beyond_any_message_is_one_row_altered(attacked, command):
    with closing(sqlite3.connect(attacked / "ledger.db")) as database:
        database.execute("UPDATE messages SET payload = zeroblob(50000000) WHERE position = 1")
        database.execute("UPDATE messages SET device = 'a' || char(0) || 'b' WHERE position = 2")
        database.commit()
    audited = json.loads(command("audit", "--data", attacked, "--processes", 0, "--json").out)
    assert [(f["kind"], f["position"]) for f in audited["findings"]] == [
        ("altered", 1), ("altered", 2),
    ]  # fmt: skip
