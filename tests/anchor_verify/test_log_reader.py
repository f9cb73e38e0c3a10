"""Reading tiled logs: strangers' real ones, forged ones, and over HTTP."""

import json
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verify_logs import MemorySource, publish

from anchor.errors import Malformed, Missing, Refused, Unreachable
from anchor.merkle import (
    check_consistency,
    check_inclusion,
    consistency_path,
    inclusion_path,
    leaf_hash,
    tree_root,
)
from anchor.note import SignerKey, VerifierKey
from anchor.reading.http_source import HttpSource, Patience, open_source
from anchor.reading.log_reader import FolderSource, Layout, LogReader
from anchor.tile import tiles_of

SUMDB = Layout(checkpoint="latest", tile="tile/8")
KEY = SignerKey.from_seed("example.org/log", bytes(32))


def entries_of(count: int) -> list[bytes]:
    return [b"entry %d" % i for i in range(count)]


def reader_of(files: dict[str, bytes]) -> LogReader:
    return LogReader(MemorySource(files), KEY.verifier)


@pytest.mark.vectors
def test_the_go_checksum_database_is_read_and_its_tiles_authenticated(vectors: Path) -> None:
    reader = sumdb(vectors, {})
    assert reader.view.size == 3071412
    known = json.loads((vectors / "attacks/known.json").read_text())["cve_2026_56865_forged_tile"]
    path = reader.inclusion(known["index"])
    leaf = reader.view.leaf(known["index"])
    root = reader.view.checkpoint.root
    check_inclusion(leaf=leaf, index=known["index"], size=3071412, path=path, root=root)


