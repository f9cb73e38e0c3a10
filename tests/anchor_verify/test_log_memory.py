"""What an auditor of a log remembers, and what it does with it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from verify_logs import MemorySource, publish

from anchor.errors import Malformed
from anchor.note import SignerKey
from anchor.reading.log_audit import audit_log
from anchor.reading.log_memory import Memory
from anchor.reading.log_reader import LogReader

KEY = SignerKey.from_seed("example.org/log", bytes(32))
VKEY = str(KEY.verifier)


def entries_of(count):
    return [b"entry %d" % i for i in range(count)]


class Counting(MemorySource):
    """Counts what is read."""

    def __init__(self, files):
        super().__init__(files)
        self.reads = []

    def read(self, path, limit=1 << 24):
        self.reads.append(path)
        return super().read(path, limit)


def audit_of(files, memory):
    source = Counting(files)
    return audit_log(LogReader(source, KEY.verifier), memory=memory), source.reads


class CutOffError(Exception):
    pass


def cut_off(files, memory, after):
    def progress(done, _):
        if done >= after:
            raise CutOffError

    with pytest.raises(CutOffError):
        audit_log(LogReader(MemorySource(files), KEY.verifier), progress, memory=memory)


def test_an_audit_that_was_cut_off_goes_on_although_the_log_grew():
    memory = Memory()
    cut_off(publish(KEY, entries_of(1000)), memory, 512)
    assert memory.checked == 512
    audit, reads = audit_of(publish(KEY, entries_of(1300)), memory)
    assert (audit.findings, audit.resumed) == ([], 512)
    assert not {"tile/entries/000", "tile/entries/001"} & set(reads)
    assert {"tile/entries/002", "tile/entries/005.p/20"} <= set(reads)
    assert memory.checked == 0, "a whole audit starts anew the next time"
    assert memory.note == publish(KEY, entries_of(1300))["checkpoint"]


def test_what_is_false_is_never_remembered_as_checked():
    files = publish(KEY, entries_of(1000))
    files["tile/entries/001"] = files["tile/entries/001"].replace(b"entry", b"Entry", 1)
    memory = Memory()
    cut_off(files, memory, 768)
    assert memory.checked == 256
    audit, _ = audit_of(files, memory)
    assert [f.file for f in audit.findings] == ["tile/entries/001"]


@pytest.mark.parametrize(
    ("now", "kind"),
    [
        (entries_of(400), "log-truncated"),
        ([b"another", *entries_of(1100)[1:]], "log-forked"),
        ([b"another", *entries_of(600)[1:]], "log-forked"),
    ],
)
def test_a_log_that_does_not_continue_what_was_seen_is_a_finding_until_it_does(now, kind):
    """The memory stays: a fork does not become the truth by being shown twice."""
    memory = Memory()
    seen = publish(KEY, entries_of(600))
    assert audit_of(seen, memory)[0].findings == []
    for _ in range(2):
        audit, _ = audit_of(publish(KEY, now), memory)
        assert [f.kind for f in audit.findings] == [kind]
        assert memory.note == seen["checkpoint"]
    assert audit_of(publish(KEY, entries_of(601)), memory)[0].findings == []


def test_a_fork_is_not_taken_because_a_tile_was_away_while_it_was_first_shown():
    """Not to be compared is not to be the same: what was seen is held to until it is shown."""
    memory = Memory()
    seen = publish(KEY, entries_of(600))
    assert audit_of(seen, memory)[0].findings == []
    fork = publish(KEY, [b"another", *entries_of(1100)[1:]])
    away = {path: data for path, data in fork.items() if path != "tile/0/002"}
    files = [f.file for f in audit_of(away, memory)[0].findings]
    assert files == ["a checkpoint seen before", "tile/0/002"]
    assert memory.note == seen["checkpoint"]
    assert "log-forked" in [f.kind for f in audit_of(fork, memory)[0].findings]


@given(st.one_of(st.none(), st.text(max_size=50)), st.integers(0, 10**12))
def test_a_memory_is_read_as_it_was_written(text, checked):
    note = text and text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode()
    memory = Memory(note or None, checked if note else 0)
    assert Memory.from_bytes(memory.to_bytes(VKEY, "o"), VKEY, "o") == memory


@pytest.mark.parametrize(
    "change",
    [
        {"key": "another"},
        {"origin": "another"},
        {"checked": -1},
        {"checked": 1.0},
        {"checked": True},
        {"checked": "1"},
        {"checkpoint": None},
        {"checkpoint": 7},
        {"version": "factoryledger log memory v2"},
        {"more": 1},
    ],
)
def test_a_memory_of_another_log_or_form_is_refused(change):
    data = Memory(b"note\n", 7).to_bytes(VKEY, "o")
    changed = json.dumps(json.loads(data) | change, indent=1).encode() + b"\n"
    with pytest.raises(Malformed):
        Memory.from_bytes(changed, VKEY, "o")
    for cut in (0, len(data) // 2, len(data) - 1):
        with pytest.raises(Malformed):
            Memory.from_bytes(data[:cut], VKEY, "o")
    assert Memory.from_bytes(data, VKEY, "o").checked == 7
