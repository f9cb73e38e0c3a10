"""Keys rotated by the command, in a ledger that goes on."""

import json

import pytest

from collector.store_reader import LedgerReader
from factoryledger.data_dir import DataDir
from factoryledger.enrolment import Enrolments
from factoryledger.identity import identity_of


def as_json(result):
    assert result.code == 0, result.err
    return json.loads(result.out)


@pytest.fixture
def begun(command, tmp_path):
    """A ledger whose one recording is half ingested: its collector has a batch, and goes on."""
    data, recording = tmp_path / "d", tmp_path / "r.jsonl"
    made = ["--machines", 2, "--duration", 6, "--seed", 3]
    assert command("simulate", *made, "--out", recording).code == 0
    return data, recording


def test_a_rotated_collector_goes_on_in_its_log(command, begun):
    """Two files' collectors, one of them rotated in the middle of its file."""
    data, recording = begun
    whole = recording.read_bytes()
    lines = whole.splitlines(keepends=True)
    place = ["--data", data]
    # Cut in the middle: it is ingested as far as it goes, and its collector resumes later.
    assert command("init", *place).code == 0
    assert command("ingest", recording, *place).code == 0
    assert len(lines) > 6
    before = DataDir(data)
    [stem] = [stem for stem in before.keys.stems() if stem.startswith("collector-")]
    name = stem.removeprefix("collector-")
    old = before.keys.read(stem)

    rotated = command("keys", "rotate", "collector", name, *place)
    assert (rotated.code, "restart the collector" in rotated.out) == (0, True)
    new = DataDir(data).keys.read(stem)
    assert old.verifier != new.verifier
    assert not DataDir(data).keys.exists(f"{stem}.next")

    identity = identity_of(DataDir(data), name)
    assert identity.vkey == str(new.verifier)
    assert b"\nrotate collector " in identity.key_entry
    assert command("ingest", recording, *place).code == 0
    with LedgerReader(f"sqlite:///{data / 'ledger.db'}") as ledger:
        assert [row.id for row in ledger.collectors()] == [name]
    assert command("anchor", "--once", *place).code == 0
    assert as_json(command("audit", *place, "--json"))["findings"] == []


@pytest.mark.parametrize("step", ["prepared", "signed"])
def test_a_rotation_that_was_cut_short_is_gone_on_with(command, begun, step, monkeypatch):
    data, recording = begun
    place = ["--data", data]
    assert command("ingest", recording, *place).code == 0
    folder = DataDir(data)
    [stem] = [stem for stem in folder.keys.stems() if stem.startswith("collector-")]
    name = stem.removeprefix("collector-")

    class CutError(Exception):
        pass

    def cut(*_):
        raise CutError

    with monkeypatch.context() as patch:
        owner, method = (
            (Enrolments, "_take") if step == "prepared" else (type(folder.keys), "settle")
        )
        patch.setattr(owner, method, cut)
        with pytest.raises(CutError):
            Enrolments(folder).rotate_collector(name)
    prepared = DataDir(data).keys.next(stem)

    if step == "signed":
        # The collector's next start makes it so.
        assert identity_of(DataDir(data), name).vkey == str(prepared.verifier)
    else:
        assert identity_of(DataDir(data), name).vkey != str(prepared.verifier)
        assert command("keys", "rotate", "collector", name, *place).code == 0
    assert DataDir(data).keys.read(stem).verifier == prepared.verifier
    assert len(Enrolments(DataDir(data)).keys("collector", name)) == 2


def test_which_collector_has_to_be_said_where_none_or_several_are(command, tmp_path):
    place = ["--data", tmp_path]
    command("init", *place)
    assert "name the collector" in command("keys", "rotate", "collector", *place).err
    for name in ("one", "two"):
        identity_of(DataDir(tmp_path), name)
    said = command("keys", "rotate", "collector", *place)
    assert (said.code, "one, two" in said.err) == (2, True)
    assert command("keys", "rotate", "collector", "two", *place).code == 0
    assert command("keys", "rotate", "collector", "three", *place).code == 2
