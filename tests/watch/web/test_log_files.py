"""The log over HTTP: any C2SP client reads it here, and caches know what may change."""

import asyncio
import shutil

import pytest
from serve_world import served

from factoryledger.cli import run

FOREVER = "public, max-age=31536000, immutable"


@pytest.fixture
def log(stored):
    return stored.path / "log"


def test_files_are_those_of_the_folder_with_types_and_caching(world, log):
    for path in log.rglob("*"):
        name = path.relative_to(log).as_posix()
        if not path.is_file() or name.startswith("."):
            continue
        answer = world.get(f"/{name}")
        assert answer.content == path.read_bytes(), name
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        kind = "application/octet-stream" if name.startswith("tile/") else "text/plain"
        assert answer.headers["content-type"].startswith(kind)
        wanted = {"checkpoint": "no-cache"}.get(
            name, "public, max-age=60" if ".p/" in name else FOREVER
        )
        assert answer.headers["cache-control"] == wanted, name


def test_full_tiles_never_change(stored, worlds, tmp_path):
    data = tmp_path / "full"
    shutil.copytree(stored.path, data)
    tile = data / "log" / "tile" / "0" / "000"
    tile.write_bytes(bytes(256 * 32))
    answer = worlds(data).get("/tile/0/000")
    assert answer.headers["cache-control"] == FOREVER
    assert len(answer.content) == 256 * 32


def test_what_is_no_file_of_a_log_is_not_given_out(stored, worlds, tmp_path):
    data = tmp_path / "more"
    shutil.copytree(stored.path, data)
    for name in ("tile/notes", "tile/0/000.old", "checkpoints/draft"):
        (data / "log" / name).write_text("not for strangers")
        assert worlds(data).get(f"/{name}").status_code == 404, name


def test_an_auditor_of_ours_reads_the_log_at_this_address(world, stored, capsys):
    policy = (stored.path / "policy").read_text()
    key = next(line.split()[1] for line in policy.splitlines() if line.startswith("log "))
    with served(world) as url:
        code = run(["tlog", "audit", url, "--vkey", key])
    said = capsys.readouterr()
    assert code == 0, said.err
    assert "24" in said.out


def test_a_packed_answer_is_none(world):
    async def ask():
        async with world.client(headers={"accept-encoding": "gzip"}) as client:
            return await client.get("/tile/entries/000.p/24")

    assert "content-encoding" not in asyncio.run(ask()).headers
