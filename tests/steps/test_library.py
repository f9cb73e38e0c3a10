"""The library itself: each fault does what it says, and a missing fsync is seen."""

import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from library import armed, preloaded
from power_cut import Disk, records

WRITER = """
import os, sys
from pathlib import Path
folder, skipped = Path(sys.argv[1]), sys.argv[2]
def sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    if skipped != path.name:
        os.fsync(descriptor)
    os.close(descriptor)
for number in range(3):
    temporary = folder / "head.tmp"
    temporary.write_bytes(b"%d" % number * 4000)
    sync(temporary)
    temporary.replace(folder / "head")
    sync(folder)
    sys.stdout.write("done\\n")
"""
DATABASE = """
import ctypes, sqlite3, sys
mark = ctypes.CDLL(None).steps_mark
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA journal_mode=WAL")
db.execute(f"PRAGMA synchronous={sys.argv[2]}")
db.execute("CREATE TABLE t (n)")
for number in range(6):
    db.execute("INSERT INTO t VALUES (?)", (number,))
    mark(b"%d" % number, 1)
"""


@pytest.fixture
def folder(memory_path):
    place = memory_path / "disk"
    place.mkdir()
    return place


@pytest.fixture
def run(library, folder):
    """Run a program with the library, armed for `folder`; its end, and what it wrote."""

    def runs(program, *arguments, **settings):
        env = preloaded(library) | armed(
            [folder], log=folder.parent / "log", trace=folder.parent / "trace", **settings
        )
        command = [sys.executable, "-c", program, *map(str, arguments)]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    return runs


def trace_of(folder):
    return list(records((folder.parent / "trace").read_bytes()))


def test_it_counts_the_steps_and_names_them(run, folder):
    assert run(WRITER, folder, "").returncode == 0
    lines = (folder.parent / "log").read_text().splitlines()
    assert [line.split()[1:3] for line in lines[:5]] == [
        ["1", "create"], ["2", "write"], ["3", "fsync"], ["4", "rename"], ["5", "fsync"],
    ]  # fmt: skip
    assert len(lines) == 15


@pytest.mark.parametrize(
    ("fault", "at", "names", "size"),
    [
        ("kill-before", 2, ["head.tmp"], 0),
        ("kill-after", 2, ["head.tmp"], 4000),
        ("torn", 2, ["head.tmp"], 2000),
        ("kill-before", 4, ["head.tmp"], 4000),
        ("torn", 4, ["head.tmp"], 4000),
        ("kill-after", 4, ["head"], 4000),
    ],
)
def test_it_kills_before_within_or_after(run, folder, fault, at, names, size):
    assert run(WRITER, folder, "", fault=fault, at=at).returncode == -signal.SIGKILL
    assert [path.name for path in folder.iterdir()] == names
    assert next(folder.iterdir()).stat().st_size == size


@pytest.mark.parametrize("at", range(1, 6))
def test_a_call_that_fails_is_not_done(run, folder, at):
    done = run(WRITER, folder, "", fault="EIO", at=at)
    assert "[Errno 5] Input/output error" in done.stderr
    assert done.stdout == ""
    assert (folder / "head").exists() == (at == 5)


def test_a_full_disk_takes_half_and_stays_full_for_a_while(run, folder):
    program = """
import os, sys
descriptor = os.open(sys.argv[1] + "/file", os.O_WRONLY | os.O_CREAT)
for _ in range(6):
    try:
        print(os.write(descriptor, bytes(100)))
    except OSError as error:
        print(error.strerror)
"""
    done = run(program, folder, fault="ENOSPC", at=2, lasting=3)
    full = "No space left on device"
    assert done.stdout.splitlines() == ["50", full, full, full, "100", "100"]


def test_chance_is_the_same_for_the_same_seed(run, folder):
    def failed(seed):
        (folder.parent / "log").unlink(missing_ok=True)
        run("import os,sys\nfor n in range(200):\n  try: os.mkdir(f'{sys.argv[1]}/{n}')\n"
            "  except OSError: pass", folder, fault="EIO", chance=0.1, seed=seed)  # fmt: skip
        for path in folder.iterdir():
            path.rmdir()
        lines = (folder.parent / "log").read_text().splitlines()
        return [number for number, line in enumerate(lines) if line.endswith(" EIO")]

    first = failed(1)
    assert first == failed(1) != failed(2)
    assert 5 < len(first) < 40


@pytest.mark.parametrize(("skipped", "lost"), [("", False), ("head.tmp", True), ("disk", True)])
def test_a_missing_fsync_is_seen_by_the_power_cut(run, folder, skipped, lost):
    """Of the bytes before the rename, of the folder after it."""
    disk = Disk(folder)
    run(WRITER, folder, skipped)
    for record in trace_of(folder):
        disk.play(record)
    assert (disk.after_cut().get("head") != b"2" * 4000) == lost


def test_what_a_failed_fsync_was_to_cover_stays_lost(run, folder):
    disk = Disk(folder)
    program = """
import os, sys
descriptor = os.open(sys.argv[1] + "/file", os.O_WRONLY | os.O_CREAT)
os.write(descriptor, b"lost")
for wanted in (False, True):
    try:
        os.fsync(descriptor)
    except OSError:
        assert not wanted
os.write(descriptor, b"kept")
os.fsync(descriptor)
os.fsync(os.open(sys.argv[1], os.O_RDONLY))
"""
    assert run(program, folder, fault="EIO", at=3).returncode == 0
    for record in trace_of(folder):
        disk.play(record)
    assert disk.after_cut() == {"file": b"\0\0\0\0kept"}


@pytest.mark.parametrize(("synchronous", "safe"), [("FULL", True), ("NORMAL", False)])
def test_a_commit_of_sqlite_survives_a_cut_only_if_it_is_synced(run, folder, synchronous, safe):
    disk, lost = Disk(folder), 0
    run(DATABASE, folder / "a.db", synchronous)
    for record in trace_of(folder):
        disk.play(record)
        for chance in (None, random.Random(record.position)):
            if disk.told:
                disk.cut_into(folder.parent / "cut", chance)
                lost += rows_in(folder.parent / "cut" / "a.db") < len(disk.told)
    assert (lost == 0) == safe


def rows_in(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        try:
            return db.execute("SELECT count(*) FROM t").fetchone()[0]
        except sqlite3.OperationalError:
            return 0
