"""Opening the store: one writer, the migrations, and what is no store."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

import collector
from collector.errors import StoreLocked, StoreUnavailable
from collector.store import open_store
from collector.tables import metadata

ROOT = Path(collector.__file__).parent.parent


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_migrations_give_the_tables_that_the_code_knows(kind, url, request):
    if kind == "postgresql":
        url = request.getfixturevalue("postgres").database()
    with open_store(url, create=True) as store, store.writing() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
    # An index of PostgreSQL alone, which SQLite could only have as another kind.
    extra = [(kind, item.name) for kind, item in found]
    assert extra == ([("remove_index", "messages_received")] if kind == "postgresql" else [])


def test_a_commit_is_on_the_disk_when_it_returns(url):
    with open_store(url, create=True) as store, store.reading() as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous")
        ]
    assert pragmas == ["wal", 2]


def test_what_was_committed_is_in_the_file_alone_once_the_store_is_closed(url, tmp_path):
    """Also with a reader beside it, which keeps SQLite from merging its log by itself."""
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as reader:
        with open_store(url, create=True) as store:
            reader.execute("SELECT count(*) FROM messages").fetchall()
            with store.writing() as connection:
                connection.exec_driver_sql("INSERT INTO counters VALUES ('c', 'stored', 7)")
        shutil.copy(tmp_path / "ledger.db", tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT value FROM counters").fetchall() == [(7,)]


def test_only_one_may_write(url):
    locked = pytest.raises(StoreLocked, match=f"process {os.getpid()}")
    with open_store(url, create=True), locked:
        open_store(url, create=False)
    open_store(url, create=False).close()


def test_the_lock_goes_with_a_killed_process(url):
    script = (
        "import sys, os, signal; from collector.store import open_store\n"
        f"s = open_store({url!r}, create=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert done.returncode == -9
    open_store(url, create=False).close()


def test_a_missing_store_is_made_only_when_asked(url, tmp_path):
    with pytest.raises(StoreUnavailable, match="no store at"):
        open_store(url, create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "bad",
    ["mysql://h/db", "sqlite://", "nonsense", "sqlite:///x?mode=ro", "postgresql://u:secret@h"],
)
def test_other_urls_are_refused_without_showing_a_password(bad):
    with pytest.raises(StoreUnavailable) as caught:
        open_store(bad, create=True)
    assert "secret" not in str(caught.value)


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(StoreUnavailable, match="is its folder there"):
        open_store(f"sqlite:///{tmp_path}/none/ledger.db", create=True)


def test_a_file_that_is_no_database_is_left_alone(url, tmp_path):
    file = tmp_path / "ledger.db"
    file.write_bytes(b"these are notes, not a database\n" * 100)
    with pytest.raises(StoreUnavailable, match="cannot be used as a store"):
        open_store(url, create=True)
    assert file.read_bytes() == b"these are notes, not a database\n" * 100


def test_a_store_of_a_newer_release_is_refused(url):
    with open_store(url, create=True) as store, store.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreUnavailable, match="newer release"):
        open_store(url, create=False)


def at_schema(url, revision):
    """A store as an older release left it."""
    from alembic import command
    from sqlalchemy import create_engine, make_url

    from collector.schema import _config

    parsed = make_url(url)
    driver = "postgresql+psycopg" if parsed.get_backend_name() == "postgresql" else "sqlite"
    engine = create_engine(parsed.set(drivername=driver))
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.exec_driver_sql("INSERT INTO counters VALUES ('c', 'stored', 7)")
    engine.dispose()


@pytest.mark.parametrize("revision", [f"000{number}" for number in range(1, 7)])
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_store_of_every_older_schema_comes_forward(kind, revision, url, request, tmp_path):
    """And on SQLite a copy of it as it was stays beside it."""
    url = request.getfixturevalue("postgres").database() if kind == "postgresql" else url
    at_schema(url, revision)
    with open_store(url, create=False) as store, store.writing() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
        assert connection.exec_driver_sql("SELECT value FROM counters").scalar() == 7
    assert len(found) == (kind == "postgresql")
    if kind == "sqlite":
        with closing(sqlite3.connect(tmp_path / f"ledger.db.schema-{revision}")) as copy:
            assert copy.execute("SELECT version_num FROM alembic_version").fetchone() == (revision,)
            assert copy.execute("SELECT value FROM counters").fetchone() == (7,)


def test_a_copy_of_an_earlier_upgrade_does_not_stand_for_this_one(url, tmp_path):
    """Somebody went back to the older release for a while, and left the copy where it was."""
    at_schema(url, "0006")
    (tmp_path / "ledger.db.schema-0006").write_bytes(b"of an earlier day")
    open_store(url, create=False).close()
    with closing(sqlite3.connect(tmp_path / "ledger.db.schema-0006")) as copy:
        assert copy.execute("SELECT value FROM counters").fetchone() == (7,)


def test_without_its_copy_a_store_is_not_changed(url, tmp_path):
    at_schema(url, "0006")
    (tmp_path / ".ledger.db.schema-0006.tmp").mkdir()
    with pytest.raises(StoreUnavailable, match="directory"):
        open_store(url, create=False)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as store:
        assert store.execute("SELECT version_num FROM alembic_version").fetchone() == ("0006",)


def test_a_failed_migration_leaves_nothing_behind(url, tmp_path):
    import sqlite3

    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("CREATE VIEW readings AS SELECT 1")
    connection.close()
    with pytest.raises(StoreUnavailable):
        open_store(url, create=True)
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master")]
    connection.close()
    assert names == ["readings"]


def test_the_migrations_go_wherever_the_package_goes(url, tmp_path):
    """A copy of the packages elsewhere, as a wheel installs them, can make a store."""
    elsewhere = tmp_path / "100% elsewhere"
    for package in ("collector", "telemetry"):
        shutil.copytree(
            ROOT / package, elsewhere / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    script = (
        "import collector, sys; from collector.store import open_store\n"
        f"assert collector.__file__.startswith({str(elsewhere)!r})\n"
        f"open_store({url!r}, create=True).close()"
    )
    environment = {**os.environ, "PYTHONPATH": str(elsewhere)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, check=False
    )
    assert done.returncode == 0
    open_store(url, create=False).close()
