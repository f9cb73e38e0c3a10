"""What a release gave out, today's commands still accept, and what was changed in it they refuse.

`make_golden.py` made each folder, once. A folder is never made anew: if a test here fails, the
release that fails it cannot read what others hold.
"""

import importlib.util
import json
import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from anchor.policy import Policy
from factoryledger.cli import run

HERE = Path(__file__).parent
RELEASES = sorted(path.name for path in HERE.iterdir() if (path / "policy").is_file())
FILES = [
    "message.proof",
    "stamped.proof",
    "range.proof",
    "stamped-range.proof",
    "messages.evidence",
    "checkpoints.evidence",
]


@pytest.fixture(params=RELEASES)
def golden(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: Any) -> Path:
    """A copy of a release's files, with its store in SQLite."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "golden"
    shutil.copytree(HERE / request.param, folder)
    with closing(sqlite3.connect(folder / "ledger.db")) as store:
        store.executescript((folder / "ledger.sql").read_text(encoding="utf-8"))
    return folder


def call(*arguments: object) -> int:
    return int(run([str(argument) for argument in arguments]))


def audit(golden: Path, *more: object) -> int:
    place = ["--database", f"sqlite:///{golden}/ledger.db", "--log", golden / "log"]
    return call("audit", *place, "--policy", golden / "policy", *more)


def test_there_is_one_of_this_release() -> None:
    spec = importlib.util.spec_from_file_location("make_golden", HERE / "make_golden.py")
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    assert RELEASES[-1] == maker.RELEASE


def test_the_store_and_the_log_audit_without_findings(golden: Path, capsys: Any) -> None:
    assert audit(golden, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["findings"] == []
    counts = {name: said[name] for name in ("messages", "anchored_batches", "log_size", "erased")}
    assert counts == {"messages": 49, "anchored_batches": 5, "log_size": 13, "erased": 1}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ("update messages set payload = x'00' where position = 5", "altered"),
        ("delete from messages where position = 48", "deleted"),
        ("update batches set checkpoint = x'00' where number = 1", "batch-altered"),
        ("delete from key_entries where number = 1", "key-invalid"),
    ],
)
def test_a_change_to_it_is_found(golden: Path, capsys: Any, change: str, kind: str) -> None:
    with closing(sqlite3.connect(golden / "ledger.db")) as store, store:
        assert store.execute(change).rowcount == 1
    assert audit(golden, "--json") == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert kind in {finding["kind"] for finding in findings}


@pytest.mark.parametrize("name", FILES)
def test_a_proof_verifies_and_a_changed_one_does_not(golden: Path, name: str, capsys: Any) -> None:
    """Evidence that a witness's line is taken from still holds, without that witness's blame."""
    file, pinned = golden / name, ["--policy", golden / "policy"]
    assert call("verify", file, *pinned) == 0
    whole = capsys.readouterr().out
    good = file.read_bytes()
    for at in range(60, len(good) - 2, len(good) // 7):
        file.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        code, said = call("verify", file, *pinned), capsys.readouterr().out
        blamed = "witness.example/w0"
        less = name == "checkpoints.evidence" and blamed in whole and blamed not in said
        assert code == 1 or less


def test_what_a_collector_promised_is_kept(golden: Path, capsys: Any) -> None:
    place = ["--database", f"sqlite:///{golden}/ledger.db", "--log", golden / "log"]
    place += ["--policy", golden / "policy"]
    assert call("verify", "--receipt", golden / "receipt", *place) == 0
    assert "Kept:" in capsys.readouterr().out
    with closing(sqlite3.connect(golden / "ledger.db")) as store, store:
        store.execute("delete from claims where device = 'mill-1' and session = 's1' and seq = 1")
    assert call("verify", "--receipt", golden / "receipt", *place) == 1


def test_both_hops_verify_as_tlog_proofs(golden: Path) -> None:
    hops = golden / "hops"
    for hop in ("message", "checkpoint"):
        proof = ["tlog", "verify", hops / f"{hop}.tlog-proof", "--policy", hops / f"{hop}.policy"]
        assert call(*proof, "--entry", hops / f"{hop}.entry") == 0
        assert call(*proof, "--entry", golden / "policy") == 1


def test_the_log_audits_as_a_tiled_log(golden: Path, capsys: Any) -> None:
    log = str(Policy.from_bytes((golden / "policy").read_bytes()).log)
    assert call("tlog", "audit", golden / "log", "--vkey", log, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["findings"], said["size"]) == ([], 13)


def test_the_store_proves_what_it_proved(golden: Path) -> None:
    """From the old store, the same bytes."""
    place = ["--database", f"sqlite:///{golden}/ledger.db", "--log", golden / "log"]
    place += ["--policy", golden / "policy"]
    record = json.loads((golden / "hops" / "message.entry").read_bytes())
    number = ["--device", record["device"], "--session", record["session"], "--seq", record["seq"]]
    assert call("prove", *number, "-o", golden / "again.proof", *place) == 0
    assert (golden / "again.proof").read_bytes() == (golden / "message.proof").read_bytes()


def test_the_generator_still_makes_the_same_bytes(tmp_path: Path) -> None:
    """All but the store, whose schema may grow: so no format has changed since."""
    spec = importlib.util.spec_from_file_location("make_golden", HERE / "make_golden.py")
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    maker.files(tmp_path)
    for path in sorted(p for p in tmp_path.rglob("*") if p.is_file()):
        name = path.relative_to(tmp_path)
        if name.name != "ledger.sql":
            assert path.read_bytes() == (HERE / maker.RELEASE / name).read_bytes(), name


def test_what_a_gateway_signed_still_verifies_and_says_so(capsys: Any, tmp_path: Path) -> None:
    """Made with version 3 of key entries and the member `source`, in `gateway`; never anew."""
    file, pinned = HERE / "gateway" / "message.proof", ["--policy", HERE / "gateway" / "pinned"]
    assert call("verify", file, *pinned, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["signed_by_gateway"] == "line-4"
    assert said["source"]["size"] == 2
    assert said["lines"][0].startswith("Signed by the gateway line-4 on behalf of machine plc-1")
    assert said["not_proven"][0].startswith("what happened between the machine and gateway line-4")
    whole = file.read_text(encoding="utf-8")
    assert whole.count("signed-by gateway line-4") == 1
    for change in ("signed-by gateway line-5", "signed-by gateway line-4 "):
        (tmp_path / "changed").write_text(whole.replace("signed-by gateway line-4", change))
        assert call("verify", tmp_path / "changed", *pinned) == 1


def test_what_was_corrected_still_verifies_and_says_so(capsys: Any, tmp_path: Path) -> None:
    """Made with version 1 of corrections and version 3 of proof files, in `correction`; once."""
    folder = HERE / "correction"
    file, pinned = folder / "message.proof", ["--policy", folder / "pinned"]
    assert call("verify", file, *pinned, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["scans"][0]["readings"] == {"temperature": 22.5}
    assert [one["value"] for one in said["corrections"]] == ["19.75", "20.10", None]
    assert said["corrections"][0]["superseded_by"] == said["corrections"][1]["hash"]
    assert said["corrections"][0]["hash"] == sha256(_entry(folder)).hexdigest()
    assert said["lines"][2].startswith('Corrected by "Erika Müller" on 2025-11-24T')
    whole = file.read_text(encoding="utf-8")
    assert whole.count("value 19.75") == 1
    (tmp_path / "changed").write_text(whole.replace("value 19.75", "value 19.76"))
    assert call("verify", tmp_path / "changed", *pinned) == 1


def _entry(folder: Path) -> bytes:
    return (folder / "correction.entry").read_bytes()
