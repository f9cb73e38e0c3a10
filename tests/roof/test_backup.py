"""`backup` and `restore`: all of it, whole, and going on from it forks nothing."""

import json
import shutil
import sqlite3
from contextlib import closing
from types import SimpleNamespace

import pytest

from factoryledger.backup import taking
from factoryledger.cli import run


@pytest.fixture(scope="module")
def made(anchored_once, tmp_path_factory):
    """A small ledger and its backup; made once."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(anchored_once, folder / "ledger")
    apart = ["--keys", folder / "keys", "--data", folder / "ledger"]
    assert run([str(word) for word in ["backup", folder / "backup", *apart]]) == 0
    return folder


@pytest.fixture
def there(made, tmp_path):
    for name in ("ledger", "backup", "keys"):
        shutil.copytree(made / name, tmp_path / name)
    return SimpleNamespace(
        data=tmp_path / "ledger",
        backup=tmp_path / "backup",
        keys=tmp_path / "keys",
        new=tmp_path / "new",
    )


def rows(store, query="SELECT * FROM messages ORDER BY collector, position"):
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()


def test_what_was_put_back_is_the_same_ledger(command, there):
    done = command("restore", there.backup, "--keys", there.keys, "--data", there.new, "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert said["size"] == said["backed_up"] > 0
    assert "asks for no witness" in done.err
    assert rows(there.new / "ledger.db") == rows(there.data / "ledger.db")
    assert rows(there.new / "ledger.db", "PRAGMA journal_mode") == [("wal",)]
    audit = command("audit", "--data", there.new)
    assert audit.code == 0, audit.out
    assert command("anchor", "--once", "--data", there.new).code == 0
    assert (there.new / "log" / "checkpoint").read_bytes() == (
        there.data / "log" / "checkpoint"
    ).read_bytes()
    for stem in ("operator.key", "anchor.key"):
        assert (there.new / "keys" / stem).stat().st_mode & 0o777 == 0o600
    assert (there.new / "keys").stat().st_mode & 0o777 == 0o700


def test_keys_are_in_no_backup_but_where_they_are_told_to_go(command, there, tmp_path):
    secret = (there.data / "keys" / "operator.key").read_text().split("+", 4)[4].strip()
    inside = [path for path in there.backup.rglob("*") if path.is_file()]
    assert inside
    assert not [path for path in inside if secret.encode() in path.read_bytes()]
    assert (there.keys / "keys" / "operator.key").exists()
    assert there.backup.stat().st_mode & 0o777 == 0o700
    plain = command("backup", tmp_path / "plain", "--data", there.data)
    assert "keys are left out" in plain.err
    without = command("restore", tmp_path / "plain", "--data", there.new)
    assert without.code == 0
    assert command("audit", "--data", there.new).code == 0, "an auditor needs no key"
    assert command("anchor", "--once", "--data", there.new).code == 3


@pytest.mark.parametrize("name", ["ledger.db", "policy", "log/checkpoint", "anchor.db"])
def test_a_backup_that_was_changed_is_not_put_back(command, there, name):
    data = (there.backup / name).read_bytes()
    (there.backup / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    changed = command("restore", there.backup, "--data", there.new)
    assert (changed.code, name in changed.err, there.new.exists()) == (1, True, False)
    (there.backup / name).unlink()
    missing = command("restore", there.backup, "--data", there.new)
    assert (missing.code, "missing" in missing.err, there.new.exists()) == (1, True, False)


def test_what_is_too_many_or_no_backup_is_refused(command, there):
    (there.backup / "requests" / "more").write_text("")
    assert command("restore", there.backup, "--data", there.new).code == 1
    assert command("restore", there.data, "--data", there.new).code == 2
    manifest = there.backup / "backup.json"
    said = json.loads(manifest.read_bytes())
    for wrong in (b"", b"[]", b"{}", json.dumps({**said, "version": 9}).encode(),
                  json.dumps({**said, "files": {"policy": 3}}).encode()):  # fmt: skip
        manifest.write_bytes(wrong)
        done = command("restore", there.backup, "--data", there.new)
        assert (done.code, "backup.json" in done.err) == (2, True)


def test_nothing_is_written_over(command, there, tmp_path):
    assert command("backup", there.backup, "--data", there.data).code == 2
    assert command("restore", there.backup, "--data", there.data).code == 2
    within = command("restore", there.backup, "--data", there.backup / "x")
    assert (within.code, (there.backup / "x").exists()) == (2, False)
    inside = command("backup", tmp_path / "b", "--keys", tmp_path / "b/k", "--data", there.data)
    assert inside.code == 2
    nowhere = command("backup", tmp_path / "b", "--data", tmp_path / "nowhere")
    assert nowhere.code == 2
    assert not list(tmp_path.glob(".*.tmp")), "what was begun is gone"


def test_a_log_that_fills_a_tile_meanwhile_is_copied_whole(tmp_path, monkeypatch):
    """The anchor writes the full one, and only then removes the partial ones."""
    log = tmp_path / "log"
    partial, full = log / "tile" / "0" / "000.p" / "255", log / "tile" / "0" / "000"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"partial")
    (log / ".lock").write_text("")
    copy2 = shutil.copy2

    def meanwhile(source, target):
        if partial.exists():
            full.write_bytes(b"full")
            shutil.rmtree(partial.parent)
        return copy2(source, target)

    monkeypatch.setattr(taking.shutil, "copy2", meanwhile)
    taking.copy_growing(log, tmp_path / "copy")
    assert (tmp_path / "copy" / "tile" / "0" / "000").read_bytes() == b"full"
    assert not (tmp_path / "copy" / ".lock").exists()


def test_an_old_copy_of_the_log_takes_from_a_mirror_what_it_lacks(command, there, tmp_path):
    """Without one it forks as soon as it signs, and everybody who saw more can tell."""
    assert command("device", "enrol", "later-01", "--data", there.data).code == 0
    assert command("anchor", "--once", "--data", there.data).code == 0
    log = there.data / "log"
    with_mirror = ["--mirror", log, "--keys", there.keys, "--data", tmp_path / "good"]
    done = command("restore", there.backup, *with_mirror)
    assert done.code == 0, done.err
    assert (tmp_path / "good" / "log" / "checkpoint").read_bytes() == (
        log / "checkpoint"
    ).read_bytes()
    for number, name in enumerate(("good", "fork")):
        if name == "fork":
            kept = ["--keys", there.keys, "--data", tmp_path / "fork"]
            assert command("restore", there.backup, *kept).code == 0
        data = ["--data", tmp_path / name]
        assert command("device", "enrol", "another-01", *data).code == 0
        assert command("anchor", "--once", *data).code == 0
        shown = tmp_path / name / "log"
        seen = command(
            "tlog", "mirror", shown, tmp_path / f"seen-{number}", "--policy", there.data / "policy"
        )
        assert seen.code == 0
    policy = ["--policy", there.data / "policy"]
    shutil.copytree(log, tmp_path / "mirror")
    assert (
        command("tlog", "mirror", tmp_path / "good" / "log", tmp_path / "mirror", *policy).code == 0
    )
    forked = command("tlog", "mirror", tmp_path / "fork" / "log", tmp_path / "mirror", *policy)
    assert (forked.code, "went back" in forked.err or "another history" in forked.err) == (1, True)


def test_a_store_in_postgresql(command, there, postgres, tmp_path, monkeypatch):
    monkeypatch.setenv("FACTORYLEDGER_DATABASE", postgres.database())
    data = ["--data", tmp_path / "pg"]
    recording = tmp_path / "r.jsonl"
    assert command("simulate", "--machines", 2, "--duration", 3, "--out", recording).code == 0
    assert command("ingest", recording, *data).code == 0
    assert command("anchor", "--once", *data).code == 0
    taken = command("backup", tmp_path / "b", "--keys", tmp_path / "k", *data)
    assert taken.code == 0, taken.err
    full = command("restore", tmp_path / "b", "--keys", tmp_path / "k", "--data", there.new)
    assert (full.code, "holds a store already" in full.err) == (2, True)
    monkeypatch.setenv("FACTORYLEDGER_DATABASE", postgres.database())
    done = command("restore", tmp_path / "b", "--keys", tmp_path / "k", "--data", there.new)
    assert done.code == 0, done.err
    assert command("audit", "--data", there.new).code == 0
    monkeypatch.delenv("FACTORYLEDGER_DATABASE")
    unnamed = command("restore", tmp_path / "b", "--data", tmp_path / "another")
    assert (unnamed.code, "--database" in unnamed.err) == (2, True)


def test_a_lost_log_folder_comes_back_from_a_mirror(command, there, tmp_path):
    """And `anchor.db`, which only knows what the folder holds, is made anew."""
    policy = ["--policy", there.data / "policy"]
    log = there.data / "log"
    assert command("tlog", "mirror", log, tmp_path / "mirror", *policy).code == 0
    note = (log / "checkpoint").read_bytes()
    shutil.rmtree(log)
    (there.data / "anchor.db").unlink()
    assert command("tlog", "mirror", tmp_path / "mirror", log, *policy).code == 0
    assert command("device", "enrol", "later-01", "--data", there.data).code == 0
    assert command("anchor", "--once", "--data", there.data).code == 0
    assert command("audit", "--data", there.data).code == 0
    assert (log / "checkpoint").read_bytes() != note
    assert command("tlog", "mirror", log, tmp_path / "mirror", *policy).code == 0, "one history"


@pytest.mark.parametrize("stem", ["anchor", "operator"])
def test_a_lost_key_is_named_and_never_made_again(command, there, stem):
    (there.data / "keys" / f"{stem}.key").unlink()
    tried = ["anchor", "--once"] if stem == "anchor" else ["device", "enrol", "later-01"]
    done = command(*tried, "--data", there.data)
    assert (done.code, f"{stem}.key" in done.err, "restore it" in done.err) == (3, True, True)
    assert command("audit", "--data", there.data).code == 0, "what was kept is still proved"
    shutil.copy2(there.keys / "keys" / f"{stem}.key", there.data / "keys")
    assert command(*tried, "--data", there.data).code == 0
