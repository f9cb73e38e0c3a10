"""Checking whole logs: clean ones are clean, and every single false byte is found."""

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verify_logs import MemorySource, publish, write

from anchor.errors import Missing
from anchor.note import SignerKey, VerifierKey
from anchor.reading.log_audit import audit_log
from anchor.reading.log_reader import FolderSource, LogReader

KEY = SignerKey.from_seed("example.org/log", bytes(32))


def audit_of(files: dict[str, bytes]):
    return audit_log(LogReader(MemorySource(files), KEY.verifier))


def entries_of(count: int) -> list[bytes]:
    return [b"entry %d" % i for i in range(count)]


def tessera(vectors: Path) -> tuple[dict[str, bytes], VerifierKey]:
    folder = vectors / "tessera-log/log"
    files = {path: (folder / path).read_bytes() for path in FolderSource(folder).paths()}
    return files, VerifierKey.from_text((vectors / "tessera-log/log.vkey").read_text().strip())


@pytest.mark.vectors
def test_tesseras_log_is_clean(vectors: Path) -> None:
    _, key = tessera(vectors)
    audit = audit_log(LogReader(FolderSource(vectors / "tessera-log/log"), key))
    assert audit.findings == []
    assert audit.size == 15


@pytest.mark.vectors
def test_every_byte_of_tesseras_log_matters(vectors: Path) -> None:
    """Checkpoint, tiles and bundles, those of smaller trees too; not the copies of checkpoints."""
    files, key = tessera(vectors)
    checked = 0
    for path in files:
        if path != "checkpoint" and not path.startswith("tile/"):
            continue
        for place in range(len(files[path])):
            damaged = bytearray(files[path])
            damaged[place] ^= 1 << (place % 8)
            source = MemorySource({**files, path: bytes(damaged)})
            audit = audit_log(LogReader(source, key))
            assert [f.file for f in audit.findings] == [path], (path, place, audit.findings)
            checked += 1
    assert checked == 4759


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 700])
def test_a_log_of_ours_is_clean(size: int) -> None:
    audit = audit_of(publish(KEY, entries_of(size)))
    assert audit.findings == []
    assert audit.size == size


@given(size=st.integers(1, 900), data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_false_byte_is_found_and_its_file_named(size: int, data: st.DataObject) -> None:
    files = publish(KEY, entries_of(size))
    path = data.draw(st.sampled_from(sorted(files)))
    place = data.draw(st.integers(0, len(files[path]) - 1))
    damaged = bytearray(files[path])
    damaged[place] ^= data.draw(st.integers(1, 255))
    findings = audit_of({**files, path: bytes(damaged)}).findings
    assert path in {finding.file for finding in findings}
    # Nothing that is true is blamed beside it, but what can no longer be checked.
    others = {f.file for f in findings if f.file != path and "cannot be checked" not in f.detail}
    if path.startswith("tile/entries/") or path == "checkpoint":
        assert not others


@pytest.mark.parametrize("path", ["tile/0/001", "tile/entries/001", "tile/1/000.p/2"])
def test_a_file_that_is_gone_is_named(path: str) -> None:
    files = publish(KEY, entries_of(700))
    del files[path]
    findings = audit_of(files).findings
    assert path in {finding.file for finding in findings}


def test_tiles_ahead_of_the_checkpoint_are_no_finding() -> None:
    """A writer that was stopped between its tiles and its head."""
    files = {
        **publish(KEY, entries_of(600)),
        "checkpoint": publish(KEY, entries_of(500))["checkpoint"],
    }
    files |= {p: d for p, d in publish(KEY, entries_of(500)).items() if ".p/" in p}
    assert audit_of(files).findings == []


def kept(files: dict[str, bytes]) -> dict[str, bytes]:
    note = files["checkpoint"]
    return {f"checkpoints/{sha256(note).hexdigest()}": note}


def test_a_log_that_was_cut_short_contradicts_its_kept_checkpoints() -> None:
    longer = kept(publish(KEY, entries_of(600)))
    audit = audit_of({**publish(KEY, entries_of(500)), **longer})
    assert [f.kind for f in audit.findings] == ["log-truncated"]
    assert "size 600" in audit.findings[0].detail
    clean = audit_of(
        {**publish(KEY, entries_of(600)), **longer, **kept(publish(KEY, entries_of(9)))}
    )
    assert clean.findings == []
    assert clean.checkpoints == 2


def test_a_log_that_was_rewritten_contradicts_its_kept_checkpoints() -> None:
    rewritten = entries_of(600)
    rewritten[3] = b"another"
    audit = audit_of({**publish(KEY, rewritten), **kept(publish(KEY, entries_of(400)))})
    assert [f.kind for f in audit.findings] == ["log-forked"]


def test_a_root_that_no_entries_give_is_a_fork() -> None:
    rewritten = publish(KEY, [b"another", *entries_of(10)[1:]])
    audit = audit_of({**rewritten, "checkpoint": publish(KEY, entries_of(10))["checkpoint"]})
    assert [(f.kind, f.file) for f in audit.findings] == [("log-forked", "checkpoint")]


def test_a_kept_checkpoint_under_another_name_or_by_another_key_is_found() -> None:
    files = publish(KEY, entries_of(5))
    stranger = kept(publish(SignerKey.from_seed("example.org/log", b"\1" * 32), entries_of(3)))
    misnamed = {"checkpoints/" + "0" * 64: files["checkpoint"]}
    audit = audit_of({**files, **stranger, **misnamed})
    assert {f.file for f in audit.findings} == {*stranger, *misnamed}


def test_progress_ends_at_the_size(tmp_path: Path) -> None:
    write(publish(KEY, entries_of(600)), tmp_path)
    seen = list[tuple[int, int]]()
    reader = LogReader(FolderSource(tmp_path), KEY.verifier)
    assert audit_log(reader, lambda done, total: seen.append((done, total))).findings == []
    assert seen == [(256, 600), (512, 600), (600, 600)]


def test_no_log_at_all_is_missing() -> None:
    with pytest.raises(Missing):
        audit_of({})
