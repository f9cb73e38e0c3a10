"""The requests folder: whole files, in an order that nobody who follows it can miss."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

from factoryledger.requests import RequestFolder


def test_names_are_time_and_hash_and_sort_as_written(tmp_path):
    folder = RequestFolder(tmp_path / "requests")
    entries = [f"entry {number}\n".encode() for number in range(20)]

    names = [folder.write(entry) for entry in entries]

    assert names == sorted(names)
    assert [name.split("-")[1] for name in names] == [
        f"{sha256(entry).hexdigest()[:16]}.entry" for entry in entries
    ]
    assert [entry for _, entry in folder.after("")] == entries
    assert [entry for _, entry in folder.after(names[16])] == entries[17:]


def test_an_entry_written_again_keeps_its_place(tmp_path):
    folder = RequestFolder(tmp_path)
    first = folder.write(b"a")
    folder.write(b"b")

    assert folder.write(b"a") == first
    assert len(folder.after("")) == 2


def test_a_clock_that_went_back_hides_nothing_from_those_who_follow(tmp_path):
    ahead = tmp_path / "9000000000000000-0123456789abcdef.entry"
    ahead.write_bytes(b"written under a clock that was ahead")
    folder = RequestFolder(tmp_path)

    folder.write(b"later")

    assert [entry for _, entry in folder.after(ahead.name)] == [b"later"]


def test_only_whole_entries_are_given(tmp_path):
    (tmp_path / ".1763870400000000-0123456789abcdef.entry.7.tmp").write_bytes(b"half")
    (tmp_path / "notes.txt").write_bytes(b"not ours")

    assert RequestFolder(tmp_path).after("") == []
    assert RequestFolder(tmp_path / "not there").after("") == []


def test_writers_at_the_same_time_take_different_places(tmp_path):
    folders = [RequestFolder(tmp_path) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda n: folders[n % 8].write(b"entry %d" % n), range(64)))

    assert len({name[:16] for name in names}) == 64
    assert len(folders[0].after("")) == 64


def test_a_folder_in_which_nothing_changed_is_not_listed_again(tmp_path):
    """A collector asks before each batch; a change within a tick of the clock is seen all the same.

    Nothing is missed by it: only a folder that has been at rest is taken as it was.
    """
    folder = RequestFolder(tmp_path)
    first = folder.write(b"first")
    now = time.time_ns()

    os.utime(tmp_path, ns=(now, now))
    assert folder.after(first) == []
    (tmp_path / f"{int(first[:16]) + 1:016d}-0123456789abcdef.entry").write_bytes(b"second")
    os.utime(tmp_path, ns=(now, now))
    [(second, entry)] = folder.after(first)
    assert entry == b"second"

    rest = now - 10**11
    os.utime(tmp_path, ns=(rest, rest))
    assert folder.after(second) == []
    (tmp_path / f"{int(first[:16]) + 2:016d}-0123456789abcdef.entry").write_bytes(b"third")
    os.utime(tmp_path, ns=(rest, rest))
    assert folder.after(second) == []
    assert [entry for _, entry in folder.after(first)] == [b"second", b"third"]
    os.utime(tmp_path, ns=(rest + 1, rest + 1))
    assert [entry for _, entry in folder.after(second)] == [b"third"]
