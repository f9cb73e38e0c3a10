"""`audit --new` and `audit --state` as commands: what they say, keep and rest on."""

import json
import sqlite3
from contextlib import closing

import psycopg
import pytest
from sqlalchemy import make_url

TAMPER = "UPDATE messages SET topic = 'elsewhere' WHERE position = 3"


def change(database, statement):
    with closing(sqlite3.connect(database)) as db, db:
        assert db.execute(statement).rowcount


@pytest.fixture
def grow(command, ledger):
    """Take another recording in, and anchor it."""

    def more(seed=8):
        made = ["--machines", 2, "--duration", 4, "--seed", seed, "--out", f"{seed}.jsonl"]
        assert command("simulate", *made).code == 0
        assert command("ingest", f"{seed}.jsonl", "--data", ledger.path).code == 0
        assert command("anchor", "--once", "--data", ledger.path).code == 0

    return more


def test_only_what_is_new_is_read_and_what_is_left_out_is_said(command, ledger, grow):
    audit = ["audit", "--data", ledger.path]
    first = command(*audit, "--new")
    assert first.code == 0
    assert "audit.json is not there yet: all was read" in first.out
    assert "not read again" not in first.out
    whole = json.loads(command(*audit, "--json").out)
    grow()
    new = json.loads(command(*audit, "--new", "--json").out)
    full = json.loads(command(*audit, "--full", "--json").out)
    assert new["skipped"] == whole["messages"] > 0
    assert new["skipped"] + new["messages"] == full["messages"] > whole["messages"]
    assert (full["skipped"], full["since"]) == (0, None)
    again = command(*audit, "--new")
    assert f"{full['messages']} messages audited on 20" in again.out
    assert "not read again; --full reads all" in again.out


def test_an_old_row_is_left_out_by_new_and_found_by_every_other_audit(command, ledger):
    audit = ["audit", "--data", ledger.path]
    assert command(*audit, "--new").code == 0
    kept = (ledger.path / "audit.json").read_bytes()
    change(ledger.database, TAMPER)
    new = command(*audit, "--new")
    assert (new.code, "not read again; --full reads all" in new.out) == (0, True)
    for plain in ([], ["--full"], ["--state", ledger.path / "audit.json"]):
        found = command(*audit, *plain)
        assert (found.code, "altered" in found.out) == (1, True)
    # Nothing of an audit with findings is kept: the next one does not go on from there.
    change(ledger.database, "UPDATE messages SET topic = 'again' WHERE position = 4")
    (ledger.path / "audit.json").write_bytes(kept[:-9])
    damaged = command(*audit, "--new")
    assert damaged.code == 1
    assert "it is damaged, or no memory of an audit; all was read" in damaged.out
    assert (ledger.path / "audit.json").read_bytes() == kept[:-9]


def test_a_state_that_is_another_file_is_an_error_and_stays_as_it_is(command, ledger, tmp_path):
    policy = (ledger.path / "policy").read_bytes()
    other = tmp_path / "someone's file"
    other.write_bytes(policy)
    for more in ([], ["--new"]):
        refused = command("audit", "--data", ledger.path, "--state", other, *more)
        assert refused.code == 2
        assert f"{other} is no memory of an audit, and is left as it is" in refused.err
        assert other.read_bytes() == policy
    other.write_bytes(b"")
    assert command("audit", "--data", ledger.path, "--state", other).code == 0
    assert other.read_bytes()


def test_a_plain_audit_keeps_nothing(command, ledger):
    assert command("audit", "--data", ledger.path).code == 0
    assert command("audit", "--data", ledger.path, "--full").code == 0
    assert not list(ledger.path.rglob("*audit*"))


def test_new_and_full_exclude_each_other(command, ledger):
    assert command("audit", "--data", ledger.path, "--new", "--full").code == 2


def test_a_state_elsewhere_misses_an_end_that_was_taken_away(command, ledger, tmp_path):
    """It was not anchored: nothing but what an audit saw tells of it."""
    made = ["--machines", 2, "--duration", 4, "--seed", 8, "--out", "8.jsonl"]
    assert command("simulate", *made).code == 0
    assert command("ingest", "8.jsonl", "--data", ledger.path).code == 0
    state = tmp_path / "auditor" / "state.json"
    audit = ["audit", "--data", ledger.path, "--state", state]
    assert command(*audit).code == 0
    assert state.stat().st_mode & 0o777 == 0o600
    assert not (ledger.path / "audit.json").exists()
    collector = _last_of(ledger.database)
    for table in ("messages", "batches", "tiles"):
        change(ledger.database, f"DELETE FROM {table} WHERE collector = '{collector}'")
    plain = command("audit", "--data", ledger.path)
    assert plain.code == 0
    for flags in ([], ["--new"]):
        found = command(*audit, *flags)
        assert found.code == 1
        assert "batch-missing" in found.out
        assert "signed by the collector's key; it is not in the store" in found.out


def _last_of(database):
    with closing(sqlite3.connect(database)) as db:
        return db.execute("SELECT id FROM collectors ORDER BY ordinal DESC").fetchone()[0]


def test_a_state_that_cannot_be_kept_costs_no_result(command, ledger, tmp_path):
    (tmp_path / "file").write_text("in the way")
    found = command("audit", "--data", ledger.path, "--state", tmp_path / "file" / "x")
    assert found.code == 0
    assert "nothing is left for the next audit" in found.out
    assert command("audit", "--data", ledger.path, "--state", tmp_path).code == 2


def test_the_same_on_postgresql(command, postgres, tmp_path, monkeypatch):
    secret = tmp_path / "database.password"
    secret.write_text(f"{postgres.password}\n")
    monkeypatch.setenv("FACTORYLEDGER_DATABASE_PASSWORD_FILE", str(secret))
    database = postgres.database(password=False)
    where = ["--data", "ledger", "--database", database]
    for seed in (7, 8):
        made = ["--machines", 3, "--duration", 5, "--seed", seed, "--out", f"{seed}.jsonl"]
        assert command("simulate", *made).code == 0
        assert command("ingest", f"{seed}.jsonl", *where).code == 0
        assert command("anchor", "--once", *where).code == 0
        new = json.loads(command("audit", *where, "--new", "--json").out)
    full = json.loads(command("audit", *where, "--json").out)
    assert new["skipped"] + new["messages"] == full["messages"]
    assert 0 < new["skipped"] < full["messages"]
    with psycopg.connect(postgres.conninfo(make_url(database).database)) as db:
        assert db.execute("UPDATE messages SET topic = 'x' WHERE position = 0").rowcount
    assert command("audit", *where, "--new").code == 0
    assert command("audit", *where).code == 1
    with psycopg.connect(postgres.conninfo(make_url(database).database)) as db:
        assert db.execute("DELETE FROM messages WHERE position = 0").rowcount
    assert command("audit", *where, "--new").code == 1
