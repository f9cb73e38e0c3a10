"""`correct`: an operator's word on a stored reading, from the command to proof and audit."""

import json

import pytest

from anchor.correction import Change, Correction, Subject, seal
from anchor.note import SignerKey
from collector.store_reader import LedgerReader
from factoryledger.data_dir import DataDir
from telemetry.message import parse

WHY = ["--reason", "probe sat high: DEV-17", "--by", "Erika Müller"]


@pytest.fixture
def reading(ledger):
    """A stored telemetry message: its row, a metric of it, what is stored of that."""
    with LedgerReader(f"sqlite:///{ledger.database}") as store:
        [one] = store.collectors()
        row = next(row for row in store.messages(one.id) if row.topic.endswith("/telemetry"))
    [scan] = parse(row.payload, "telemetry").scans
    metric = min(scan.readings)
    return row, metric, scan.readings[metric]


@pytest.fixture
def correct(command, ledger, reading):
    """Correct that reading, whatever else is said."""
    row, metric, _ = reading

    def call(*words, place=None, what=None):
        where = ["--device", row.device, "--session", row.session, "--seq", row.seq]
        said = ["--metric", metric, "--value", "12.50"] if what is None else what
        return command("correct", *(place or where), *said, *words, "--data", ledger.path)

    return call


def requests_of(ledger):
    return len(DataDir(ledger.path).requests.after(""))


def test_from_the_command_to_the_proof(command, correct, ledger, reading):
    row, metric, stored = reading
    before, store = requests_of(ledger), ledger.database.read_bytes()
    first = correct(*WHY, "--json")
    assert first.code == 0, first.err
    signed = json.loads(first.out)
    assert (signed["original"], signed["value"]) == (repr(stored), "12.50")
    assert (signed["metric"], signed["by"], signed["kind"]) == (metric, WHY[3], "correction")
    assert signed["unit"], "the birth says the unit"
    assert requests_of(ledger) == before + 1
    assert ledger.database.read_bytes() == store

    # Once more needs to name it; what waits counts as if it were in the log.
    again = correct(*WHY)
    assert again.code == 2
    assert "--supersedes" in again.err
    place = ["--message", f"{row.collector}:{row.position}"]
    second = correct(
        *WHY, "--supersedes", signed["hash"], "--scan", signed["scan"], "--unit", "K", place=place
    )
    assert second.code == 0, second.err
    assert f"stored: {stored!r} K; corrected: 12.50 K" in second.out
    noted = correct("--reason", "see 8D report", "--by", "Jean", what=["--annotate"])
    assert noted.code == 0, noted.err

    assert command("anchor", "--once", "--data", ledger.path).code == 0
    audited = command("audit", "--data", ledger.path, "--json")
    said = json.loads(audited.out)
    assert (audited.code, said["findings"], said["corrections"]) == (0, [], 3)
    assert "3 corrections" in command("audit", "--data", ledger.path).out
    proof = ledger.path / "one.proof"
    proved = command("prove", *place, "-o", proof, "--data", ledger.path)
    assert proved.code == 0, proved.err
    verified = command("verify", proof, "--data", ledger.path)
    assert verified.code == 0
    lines = verified.out.splitlines()
    measured = next(n for n, line in enumerate(lines) if "It measured at" in line)
    assert lines[measured + 1].startswith('  Corrected by "Erika Müller"')
    assert "superseded it" in lines[measured + 1]
    assert f"{stored!r} -> 12.50 K" in lines[measured + 2]
    assert lines[measured + 3].startswith('  Annotated by "Jean"')
    # A collector that goes on passes over them, and what is exported is what was stored.
    more = ledger.recording.with_name("more.jsonl")
    assert (
        command("simulate", "--machines", 1, "--duration", 2, "--seed", 8, "--out", more).code == 0
    )
    went_on = command("ingest", more, "--data", ledger.path)
    assert (went_on.code, "refused" in went_on.err) == (0, False), went_on.err
    # An anchor that starts again, also without its database, finds them in its log.
    for lost in (False, True):
        if lost:
            (ledger.path / "anchor.db").unlink()
        again = command("anchor", "--once", "--data", ledger.path)
        assert (again.code, "refused" in again.err) == (0, False), again.err
        assert json.loads(command("audit", "--data", ledger.path, "--json").out)["corrections"] == 3