@pytest.mark.vectors
def test_a_forged_tile_is_refused_before_any_hash_comes_out(vectors: Path) -> None:
    """CVE-2026-56865: golang.org/x/mod before 0.40.0 accepted and cached this tile."""
    known = json.loads((vectors / "attacks/known.json").read_text())["cve_2026_56865_forged_tile"]
    path = known["tile"].removeprefix("sumdb/")
    tile = bytearray((vectors / known["tile"]).read_bytes())
    patch = bytes.fromhex(known["patch_hex"])
    tile[known["patch_offset"] : known["patch_offset"] + len(patch)] = patch
    assert patch == leaf_hash(known["evil_record"].encode())
    view = sumdb(vectors, {path: bytes(tile)}).view
    for ask in (view.leaf, view.inclusion):
        with pytest.raises(Refused, match="x010/138 is false"):
            ask(known["index"])
    number = known["index"] // 256
    for width in (1, 256):
        with pytest.raises(Refused):
            view.tile(0, number, width)
    assert view.tile(1, number // 256)  # its true parent is still given


@pytest.mark.vectors
def test_tesseras_log_gives_every_entry_and_every_older_root(vectors: Path) -> None:
    folder = vectors / "tessera-log/log"
    key = VerifierKey.from_text((vectors / "tessera-log/log.vkey").read_text().strip())
    reader = LogReader(FolderSource(folder), key)
    entries = list(reader.entries())
    assert len(entries) == reader.view.size == 15
    for size in range(1, 16):
        older = reader.open((folder / f"checkpoint.{size}").read_bytes())
        assert (
            older.root == reader.view.root(size) == tree_root(list(map(leaf_hash, entries[:size])))
        )


@given(size=st.integers(1, 1200), data=st.data())
@settings(max_examples=25, deadline=None)
def test_entries_and_proofs_are_those_of_the_tree(size: int, data: st.DataObject) -> None:
    entries = entries_of(size)
    leaves = list(map(leaf_hash, entries))
    reader = reader_of(publish(KEY, entries))
    index = data.draw(st.integers(0, size - 1))
    older = data.draw(st.integers(index + 1, size))
    assert reader.entry(index) == entries[index]
    assert list(reader.entries(index, older)) == entries[index:older]
    assert reader.inclusion(index, older) == inclusion_path(leaves[:older], index)
    assert reader.consistency(older) == consistency_path(leaves, older)
    check_consistency(
        old_size=older,
        old_root=reader.view.root(older),
        size=size,
        root=tree_root(leaves),
        path=reader.consistency(older),
    )


@given(size=st.integers(1, 70_000), data=st.data())
@settings(max_examples=15, deadline=None)
def test_a_false_byte_in_any_tile_is_refused_when_it_matters(
    size: int, data: st.DataObject
) -> None:
    """Over leaf hashes alone, so that trees of three levels are cheap."""
    files, leaves = tree_files(size)
    tile = data.draw(st.sampled_from(list(tiles_of(size))))
    place = data.draw(st.integers(0, tile.width * 32 - 1))
    damaged = bytearray(files[tile.path])
    damaged[place] ^= data.draw(st.integers(1, 255))
    view = reader_of({**files, tile.path: bytes(damaged)}).view
    with pytest.raises(Refused):
        view.tile(tile.level, tile.number)
    clean = reader_of(files).view
    assert clean.tile(tile.level, tile.number) == files[tile.path]
    index = data.draw(st.integers(0, size - 1))
    assert clean.leaf(index) == leaves[index]


def test_a_partial_tile_that_is_gone_is_taken_from_the_full_one() -> None:
    old, new = publish(KEY, entries_of(300)), publish(KEY, entries_of(600))
    mixed = {p: d for p, d in new.items() if ".p/" not in p}
    mixed["tile/1/000.p/1"] = old["tile/1/000.p/1"]
    mixed["checkpoint"] = old["checkpoint"]
    reader = reader_of(mixed)
    assert reader.entry(299) == b"entry 299"
    assert list(reader.entries()) == entries_of(300)
    with pytest.raises(ValueError, match="size 300"):
        reader.entry(300)


def test_nothing_is_kept_of_a_tile_that_was_refused() -> None:
    files = publish(KEY, entries_of(700))
    true = files["tile/0/001"]
    reader = reader_of(files)
    files["tile/0/001"] = bytes(8192)
    with pytest.raises(Refused):
        reader.view.leaf(300)
    files["tile/0/001"] = true
    assert reader.view.leaf(300) == leaf_hash(b"entry 300")


@pytest.mark.parametrize(
    ("path", "data", "error"),
    [
        ("tile/0/001", b"\0" * 8191, Malformed),
        ("tile/0/001", b"\0" * 8193, Malformed),
        ("tile/0/001", b"", Malformed),
        ("tile/entries/001", b"\x00", Malformed),
        ("tile/entries/001", b"\x00\x01a" * 257, Malformed),
        ("tile/entries/001", b"\x00\x01a" * 256, Refused),
        ("tile/entries/001", b"\x00\x01a" * 255, Malformed),
        ("tile/1/000.p/2", b"\0" * 64, Refused),
    ],
)
def test_files_of_wrong_form_or_content_name_themselves(
    path: str, data: bytes, error: type[Exception]
) -> None:
    reader = reader_of({**publish(KEY, entries_of(700)), path: data})
    with pytest.raises(error, match=path):
        reader.entry(300)


def test_a_checkpoint_by_another_key_or_of_another_origin_is_refused() -> None:
    files = publish(SignerKey.from_seed("example.org/log", b"\1" * 32), entries_of(3))
    with pytest.raises(Refused, match="not signed by"):
        reader_of(files).entry(0)
    files = publish(KEY, entries_of(3))
    with pytest.raises(Refused, match="not of 'elsewhere'"):
        LogReader(MemorySource(files), KEY.verifier, origin="elsewhere").entry(0)


def test_an_empty_log_has_no_entries_and_no_log_is_missing() -> None:
    empty = reader_of(publish(KEY, []))
    assert list(empty.entries()) == []
    with pytest.raises(ValueError, match="size 0"):
        empty.entry(0)
    with pytest.raises(Missing, match="checkpoint"):
        reader_of({}).entry(0)


def test_a_folder_is_read_inside_only_and_bounded(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "log/checkpoint").write_bytes(b"x" * 100)
    source = FolderSource(tmp_path / "log")
    for outside in ("../secret", "/etc/passwd", "a/../../secret"):
        with pytest.raises(Malformed, match="not a path inside"):
            source.read(outside)
    with pytest.raises(Malformed, match="longer than the 99"):
        source.read("checkpoint", 99)
    with pytest.raises(Missing):
        source.read("tile")
    assert list(source.paths()) == ["checkpoint"]


def test_a_kept_checkpoint_is_found_by_its_hash(tmp_path: Path) -> None:
    note = publish(KEY, entries_of(3))["checkpoint"]
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / sha256(note).hexdigest()).write_bytes(note)
    source = FolderSource(tmp_path)
    assert source.published(sha256(note).digest()) == note
    assert source.published(bytes(32)) is None


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path.endswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/checkpoint")
            self.end_headers()
        else:
            super().do_GET()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    for path, data in publish(KEY, entries_of(600)).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path)))
    thread = Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_a_log_is_read_over_http(server: str) -> None:
    with HttpSource(server) as source:
        reader = LogReader(source, KEY.verifier)
        assert list(reader.entries()) == entries_of(600)
        assert reader.inclusion(3) == inclusion_path(list(map(leaf_hash, entries_of(600))), 3)
        with pytest.raises(Missing, match="status 404"):
            source.read("tile/0/999")
        with pytest.raises(Missing, match="redirects to '/checkpoint'"):
            source.read("moved")
        with pytest.raises(Malformed, match="longer than the 10 bytes"):
            source.read("checkpoint", 10)
        assert source.paths() is None


def test_a_server_that_is_not_there_is_unreachable() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    once, refusing = Patience(tries=1), httpx.MockTransport(refuse)
    with (
        HttpSource("http://log.test/", patience=once, transport=refusing) as source,
        pytest.raises(Unreachable, match=r"http://log\.test/checkpoint cannot be read"),
    ):
        LogReader(source, KEY.verifier).checkpoint()


def test_a_place_is_an_address_or_a_folder() -> None:
    assert isinstance(open_source("log"), FolderSource)
    source = open_source("https://log.test/x")
    assert isinstance(source, HttpSource)
    assert str(source) == "https://log.test/x/"
    source.close()
    with pytest.raises(Malformed):
        HttpSource("ftp://log.test")


class Overlay(FolderSource):
    """A folder with some files replaced."""

    def __init__(self, path: Path, files: dict[str, bytes]) -> None:
        super().__init__(path)
        self._files = files

    def read(self, path: str, limit: int = 1 << 24) -> bytes:
        return self._files.get(path) or super().read(path, limit)


def sumdb(vectors: Path, files: dict[str, bytes]) -> LogReader:
    key = VerifierKey.from_text((vectors / "sumdb/log.vkey").read_text().strip())
    source = Overlay(vectors / "sumdb", files)
    return LogReader(source, key, layout=SUMDB, origin="go.sum database tree")


def tree_files(size: int) -> tuple[dict[str, bytes], list[bytes]]:
    leaves = [i.to_bytes(32, "big") for i in range(size)]
    return publish(KEY, None, leaves=leaves), leaves
