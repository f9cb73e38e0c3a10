"""`doctor` on set-ups that are broken, one thing each: it names that one, and what to do."""

import gc
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import make_url

sys.path.insert(0, str(Path(__file__).parents[1] / "anchor_verify"))

from rude_server import serving
from shipped_broker import shipped_plant
from test_anchor_monitor import HASH, WITNESS, cosigned, files_of, pinned

from collector.postgres import postgres_engine
from collector.schema import upgrade
from factoryledger.broker import LocalBroker, free_port
from factoryledger.broker_files import BrokerFiles
from factoryledger.data_dir import DataDir
from factoryledger.doctor import places
from factoryledger.doctor.line import bad, exit_code, good, warning

NOBODY = f"mqtt://127.0.0.1:{free_port()}"


@pytest.fixture
def ledger(anchored_once, tmp_path):
    path = tmp_path / "ledger"
    shutil.copytree(anchored_once, path)
    return SimpleNamespace(path=path, database=path / "ledger.db")


@pytest.fixture
def doctor(command):
    """Run it; gives its code and, by what each is about, the lines that are not good."""

    def call(*arguments, broker=NOBODY):
        done = command("doctor", "--json", "--broker", broker, *arguments)
        lines = json.loads(done.out)
        ill = {}
        for line in lines:
            assert line["todo"] or line["level"] == "good", "what is not good says what to do"
            # Of this machine, and of a broker that is away on purpose.
            away = line["about"] == "broker" and broker is NOBODY
            if line["level"] != "good" and not away and line["about"] not in {
                "clock", "file system", "disk"
            }:  # fmt: skip
                ill.setdefault(line["about"], []).append(line)
        return SimpleNamespace(code=done.code, lines=lines, ill=ill)

    return call


def only(found, about, level, *words):
    (line,) = found.ill[about]
    assert line["level"] == level
    for word in words:
        assert word in line["says"] + line["todo"]


