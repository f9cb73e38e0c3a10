"""Every command that touches a store, on PostgreSQL, from a recording to a verified proof."""

import json
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

DATA = "ledger"


@pytest.fixture
def database(postgres, tmp_path, monkeypatch):
    """A database, its URL without the password, which a file holds."""
    secret = tmp_path / "database.password"
    secret.write_text(f"{postgres.password}\n")
    monkeypatch.setenv("FACTORYLEDGER_DATABASE_PASSWORD_FILE", str(secret))
    return postgres.database(password=False)


@pytest.fixture
def sql(postgres, database):
    with psycopg.connect(postgres.conninfo(make_url(database).database), autocommit=True) as made:
        yield made


@pytest.fixture
def anchored(command, database):
    """Two recordings in the database, one of them anchored."""
    for seed in (7, 8):
        made = ["--machines", 3, "--duration", 5, "--seed", seed, "--out", f"{seed}.jsonl"]
        assert command("simulate", *made).code == 0
        ingested = command("ingest", f"{seed}.jsonl", "--data", DATA, "--database", database)
        assert ingested.code == 0, ingested.err
        if seed == 7:
            once = command("anchor", "--once", "--data", DATA, "--database", database)
            assert once.code == 0, once.err


def test_from_a_recording_to_a_verified_proof(anchored, command, database):
    where = ("--data", DATA, "--database", database)
    counted = json.loads(command("stats", *where, "--json").out)
    assert counted["stored"] == counted["received"] > counted["anchored"] > 0
    audited = json.loads(command("audit", *where, "--json").out)
    assert (audited["findings"], audited["clean"]) == ([], True)
    assert audited["messages"] == counted["stored"]
    assert audited["anchored_messages"] == counted["anchored"]
    collector = _first_collector(command, where)
    proved = command("prove", "--message", f"{collector}:0", "-o", "one.proof", *where)
    assert proved.code == 0, proved.err
    assert command("verify", "one.proof", "--data", DATA).code == 0


def test_a_second_ingest_adds_nothing_and_the_roots_are_those_of_a_file(
    anchored, command, database
):
    again = command("ingest", "7.jsonl", "--data", DATA, "--database", database, "--json")
    alone = command("ingest", "7.jsonl", "--data", "another", "--json")
    on_server, in_file = json.loads(again.out), json.loads(alone.out)
    assert (on_server["added"], on_server["roots"]) == (0, in_file["roots"])


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ("UPDATE messages SET received_at = received_at - 1 WHERE position = 3", {"back-dated"}),
        ("UPDATE messages SET payload = 'other' WHERE position = 3", {"altered"}),
        ("UPDATE messages SET payload = NULL WHERE position = 3", {"erased"}),
        ("DELETE FROM messages WHERE position = 3", {"deleted"}),
        ("UPDATE tiles SET hashes = sha256(hashes) WHERE level = 0", {"tiles-altered"}),
        ("DELETE FROM batches WHERE number = 0", {"batch-missing"}),
    ],
)
def test_what_is_tampered_with_is_found(anchored, command, database, sql, change, kinds):
    assert sql.execute(change.encode()).rowcount > 0
    audited = command("audit", "--data", DATA, "--database", database, "--json")
    assert audited.code == 1
    assert kinds <= {finding["kind"] for finding in json.loads(audited.out)["findings"]}


def test_a_password_on_the_command_line_is_refused_unread(command, database):
    for url in (
        "postgresql://ledger:hush@127.0.0.1/factory",
        "postgresql://ledger@127.0.0.1/factory?password=hush",
    ):
        refused = command("stats", "--data", DATA, "--database", url)
        assert refused.code == 2
        assert "PGPASSFILE" in refused.err
        assert "hush" not in refused.err


def test_a_database_that_is_not_there_is_3_and_names_it(command, database):
    missing = command("stats", "--data", DATA, "--database", f"{database}_not")
    assert missing.code == 3
    assert "works" in missing.err
    password = Path("database.password").read_text().strip()
    assert password not in missing.err


def _first_collector(command, where):
    audited = json.loads(command("stats", *where, "--json").out)
    assert audited["batches"] > 0
    file = json.loads(command("ingest", "7.jsonl", *where, "--json").out)
    return file["collector"]
