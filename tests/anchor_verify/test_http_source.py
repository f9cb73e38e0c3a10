"""A log behind a server that stalls, cuts, is busy, drips, swells or lies."""

import json
from contextlib import contextmanager
from pathlib import Path

import pytest
from rude_server import (
    bomb,
    busy,
    cut,
    endless,
    gone,
    hollow,
    packed,
    packed_and_cut,
    packed_and_more,
    packed_falsely,
    packed_otherwise,
    reset,
    serving,
    whole,
)
from verify_logs import publish

from anchor.errors import Malformed, Missing, Refused, Unreachable
from anchor.merkle import check_inclusion
from anchor.note import SignerKey, VerifierKey
from anchor.reading.http_source import HttpSource, Patience
from anchor.reading.log_audit import audit_log
from anchor.reading.log_memory import Memory
from anchor.reading.log_reader import FolderSource, Layout, LogReader
from telemetry.backoff import Backoff

KEY = SignerKey.from_seed("example.org/log", bytes(32))
FILES = publish(KEY, [b"entry %d" % i for i in range(700)])
AT_ONCE = Backoff(first=0.001, limit=0.001)


@contextmanager
def reading(server, *, tries=4, silence=30.0, whole=60.0):
    patience = Patience(silence=silence, whole=whole, tries=tries, backoff=AT_ONCE)
    with HttpSource(server.url, patience=patience) as source:
        yield source


def test_one_connection_serves_a_whole_audit():
    with serving(FILES) as server, reading(server) as source:
        audit = audit_log(LogReader(source, KEY.verifier))
    assert (audit.size, audit.findings) == (700, [])
    assert server.connections == 1
    assert max(server.asked.values()) == 1, "no file is read twice"


@pytest.mark.parametrize("manner", [cut, reset, busy], ids=lambda m: m.__name__)
def test_what_goes_wrong_on_the_way_is_asked_for_again(manner):
    with serving(FILES) as server, reading(server) as source:
        for path in ("checkpoint", "tile/0/001", "tile/entries/002.p/188"):
            server.manners[path] = [manner, manner, manner]
        audit = audit_log(LogReader(source, KEY.verifier))
        assert (audit.size, audit.findings) == (700, [])
        assert server.asked["tile/0/001"] == 4


@pytest.mark.parametrize("manner", [cut, reset, busy], ids=lambda m: m.__name__)
def test_a_server_that_stays_so_is_unreachable_and_no_finding(manner):
    """The log is not to blame for its network; what was checked is remembered."""
    memory = Memory()
    with serving(FILES) as server, reading(server) as source:
        server.manners["tile/entries/001"] = [manner] * 4
        with pytest.raises(Unreachable, match=r"entries/001 cannot be read, asked 4 times"):
            audit_log(LogReader(source, KEY.verifier), memory=memory)
        assert server.asked["tile/entries/001"] == 4
        assert (memory.note, memory.checked) == (FILES["checkpoint"], 256)
        server.asked.clear()
        audit = audit_log(LogReader(source, KEY.verifier), memory=memory)
        assert (audit.findings, audit.resumed, memory.checked) == ([], 256, 0)
        assert "tile/entries/000" not in server.asked
        assert server.asked["tile/entries/001"] == 1


def test_a_server_that_stalls_is_left_and_asked_again():
    with serving(FILES) as server, reading(server, silence=0.2) as source:
        server.manners["tile/0/000"] = [server.stall]
        assert source.read("tile/0/000") == FILES["tile/0/000"]
        server.manners["tile/0/000"] = [server.stall] * 4
        with pytest.raises(Unreachable, match="ReadTimeout"):
            source.read("tile/0/000")


def test_a_server_that_drips_cannot_hold_us():
    """No silence is long, and yet the whole must end."""
    with serving(FILES) as server, reading(server, whole=0.3, tries=2) as source:
        server.manners["checkpoint"] = [server.drip, server.drip]
        with pytest.raises(Unreachable, match=r"no whole answer within 0\.3 s"):
            source.read("checkpoint")
        assert server.asked["checkpoint"] == 2
        assert source.read("checkpoint") == FILES["checkpoint"]


def test_a_body_without_end_is_cut_at_what_a_file_may_have():
    with serving(FILES) as server, reading(server) as source:
        server.manners["tile/0/000"] = [endless]
        with pytest.raises(Malformed, match="longer than the 8192 bytes"):
            source.read("tile/0/000", 8192)
        assert source.read("tile/0/000") == FILES["tile/0/000"]


def test_a_log_that_packs_its_files_is_read():
    """C2SP tlog-tiles: gzip without negotiation, and clients should take it."""
    with serving(FILES) as server, reading(server) as source:
        server.manners = {path: [packed] for path in FILES}
        audit = audit_log(LogReader(source, KEY.verifier))
    assert (audit.size, audit.findings) == (700, [])
    assert max(server.asked.values()) == 1