def change(database, *statements):
    with closing(sqlite3.connect(database)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def test_what_is_whole_is_good(doctor, ledger, broker):
    found = doctor("--data", ledger.path, broker=str(broker.address))
    assert set(found.ill) == {"operator's key", "witnesses"}, "warnings, both right"
    assert found.code == 0
    good_about = {line["about"] for line in found.lines if line["level"] == "good"}
    assert good_about >= {
        "versions", "data folder", "keys", "store", "durability", "broker", "broker's limits",
        "broker's clients", "log", "anchoring",
    }  # fmt: skip


def test_it_changes_nothing(command, ledger, broker):
    def state():
        # SQLite's readers make its shared memory where it is not there.
        files = (path for path in sorted(ledger.path.rglob("*")) if path.is_file())
        kept = (path for path in files if not path.name.endswith(("-shm", "-wal")))
        return {path: path.read_bytes() for path in kept}

    before = state()
    command("doctor", "--data", ledger.path, "--broker", broker.address, "--probe")
    assert state() == before


def test_no_folder(doctor, tmp_path):
    found = doctor("--data", tmp_path / "nowhere")
    only(found, "data folder", "bad", "nowhere", "factoryledger init")
    assert found.code == 3
    assert not (tmp_path / "nowhere").exists()


def test_a_key_that_others_may_read(doctor, ledger):
    (ledger.path / "keys" / "anchor.key").chmod(0o644)
    found = doctor("--data", ledger.path)
    only(found, "keys", "bad", "anchor.key", "0644", "chmod 600", "rotate")


def test_a_folder_of_keys_that_others_may_use(doctor, ledger):
    (ledger.path / "keys").chmod(0o755)
    only(doctor("--data", ledger.path), "keys", "bad", "keys", "0755", "chmod 700")


def test_a_password_that_everybody_may_read(doctor, ledger, tmp_path, monkeypatch):
    file = tmp_path / "password"
    file.write_text("swordfish\n")
    file.chmod(0o644)
    monkeypatch.setenv("FACTORYLEDGER_DATABASE_PASSWORD_FILE", str(file))
    found = doctor("--data", ledger.path)
    only(found, "database_password_file", "warning", "every user", "chmod")
    assert "swordfish" not in str(found.lines)
    file.unlink()
    only(doctor("--data", ledger.path), "database_password_file", "bad", "password")


def test_a_store_of_a_newer_release(doctor, ledger):
    change(ledger.database, "UPDATE alembic_version SET version_num = '9999'")
    only(doctor("--data", ledger.path), "store", "bad", "newer release", "9999")


def test_a_store_that_is_none(doctor, ledger):
    ledger.database.write_bytes(b"not a database, and no header of one" * 100)
    found = doctor("--data", ledger.path)
    only(found, "store", "bad", "not a database")
    assert found.code == 3


def test_a_store_without_its_journal(doctor, ledger):
    change(ledger.database, "PRAGMA journal_mode = DELETE")
    only(doctor("--data", ledger.path), "durability", "warning", "journal_mode delete")


def test_messages_from_the_future(doctor, ledger):
    later = time.time_ns() // 1000 + 3_600_000_000
    change(ledger.database, f"UPDATE messages SET received_at = {later} WHERE position = 3")
    lines = doctor("--data", ledger.path).lines
    assert any("came 3,600 s from now" in line["says"] for line in lines)


def test_a_database_that_is_not_synced(doctor, ledger, monkeypatch):
    from local_postgres import LocalPostgres, find_postgres

    if find_postgres() is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    with LocalPostgres(fsync="off") as server:
        url = server.database()
        monkeypatch.setenv("FACTORYLEDGER_DATABASE", url)
        only(doctor("--data", ledger.path), "store", "warning", "is empty")
        engine = postgres_engine(make_url(url), lambda _: None)
        with engine.begin() as connection:
            upgrade(connection, "it")
        engine.dispose()
        found = doctor("--data", ledger.path)
    only(found, "durability", "bad", "fsync is off", "power cut")


def test_a_broker_that_is_away(command, ledger):
    done = command("doctor", "--json", "--broker", NOBODY, "--data", ledger.path)
    (line,) = [one for one in json.loads(done.out) if one["about"] == "broker"]
    assert (done.code, line["level"]) == (3, "bad")
    assert "refused" in line["says"]


@contextmanager
def mosquitto(tmp_path, *lines):
    """A broker with a configuration of one's own."""

    class Own(LocalBroker):
        def _command(self):
            config = self.directory / "own.conf"
            user = ["user root"] if os.geteuid() == 0 else []
            config.write_text("\n".join([f"listener {self.port} 127.0.0.1", *user, *lines, ""]))
            return [str(self.mosquitto), "-c", str(config)]

    with Own(0, tmp_path / "own-broker", embedded=False) as running:
        yield str(running.address)


def test_a_broker_that_drops_what_waits(doctor, ledger, tmp_path):
    with mosquitto(tmp_path, "allow_anonymous true", "max_queued_messages 100") as address:
        assert "broker's queue" not in doctor("--data", ledger.path, broker=address).ill
        found = doctor("--data", ledger.path, "--probe", broker=address)
    only(found, "broker's queue", "bad", "of 3,000", "max_queued_messages")


def test_a_broker_that_keeps_what_waits(doctor, ledger, broker):
    found = doctor("--data", ledger.path, "--probe", broker=str(broker.address))
    assert "all of 3,000 messages kept" in str(found.lines)
    assert "broker's queue" not in found.ill


def test_a_broker_with_limits_that_are_too_narrow(doctor, ledger, tmp_path):
    limits = ["allow_anonymous true", "max_packet_size 4096", "retain_available false"]
    limits.append("max_inflight_messages 1000")
    with mosquitto(tmp_path, *limits) as address:
        found = doctor("--data", ledger.path, broker=address)
    said = {line["says"]: line["level"] for line in found.ill["broker's limits"]}
    assert said == {
        "it retains nothing: machines learn no checkpoint": "bad",
        "packets of 4,096 bytes at most": "warning",
    }


def test_a_broker_where_one_user_takes_another_s_session(doctor, ledger, tmp_path, monkeypatch):
    (tmp_path / "pw").write_text("")
    (tmp_path / "pw").chmod(0o700)
    subprocess.run(["mosquitto_passwd", "-b", tmp_path / "pw", "ledger", "swordfish"], check=True)
    (tmp_path / "secret").write_text("swordfish\n")
    (tmp_path / "secret").chmod(0o600)
    monkeypatch.setenv("FACTORYLEDGER_BROKER_USER", "ledger")
    monkeypatch.setenv("FACTORYLEDGER_BROKER_PASSWORD_FILE", str(tmp_path / "secret"))
    with mosquitto(tmp_path, "allow_anonymous true", f"password_file {tmp_path}/pw") as address:
        found = doctor("--data", ledger.path, "--probe", broker=address)
        assert [line["todo"] for line in found.ill["broker's clients"]] == [
            "set use_username_as_clientid true",
            "set allow_anonymous false",
        ]
        (tmp_path / "secret").write_text("catfish\n")
        refused = doctor("--data", ledger.path, "--probe", broker=address)
        assert "Not authorized" in refused.ill["broker"][0]["says"]
        # Without --probe nobody logs in as a part that may be running.
        assert "broker" not in doctor("--data", ledger.path, broker=address).ill


@pytest.mark.parametrize("listener", ["secure", "address"])
def test_the_shipped_broker_is_good_over_either_listener(doctor, ledger, listener):
    """By a client of the role watch that nobody else is, so that no part is put out."""
    with shipped_plant() as plant:
        shutil.copytree(plant.files.path, ledger.path / "broker")
        found = doctor("--data", ledger.path, broker=str(getattr(plant.broker, listener)))
    said = {line["says"] for line in found.lines if line["about"].startswith("broker")}
    assert set(found.ill) == {"operator's key", "witnesses"}
    assert "nobody gets in without a name" in said
    assert any(says.endswith("answers") for says in said)


# paho leaves the socket of a handshake that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broker_of_another_authority_is_named(doctor, ledger):
    with shipped_plant() as plant, shipped_plant() as other:
        shutil.copytree(other.files.path, ledger.path / "broker")
        found = doctor("--data", ledger.path, broker=str(plant.broker.secure))
        gc.collect()
    only(found, "broker", "bad", "certificate", "broker_ca_file")


def test_a_certificate_that_is_over(doctor, ledger):
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding

    def certificate(days):
        key, now = Ed25519PrivateKey.generate(), datetime.now(UTC)
        name = x509.Name([])
        made = x509.CertificateBuilder().subject_name(name).issuer_name(name)
        made = made.public_key(key.public_key()).serial_number(x509.random_serial_number())
        made = made.not_valid_before(now - timedelta(400)).not_valid_after(now + timedelta(days))
        return made.sign(key, None).public_bytes(Encoding.PEM)

    folder = BrokerFiles(ledger.path / "broker").path / "server"
    folder.mkdir(parents=True)
    (folder / "server.crt").write_bytes(certificate(-1))
    found = doctor("--data", ledger.path)
    only(found, "certificates", "bad", "server.crt", "over since", "init --broker-host")
    (folder / "server.crt").write_bytes(certificate(10))
    only(doctor("--data", ledger.path), "certificates", "warning", "server.crt", "over on")
    (folder / "server.crt").write_bytes(certificate(100))
    assert "certificates" not in doctor("--data", ledger.path).ill


def test_a_disk_that_is_nearly_full(command, ledger, monkeypatch):
    real = os.statvfs(ledger.path)
    for left, level in ((2**20, "bad"), (2**29, "warning"), (2**33, "good")):
        fields = list(real)
        fields[0], fields[1], fields[2], fields[4] = 1, 1, 2**40, left
        monkeypatch.setattr(places.os, "statvfs", lambda _, f=tuple(fields): os.statvfs_result(f))
        done = command("doctor", "--json", "--broker", NOBODY, "--data", ledger.path)
        lines = [line for line in json.loads(done.out) if line["about"] == "disk"]
        assert [line["level"] for line in lines] == [level]


def test_a_log_that_was_changed(doctor, ledger):
    (entries,) = [
        path for path in (ledger.path / "log").rglob("tile/entries/*/*") if path.is_file()
    ]
    entries.write_bytes(entries.read_bytes()[:-1] + b"\0")
    found = doctor("--data", ledger.path)
    only(found, "log", "bad", "factoryledger audit")
    assert found.code == 1


def test_a_log_folder_that_is_an_old_copy(doctor, ledger, tmp_path):
    """The witness has cosigned more than the folder shows."""
    show(tmp_path / "copy", files_of(400))
    with serving({f"{HASH}/checkpoint": cosigned(files_of(600))}) as witness:
        found = doctor(
            "--data", ledger.path, "--log", tmp_path / "copy", *pinned(tmp_path, witness.url)
        )
    only(found, "witness w", "bad", "600 entries", "400", "old copy")
    assert found.code == 1


def test_a_witness_that_saw_another_history(doctor, ledger, tmp_path):
    show(tmp_path / "copy", files_of(600))
    with serving({f"{HASH}/checkpoint": cosigned(files_of(600, changed=7))}) as witness:
        found = doctor(
            "--data", ledger.path, "--log", tmp_path / "copy", *pinned(tmp_path, witness.url)
        )
    only(found, "witness w", "bad", "two histories")
    assert found.code == 1


def test_a_witness_that_is_away_or_is_asked_for_and_never_cosigned(doctor, ledger, tmp_path):
    show(tmp_path / "copy", files_of(600))
    away = pinned(tmp_path, f"http://127.0.0.1:{free_port()}", quorum="w")
    found = doctor("--data", ledger.path, "--log", tmp_path / "copy", *away)
    only(found, "witness w", "bad", "start it")
    assert found.ill["witness w"][0]["says"].count("http://") == 1
    only(found, "log", "bad", "quorum", "not met")
    assert WITNESS.name not in str(found.ill["log"])


def show(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def test_an_anchor_that_does_not_keep_up(doctor, ledger):
    """As if a live collector had committed a batch long ago that no checkpoint covers."""
    change(ledger.database, "UPDATE collectors SET kind = 'live'")
    change(ledger.path / "anchor.db", "DELETE FROM entries WHERE kind = 'checkpoint'")
    only(doctor("--data", ledger.path), "anchoring", "bad", "has waited", "promise 300 s")


def test_an_installation_that_was_cut_short(doctor, tmp_path):
    folder = DataDir(tmp_path / "d")
    folder.create()
    folder.policy_file.unlink()
    only(doctor("--data", tmp_path / "d"), "data folder", "bad", "never completed", "init")


def test_one_check_that_fails_hides_no_other(doctor, ledger):
    shutil.rmtree(ledger.path / "log")
    (ledger.path / "policy").write_text("nonsense\n")
    found = doctor("--data", ledger.path)
    assert "policy" in found.ill["log"][0]["says"]
    assert any(line["about"] == "store" for line in found.lines)


def test_the_worst_line_is_the_exit_code():
    fine, poor = good("a", "b"), warning("a", "b", "c")
    assert exit_code([fine, poor]) == 0
    assert exit_code([fine, bad("a", "b", "c"), poor]) == 3
    assert exit_code([bad("a", "b", "c"), bad("a", "b", "c", false=True)]) == 1


def test_people_read_lines(command, ledger):
    done = command("doctor", "--data", ledger.path, "--broker", NOBODY)
    assert done.out.startswith(("good ", "warning "))
    assert "bad      broker: " in done.out
    assert done.err == ""
