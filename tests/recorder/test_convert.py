"""A recording in another format says the same, or which line cannot be said in it."""

import json
import os
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.convert import WRITTEN, convert
from telemetry.errors import MalformedRecording
from telemetry.properties import Properties
from telemetry.recording import Header, Line, Writer, read

HEADER = Header("test", ("#",), "simulated", 0)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="+#\0"), min_size=1, max_size=12)
PLAIN = st.builds(
    Line, st.integers(0, 2**50), NAMES, TEXTS.map(str.encode), st.integers(0, 2), st.booleans()
)


def written(path, lines, *, end=True):
    with path.open("wb") as file:
        writer = Writer(file, HEADER)
        for line in lines:
            writer.write(line)
        if end:
            writer.close()
    return path


def lines_of(path, **how):
    with path.open("rb") as file:
        reading = read(file, str(path), **how)
        return [line for _, line in reading], reading


@given(st.lists(PLAIN, max_size=4), st.sampled_from(WRITTEN), st.sampled_from(["", ".zst"]))
def test_text_goes_there_and_back(lines, to, suffix):
    with tempfile.TemporaryDirectory() as folder:
        source = written(Path(folder) / "source", lines)
        there, back = Path(folder) / f"there{suffix}", Path(folder) / "back"
        assert convert(file=source, out=there, to=to).written == len(lines)
        form = None if to == "recording" else to
        result = convert(file=there, out=back, form=form)
        assert (result.written, result.skipped, result.reduced) == (len(lines), 0, 0)
        found, reading = lines_of(back)
        assert found == lines
        assert reading.complete is True
        assert {one.name for one in Path(folder).iterdir()} == {"source", there.name, "back"}


RICH = Line(2, "a", b"x", properties=Properties(content_type="t"))
BINARY = Line(1, "a", b"\xff\x00")


def test_any_message_fits_into_ours_and_any_payload_into_base64(tmp_path):
    source = written(tmp_path / "source", [BINARY, RICH])
    convert(file=source, out=tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()
    source = written(tmp_path / "source", [BINARY])
    convert(file=source, out=tmp_path / "rows", to="mqtt-recorder-base64")
    assert lines_of(tmp_path / "rows", form="mqtt-recorder-base64")[0] == [BINARY]
    source = written(tmp_path / "source", [RICH])
    convert(file=source, out=tmp_path / "prints", to="mosquitto")
    assert lines_of(tmp_path / "prints")[0] == [RICH]


@pytest.mark.parametrize("to", ["session", "mqtt-recorder", "mosquitto"])
def test_what_does_not_fit_is_an_error_that_names_the_line(to, tmp_path):
    source = written(tmp_path / "source", [Line(0, "a", b"1"), BINARY, RICH])
    out = tmp_path / "out"
    out.write_text("before")
    with pytest.raises(MalformedRecording, match=r"source, line 3: .*UTF-8"):
        convert(file=source, out=out, to=to)
    assert out.read_text() == "before"
    result = convert(file=source, out=out, to=to, keep_going=True, lossy=True)
    rich = 0 if to == "mosquitto" else 1
    assert (result.written, result.skipped, result.reduced) == (2, 1, rich)
    assert len(result.reasons) == 1
    assert len(lines_of(out)[0]) == 2
    assert {one.name for one in tmp_path.iterdir()} == {"out", "source"}


def test_properties_are_left_out_only_when_that_is_asked_for(tmp_path):
    source = written(tmp_path / "source", [RICH])
    with pytest.raises(MalformedRecording, match=r"line 2: MQTT 5 properties"):
        convert(file=source, out=tmp_path / "out", to="session")
    assert convert(file=source, out=tmp_path / "out", to="session", lossy=True).reduced == 1
    assert json.loads((tmp_path / "out").read_text())["payload"] == "x"


def test_a_device_a_pipe_or_a_folder_is_not_replaced_by_a_file(tmp_path):
    source = written(tmp_path / "source", [RICH])
    os.mkfifo(tmp_path / "out")
    with pytest.raises(FileExistsError, match="not a plain file"):
        convert(file=source, out=tmp_path / "out")
    assert stat.S_ISFIFO((tmp_path / "out").stat().st_mode)
    assert {one.name for one in tmp_path.iterdir()} == {"source", "out"}


def test_a_recording_cut_short_is_refused_unless_one_goes_on(tmp_path):
    source = written(tmp_path / "source", [BINARY, RICH], end=False)
    with pytest.raises(MalformedRecording, match=r"source, line 4: .*cut short"):
        convert(file=source, out=tmp_path / "out")
    assert {one.name for one in tmp_path.iterdir()} == {"source"}
    result = convert(file=source, out=tmp_path / "out", keep_going=True)
    assert (result.written, result.complete) == (2, False)
    assert lines_of(tmp_path / "out")[1].complete is True


def test_a_damaged_line_is_skipped_counted_and_never_passed_off_as_whole(tmp_path):
    source = written(tmp_path / "source", [Line(n, "a", b"%d" % n) for n in range(5)])
    data = source.read_bytes().replace(b'"json":3', b'"json": 3')
    source.write_bytes(data)
    with pytest.raises(MalformedRecording, match=r"line 5: .*canonical"):
        convert(file=source, out=tmp_path / "out")
    result = convert(file=source, out=tmp_path / "out", keep_going=True)
    # The line, and the end mark that no longer fits.
    assert (result.written, result.skipped, result.complete) == (4, 2, False)