def test_a_withdrawal_lets_the_reading_be_corrected_anew(command, correct, ledger):
    signed = json.loads(correct(*WHY, "--json").out)
    taken = correct("--reason", "wrong batch", "--by", "Erika", what=["--withdraw", signed["hash"]])
    assert taken.code == 0, taken.err
    assert correct(*WHY).code == 0
    assert command("anchor", "--once", "--data", ledger.path).code == 0
    assert command("audit", "--data", ledger.path).code == 0


REFUSED = [
    (["--metric", "no_such", "--value", "1"], WHY, "no metric"),
    (["--metric", "{metric}", "--value", "{stored}"], WHY, "nothing to correct"),
    (["--metric", "{metric}", "--value", "warm"], WHY, "not a finite number"),
    (["--metric", "{metric}"], WHY, "go together"),
    ([], WHY, "say one of"),
    (["--annotate", "--unit", "K"], WHY, "--unit and --scan go with --metric"),
    (["--annotate", "--metric", "{metric}", "--value", "1"], WHY, "say one of"),
    (["--withdraw", "12"], WHY, "not the hash of a correction"),
    (["--withdraw", "ab" * 32], WHY, "not in the log before it"),
    (["--annotate"], ["--reason", "", "--by", "E"], "reason is empty"),
    (["--annotate"], ["--reason", "ok", "--by", " "], "by is empty"),
    (["--annotate"], ["--reason", "a\u202eb", "--by", "E"], "nobody would see: U+202E"),
    (["--annotate", "--meaning", "sure"], WHY, "there are authorship"),
    (["--metric", "{metric}", "--value", "1", "--scan", "2020-01-01T00:00:00Z"], WHY, "--scan"),
]


def test_what_cannot_be_said_is_refused(correct, ledger, reading):
    """All on one ledger: nothing that is refused leaves anything there."""
    _, metric, stored = reading
    before = requests_of(ledger)
    for what, words, said in REFUSED:
        filled = [word.format(metric=metric, stored=stored) for word in what]
        found = correct(*words, what=filled)
        assert (found.code, said in found.err) == (2, True), (what, found.err)
    assert requests_of(ledger) == before


def test_without_a_reading_or_a_key_there_is_nothing_to_sign(command, correct, ledger, reading):
    row, *_ = reading
    gone = correct(*WHY, place=["--device", row.device, "--session", row.session, "--seq", 999])
    assert (gone.code, "no accepted message 999" in gone.err) == (2, True)
    long = correct(*WHY, place=["--device", row.device, "--session", row.session, "--seq", 2**64])
    assert (long.code, "a message's number is from 0 to 2^63-1" in long.err) == (2, True)
    assert correct(*WHY, place=["--message", f"{row.collector}:999999"]).code == 2
    (ledger.path / "keys" / "operator.key").unlink()
    lost = correct(*WHY)
    assert (lost.code, "operator.key" in lost.err) == (3, True)


def test_what_is_erased_can_be_annotated_only(command, correct, ledger, reading):
    row, *_ = reading
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(ledger.database)) as store, store:
        store.execute("UPDATE messages SET payload = NULL WHERE position = ?", (row.position,))
    refused = correct(*WHY)
    assert (refused.code, "can be annotated" in refused.err) == (2, True)
    assert correct(*WHY, what=["--annotate"]).code == 0


def test_the_anchor_takes_no_stranger_s_word(command, ledger, reading, capsys):
    """A crafted request is refused, and said; so is one of a message that the log lacks."""
    row, metric, stored = reading
    data = DataDir(ledger.path)
    subject = Subject(row.collector, row.position, bytes(32), (row.device, row.session, row.seq))
    change = Change(metric, row.time, repr(stored), "1")
    said = Correction("correction", subject, "E", "authorship", "w", row.time, change)
    stranger = SignerKey.generate(data.operator.name)
    data.requests.write(seal(stranger, said))
    beyond = Subject(row.collector, 10**6, bytes(32))
    data.requests.write(
        seal(data.operator, Correction("annotation", beyond, "E", "review", "w", row.time))
    )
    anchored = command("anchor", "--once", "--data", ledger.path)
    assert anchored.err.count("entry-refused") == 2
    assert "is not signed by" in anchored.err
    assert "no checkpoint in the log holds" in anchored.err
    said = json.loads(command("audit", "--data", ledger.path, "--json").out)
    assert (said["findings"], said["corrections"]) == ([], 0)
