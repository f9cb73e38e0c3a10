"""`export --evidence` and `verify` of it, as commands: a period as a package that holds or not."""

import csv
import json
import sqlite3
import zipfile
from contextlib import closing

PERIOD = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T00:01:00Z"]


def as_json(done):
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_a_period_is_packed_and_holds_as_a_whole(ledger, command, tmp_path):
    data = ["--data", ledger.path]
    out, packed = tmp_path / "package", tmp_path / "package.zip"
    made = as_json(command("export", "--evidence", out, *PERIOD, *data, "--json"))
    assert made["machines"] == 3
    assert (made["missing"], made["broken"]) == (0, 0)
    verified = as_json(command("verify", out, *data, "--json"))
    assert verified["verified"] is True
    assert verified["number"] == made["number"]
    assert verified["readings"] == made["readings"] > 0
    # The readings are those of the store's own view, which knows nothing of proofs.
    with closing(sqlite3.connect(ledger.database)) as connection:
        view = connection.execute("SELECT device, metric, value FROM readings").fetchall()
    with (out / "readings.csv").open() as file:
        rows = list(csv.DictReader(file))
    said = [(row["device"], row["metric"], float(row["value"])) for row in rows]
    assert sorted(said) == sorted(view)
    assert {row["unit"] for row in rows} > {"kW", "%"}
    # One file of the same, which says the same.
    zipped = as_json(command("export", "--evidence", packed, *PERIOD, "--no-pdf", *data, "--json"))
    assert (zipped["readings"], zipped["pdf"]) == (made["readings"], False)
    assert as_json(command("verify", packed, *data, "--json"))["verified"] is True
    assert zipfile.ZipFile(packed).testzip() is None
    # Whoever changes a cell is found, though the lists of hashes were made anew.
    readings = out / "readings.csv"
    readings.write_text(readings.read_text().replace(",accepted,\n", ",accepted,x\n", 1))
    broken = command("verify", out, *data)
    assert (broken.code, "not whole: readings.csv" in broken.err) == (1, True)


def test_one_machine_under_anothers_policy_and_what_cannot_be(ledger, command, tmp_path):
    data = ["--data", ledger.path]
    out = tmp_path / "one.zip"
    name = "mill-01"
    one = ["--device", name]
    made = as_json(command("export", "--evidence", out, *PERIOD, *one, "--no-pdf", *data, "--json"))
    assert made["machines"] == 1
    assert command("init", "--data", tmp_path / "other").code == 0
    foreign = command("verify", out, "--data", tmp_path / "other")
    assert foreign.code == 1
    assert "not whole: keys/" in foreign.err
    again = command("export", "--evidence", out, *PERIOD, *data)
    assert (again.code, "is there already" in again.err) == (2, True)
    assert command("verify", tmp_path, *data).code == 2


WRONG = [
    (["--evidence", "p"], 2, "give --from and --to"),
    ([], 2, "say what to write"),
    (["--recording", "r", "--by", "me"], 2, "go with --evidence"),
    (["--recording", "r", "--no-pdf"], 2, "go with --evidence"),
    (["--evidence", "p", "--recording", "r"], 2, "one or the other"),
    (["--evidence", "p", *PERIOD, "--status", "accepted"], 2, "all that a machine signed"),
    (["--evidence", "p", *PERIOD, "--device", "nobody"], 2, "enrols no machine"),
    (["--evidence", "p", *PERIOD, "--title", "a\nb"], 2, "printable"),
    (["--evidence", "p", *PERIOD[2:], "--from", "2027-01-01T00:00:00Z"], 2, "of a time"),
    (["--evidence", "p", "--from", "2026-02-01T00:00:00Z", "--to", "2026-02-02T00:00:00Z"], 3,
     "no machine of these"),
]  # fmt: skip


def test_what_cannot_be_packed_is_said(ledger, command, tmp_path):
    for words, code, said in WRONG:
        done = command("export", *words, "--data", ledger.path)
        assert done.code == code, done.err
        assert said in done.err
    assert not list(tmp_path.glob(".p*"))
    assert not (tmp_path / "p").exists()