@pytest.mark.parametrize(
    ("manner", "why"),
    [
        (packed_otherwise, r"comes packed \(br\), which was not asked for"),
        (packed_falsely, "cannot be unpacked"),
        (packed_and_cut, "not as one whole"),
        (packed_and_more, "not as one whole"),
        (bomb, "longer than the 8192 bytes"),
        (hollow, "longer than the 8192 bytes"),
    ],
    ids=lambda given: getattr(given, "__name__", None),
)
def test_what_is_packed_falsely_or_into_more_is_refused(manner, why):
    with serving(FILES) as server, reading(server) as source:
        server.manners["tile/0/000"] = [manner]
        with pytest.raises(Malformed, match=why):
            source.read("tile/0/000", 8192)
        assert source.read("tile/0/000") == FILES["tile/0/000"]


def test_a_file_that_is_not_there_is_asked_for_once():
    with serving(FILES) as server, reading(server) as source:
        with pytest.raises(Missing, match="status 404"):
            source.read("tile/0/777")
        assert server.asked["tile/0/777"] == 1


def test_a_partial_tile_that_is_gone_is_taken_from_the_full_one():
    """The log grew while it was read, and swept (C2SP tlog-tiles)."""
    old = publish(KEY, [b"entry %d" % i for i in range(300)])
    grown = {path: data for path, data in FILES.items() if ".p/" not in path}
    # The level above is partial in both, so its narrower file has to be there still.
    grown |= {"checkpoint": old["checkpoint"], "tile/1/000.p/1": old["tile/1/000.p/1"]}
    with serving(grown) as server, reading(server) as source:
        audit = audit_log(LogReader(source, KEY.verifier))
    assert (audit.size, audit.findings) == (300, [])
    assert server.asked["tile/0/001.p/44"] == server.asked["tile/0/001"] == 1


@pytest.mark.parametrize("path", ["tile/0/001", "tile/entries/001", "tile/1/000.p/2"])
def test_a_server_that_lies_once_is_found_out_and_never_asked_for_a_better_answer(path):
    def lie(peer, body):
        return whole(peer, bytes([body[0] ^ 1]) + body[1:])

    with serving(FILES) as server, reading(server) as source:
        server.manners[path] = [lie]
        audit = audit_log(LogReader(source, KEY.verifier))
    # Of the right edge no single file can be named: read again, all are true.
    assert path in "".join(f.file + f.detail for f in audit.findings)


def test_tiles_that_a_server_refuses_are_a_finding():
    with serving(FILES) as server, reading(server) as source:
        server.manners["tile/entries/001"] = [gone]
        audit = audit_log(LogReader(source, KEY.verifier))
    assert [f.file for f in audit.findings] == ["tile/entries/001"]


@pytest.mark.vectors
def test_tesseras_log_is_clean_over_http(vectors: Path):
    folder = vectors / "tessera-log/log"
    key = VerifierKey.from_text((vectors / "tessera-log/log.vkey").read_text().strip())
    files = {path: (folder / path).read_bytes() for path in FolderSource(folder).paths()}
    with serving(files) as server, reading(server) as source:
        audit = audit_log(LogReader(source, key))
    assert (audit.size, audit.findings) == (15, [])
    assert server.connections == 1


@pytest.mark.vectors
def test_a_forged_tile_of_the_go_checksum_database_is_refused_over_http(vectors: Path):
    """CVE-2026-56865: a server gives one reader another tile; every real one beside it is true."""
    known = json.loads((vectors / "attacks/known.json").read_text())["cve_2026_56865_forged_tile"]
    folder = vectors / "sumdb"
    files = {path: (folder / path).read_bytes() for path in FolderSource(folder).paths()}
    key = VerifierKey.from_text(files["log.vkey"].decode().strip())
    layout = Layout(checkpoint="latest", tile="tile/8")
    path, at = known["tile"].removeprefix("sumdb/"), known["patch_offset"]
    patch = bytes.fromhex(known["patch_hex"])
    forged = files[path][:at] + patch + files[path][at + len(patch) :]
    with serving(files) as server, reading(server) as source:
        reader = LogReader(source, key, layout=layout, origin="go.sum database tree")
        leaf, index = reader.view.leaf(known["index"]), known["index"]
        assert leaf != patch
        tree = reader.view.checkpoint
        proof = dict(index=index, size=tree.size, path=reader.inclusion(index), root=tree.root)
        check_inclusion(leaf=leaf, **proof)
    with serving(files | {path: forged}) as server, reading(server) as source:
        view = LogReader(source, key, layout=layout, origin="go.sum database tree").view
        for ask in (view.leaf, view.inclusion):
            with pytest.raises(Refused, match="x010/138 is false"):
                ask(known["index"])
        assert server.connections == 1
