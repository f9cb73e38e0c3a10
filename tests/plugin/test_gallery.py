"""The gallery is small, whole, and what its maker makes."""

import importlib.util
from pathlib import Path

import pytest

from factoryledger.testing.replays import GALLERY
from telemetry.recording import read

spec = importlib.util.spec_from_file_location(
    "gallery", Path(__file__).with_name("make_gallery.py")
)
gallery = importlib.util.module_from_spec(spec)
spec.loader.exec_module(gallery)

FILES = sorted(GALLERY.glob("*.jsonl"))


def test_it_is_under_a_megabyte_and_made_by_the_simulator(tmp_path):
    assert sum(path.stat().st_size for path in FILES) < 1_000_000
    gallery.make(tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in FILES}, "run make_gallery.py"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_is_whole(path):
    with path.open("rb") as file:
        reading = read(file, str(path))
        assert sum(1 for _ in reading) > 10
    assert reading.complete is True


def test_the_odd_ones_come_back_to_the_byte():
    with (GALLERY / "odd.jsonl").open("rb") as file:
        assert [line for _, line in read(file, "odd")] == list(gallery.odd_lines())
