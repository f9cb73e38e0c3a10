"""A stranger's C2SP client, aics-tlog, audits the log from the web server's address alone.

It has the log's key from elsewhere, and fetches checkpoint, tiles and entries as it likes.
"""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from serve_world import served

from anchor.reading.log_reader import FolderSource
from factoryledger.cli import run

PYTHON = Path(__file__).parents[3] / ".venv-witness" / "bin" / "python"
PROGRAM = """
import json, sys
from aics_tlog import (
    audit_tiles, consistency_proof_from_tiles, parse_note, parse_vkey, read_entry,
    verify_checkpoint, verify_consistency,
)
from aics_tlog.remote import HttpTileReader

url, vkey, before = json.load(sys.stdin)
key, reader = parse_vkey(vkey), HttpTileReader(url, proxies={})
(fetched,) = reader.fetch_checkpoints()
found = verify_checkpoint(parse_note(fetched.data), key, expected_origin=key.name)
assert found.ok, found.error
try:
    report = audit_tiles(reader, found.size, found.root)
except (ValueError, OSError) as error:
    print(json.dumps(str(error))), sys.exit()
grown = [
    verify_consistency(size, found.size, bytes.fromhex(root), found.root,
                       consistency_proof_from_tiles(reader, size, found.size))
    for size, root in before
]
entries = [read_entry(reader, index, found.size).hex() for index in range(found.size)]
print(json.dumps({
    "size": found.size, "root": found.root.hex(), "tiles": report.tiles,
    "bundles": report.bundles, "grown": grown, "entries": entries, "errors": reader.last_errors,
}))
"""

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="no aics-tlog: `make witness` builds .venv-witness"
)


def command(*words):
    assert int(run([str(word) for word in words])) == 0


@pytest.fixture(scope="module")
def anchored(tmp_path_factory):
    """A ledger whose log has more than one full tile; `grow` adds to it."""
    folder = tmp_path_factory.mktemp("log")
    data, files = folder / "works", [folder / name for name in ("one.jsonl", "two.jsonl")]
    for seed, (file, seconds) in enumerate(zip(files, (270, 9), strict=True)):
        made = ["--machines", 1, "--duration", seconds, "--seed", seed]
        command("simulate", *made, "--out", file)

    def store(file):
        command("ingest", file, "--data", data)
        command("anchor", "--once", "--data", data)

    store(files[0])
    return SimpleNamespace(path=data, grow=lambda: store(files[1]))


def ask(url, vkey, before=()):
    done = subprocess.run(
        [PYTHON, "-I", "-c", PROGRAM],
        input=json.dumps([f"{url}/", vkey, list(before)]),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.e2e
def test_a_strangers_client_audits_the_log_from_the_servers_address(anchored, worlds):
    """Every tile, every entry, and that it grew from what was published before."""
    world = worlds(anchored.path)
    vkey = str(world.place.policy.log)
    with served(world) as url:
        first = ask(url, vkey)
        anchored.grow()
        then = ask(url, vkey, [(first["size"], first["root"])])
    assert 256 < first["size"] < then["size"], "a full tile and a partial one"
    assert then["tiles"] >= 3
    assert then["bundles"] == 2
    assert then["grown"] == [True]
    assert then["errors"] == first["errors"] == []
    _, view = world.place.log_reader.head
    assert then["root"] == view.checkpoint.root.hex()
    assert then["entries"] == [entry.hex() for entry in view.entries(0)]


@pytest.mark.e2e
def test_and_finds_it_changed(anchored, worlds):
    """One byte of one entry, as a server would say it that lies."""
    world = worlds(anchored.path)
    source = FolderSource(world.place.log)

    class Lying:
        def read(self, path):
            data = source.read(path)
            return data[:-1] + bytes([data[-1] ^ 1]) if path.endswith("entries/000") else data

    world.service.publishing = Lying()
    with served(world) as url:
        assert "entr" in ask(url, str(world.place.policy.log))
