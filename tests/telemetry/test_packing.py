"""Packed recordings: the same lines, also of a file that was cut short."""

import io
import sys
import tracemalloc

import pytest

from telemetry.errors import MalformedRecording, NotInstalled
from telemetry.packing import Packing
from telemetry.recording import Header, Line, Writer, read

HEADER = Header("test", ("#",), "simulated", 0)


def packed(count, *, close=True, flush=0):
    file = io.BytesIO()
    packing = Packing(file)
    writer = Writer(packing, HEADER)
    for number in range(count):
        writer.write(Line(number, "a", b"%d" % number))
        if flush and number % flush == 0:
            packing.flush()
    if close:
        writer.close()
        packing.close()
    return file.getvalue()


def test_a_packed_recording_comes_back_and_is_smaller():
    data = packed(5000)
    reading = read(io.BytesIO(data), "x")
    found = list(reading)
    assert [line.payload for _, line in found] == [b"%d" % number for number in range(5000)]
    assert reading.complete is True
    assert len(data) < 5000 * 20


def test_two_frames_are_one_file():
    whole = packed(3)
    first, second = Packing(one := io.BytesIO()), Packing(two := io.BytesIO())
    plain = b"".join(open_all(whole))
    first.write(plain[:100])
    second.write(plain[100:])
    first.close()
    second.close()
    reading = read(io.BytesIO(one.getvalue() + two.getvalue()), "x")
    assert len(list(reading)) == 3
    assert reading.complete is True


def open_all(data):
    from telemetry.packing import unpacked

    return list(unpacked(io.BytesIO(data)))


def test_what_was_flushed_is_read_after_a_kill():
    data = packed(1000, close=False, flush=100)
    reading = read(io.BytesIO(data), "x")
    assert len(list(reading)) == 901
    assert reading.complete is False


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.999])
def test_a_file_cut_anywhere_gives_its_whole_lines(keep):
    data = packed(5000, flush=10)
    reading = read(io.BytesIO(data[: int(len(data) * keep)]), "x")
    found = [line.payload for _, line in reading]
    assert found == [b"%d" % number for number in range(len(found))]
    assert 0 < len(found) < 5000 or keep > 0.99
    assert reading.complete is not True or len(found) == 5000


def test_damage_is_named_and_nothing_can_go_on():
    data = bytearray(packed(20_000))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(MalformedRecording, match=r"x, line \d+: "):
        list(read(io.BytesIO(bytes(data)), "x"))


def test_memory_does_not_grow_with_what_is_packed(tmp_path):
    path = tmp_path / "bomb.zst"
    with path.open("wb") as file:
        packing = Packing(file)
        writer = Writer(packing, HEADER)
        for number in range(3000):
            writer.write(Line(number, "a", b"x" * 5000))
        writer.close()
        packing.close()
    tracemalloc.start()
    with path.open("rb") as file:
        assert sum(1 for _ in read(file, "x")) == 3000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3_000_000


def test_without_the_library_it_says_what_to_install(monkeypatch):
    data = packed(1)
    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    with pytest.raises(NotInstalled, match=r"factoryledger\[zstd\]"):
        read(io.BytesIO(data), "x")
