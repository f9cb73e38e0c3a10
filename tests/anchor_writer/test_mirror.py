"""A mirror is the log itself, whatever ends it; and it never follows a log that takes back."""

import shutil
import sys
from itertools import count
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "anchor_verify"))

from faults import AFTER, BEFORE, LOSE_ALL, LOSE_SOME, TORN, Crash, FaultyDurable, Unsynced
from rude_server import serving
from verify_logs import MemorySource, publish, write

from anchor.errors import Diverged, Missing, Refused
from anchor.keeping.log_folder import LogFolder
from anchor.keeping.mirror import Mirror
from anchor.note import SignerKey
from anchor.reading.http_source import open_source
from anchor.reading.log_audit import audit_log
from anchor.reading.log_reader import LogReader
from anchor.reading.log_source import FolderSource

KEY = SignerKey.from_seed("example.org/log", bytes(32))
OTHER = SignerKey.from_seed("example.org/log", bytes([1]) * 32)


def entries(size, changed=None):
    return [b"another" if n == changed else b"entry %d" % n for n in range(size)]


def source_of(size, changed=None, key=KEY):
    return MemorySource(publish(key, entries(size, changed)))


def mirror_into(path, source, durable=None):
    folder = LogFolder(path, durable or Unsynced())
    with folder.lock():
        return Mirror(folder, LogReader(source, KEY.verifier)).round()


def check_whole(path, size):
    reader = LogReader(FolderSource(path), KEY.verifier)
    found = audit_log(reader)
    assert (found.size, found.findings) == (size, [])
    assert list(reader.entries()) == entries(size)


@pytest.mark.parametrize("sizes", [(1,), (255, 256, 257), (3, 700), (256, 66_000), (512, 512)])
def test_it_is_the_log_at_every_size(memory_path, sizes):
    before = 0
    for size in sizes:
        done = mirror_into(memory_path / "m", source_of(size))
        assert (done.before, done.size) == (before, size)
        check_whole(memory_path / "m", size)
        before = size
    partial = [path for path in (memory_path / "m" / "tile").rglob("*.p/*") if path.is_file()]
    assert len(partial) <= 2 * 3, "of each level what is partial now, and no more"


@pytest.mark.parametrize("mode", [BEFORE, AFTER, LOSE_ALL, LOSE_SOME, TORN])
def test_ended_at_any_step_it_is_whole_and_goes_on(memory_path, mode):
    sizes = (300, 700)
    for at in count(1):
        path = memory_path / f"{at}"
        steps = FaultyDurable(at, mode, crash)
        try:
            for size in sizes:
                mirror_into(path, source_of(size), steps)
        except Crash:
            ended = True
        else:
            ended = False
        shown = LogFolder(path).checkpoint()
        if shown is not None:
            # What is shown is all there, before anybody mends anything.
            size = LogReader(FolderSource(path), KEY.verifier).open(shown).size
            assert size in sizes
            assert list(LogReader(FolderSource(path), KEY.verifier).entries()) == entries(size)
        mirror_into(path, source_of(sizes[-1]))
        check_whole(path, sizes[-1])
        shutil.rmtree(path)
        if not ended and steps.steps < at:
            break
    assert at > 20


def crash():
    raise Crash


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (source_of(400), "it went back"),
        (source_of(600, changed=7), "another history"),
        (source_of(900, changed=7), "another history"),
        (source_of(700, key=OTHER), "sign"),
    ],
)
def test_what_takes_back_or_is_not_signed_is_not_followed(memory_path, shown, words):
    path = memory_path / "m"
    mirror_into(path, source_of(600))
    with pytest.raises(Refused, match=words):
        mirror_into(path, shown)
    check_whole(path, 600)
    mirror_into(path, source_of(800))
    check_whole(path, 800)


def test_a_false_entry_is_not_taken(memory_path):
    source = source_of(600)
    (name,) = [name for name in source.files if name.startswith("tile/entries/001")]
    source.files[name] = source.files[name].replace(b"entry 300", b"entry 3x0")
    with pytest.raises(Refused, match="false"):
        mirror_into(memory_path / "m", source)
    assert LogFolder(memory_path / "m").checkpoint() is None


def test_a_file_that_is_missing_there_stops_it(memory_path):
    source = source_of(600)
    del source.files["tile/entries/001"]
    with pytest.raises(Missing, match="001"):
        mirror_into(memory_path / "m", source)
    source = source_of(600)
    mirror_into(memory_path / "m", source)
    check_whole(memory_path / "m", 600)


def test_what_a_round_that_was_cut_off_has_kept_is_not_fetched_again(memory_path):
    source = source_of(600)
    files = dict(source.files)
    del source.files["tile/entries/002.p/88"]
    with pytest.raises(Missing):
        mirror_into(memory_path / "m", source)
    write({"tile/entries/000": files["tile/entries/000"]}, memory_path / "m")
    # Gone at the source: it must come from here.
    source.files = {name: data for name, data in files.items() if name != "tile/entries/000"}
    mirror_into(memory_path / "m", source)
    check_whole(memory_path / "m", 600)


@pytest.mark.parametrize("name", ["tile/0/002.p/88", "tile/1/000.p/2"])
def test_a_copy_that_somebody_changed_is_not_added_to(memory_path, name):
    path = memory_path / "m"
    mirror_into(path, source_of(600))
    data = (path / name).read_bytes()
    (path / name).write_bytes(bytes([data[0] ^ 1]) + data[1:])
    with pytest.raises((Diverged, Refused)):
        mirror_into(path, source_of(700))


def test_a_folder_of_another_log_is_left_alone(memory_path):
    write(publish(OTHER, entries(10)), memory_path / "m")
    with pytest.raises(Diverged, match="no copy of this log"):
        mirror_into(memory_path / "m", source_of(20))


def test_kept_checkpoints_come_along_where_they_can_be_listed(memory_path):
    first, second = source_of(300), source_of(700)
    older = first.files["checkpoint"]
    from hashlib import sha256

    def kept(note):
        return f"checkpoints/{sha256(note).hexdigest()}"

    fork = publish(KEY, entries(300, changed=3))["checkpoint"]
    second.files |= {kept(older): older, kept(fork): fork, "checkpoints/zz": b"nonsense"}
    mirror_into(memory_path / "m", second)
    names = {path.name for path in (memory_path / "m" / "checkpoints").iterdir()}
    newest = second.files["checkpoint"]
    assert names == {sha256(older).hexdigest(), sha256(newest).hexdigest()}
    check_whole(memory_path / "m", 700)


def test_over_http(memory_path):
    with serving(publish(KEY, entries(600))) as log:
        source = open_source(log.url)
        try:
            mirror_into(memory_path / "m", source)
        finally:
            source.close()
    check_whole(memory_path / "m", 600)
