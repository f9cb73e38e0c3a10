"""A package of a world: what it says, and that whatever is done to it is found."""

import csv
import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
from package_world import HOSTILE, packed
from verify_world import START, US

from anchor.correction import Correction
from anchor.reading.row_record import record_of
from dossier import readings
from dossier.corrected import Corrections
from dossier.errors import NothingThere, Unreadable, Untrue
from dossier.manifest import MANIFEST, PAPER, REPORT, SUMS, Manifest
from dossier.readings import cell
from dossier.runs import Session


def rows_of(package):
    with (package.folder / "readings.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_holds_and_says_what_the_store_holds(made):
    assert made.check().remarks == ()
    stored = Counter(
        row.device
        for row in made.world.ledger.message_rows
        if row.status == "accepted" and row.payload is not None
    )
    for machine in made.figures["machines"]:
        assert machine["messages"] == stored[machine["device"]], machine["device"]
    rows = rows_of(made)
    assert len(rows) == sum(one["readings"] for one in made.figures["machines"])
    units = {(row["session"], row["unit"]) for row in rows if row["metric"] == "spindle"}
    assert units == {("s1", "Cel"), ("s2", "")}, "the second session of mill-1 has no birth"
    spindle = next(one for one in made.machine("mill-0")["metrics"] if one["name"] == "spindle")
    values = [
        float(row["value"])
        for row in rows
        if (row["device"], row["metric"]) == ("mill-0", "spindle")
    ]
    assert (spindle["lowest"], spindle["highest"]) == (min(values), max(values))
    assert spindle["mean"] == pytest.approx(sum(values) / len(values))
    assert spindle["out_of_range"] == sum(value > 50 for value in values) > 0


def test_gaps_breaks_keys_and_what_did_not_count_are_told(made):
    first, rotated, revoked, last = (made.machine(f"mill-{n}") for n in range(4))
    assert first["missing"] == [["s1", 11, 13]]
    assert (first["missing_gaps"], first["missing_messages"], first["broken_count"]) == (1, 3, 0)
    assert first["erased"] == sum(
        row.device == "mill-0" and row.payload is None for row in made.world.ledger.message_rows
    )
    assert len(rotated["keys"]) == 2
    assert [name for name, _, _ in rotated["sessions"]] == ["s1", "s2"]
    assert revoked["statuses"]["revoked"] == len(revoked["others"]) > 10
    assert last["statuses"]["conflict"] == 1
    assert last["gateways"] == ["edge-1"]
    assert any("gateway edge-1, which signed on its behalf" in said for said in last["not_shown"])
    assert {one["action"] for one in made.figures["keys"]} >= {"enrol", "rotate", "revoke", "erase"}
    assert first["not_before"] is None or first["not_before"] < first["not_after"]


def test_a_correction_stands_beside_the_reading_that_stays(made):
    [said] = made.figures["corrections"]
    assert (said["device"], said["stored"], said["corrected"]) == ("mill-0", "-0.5", "0.5")
    [row] = [row for row in rows_of(made) if row["correction"]]
    assert (row["metric"], row["value"]) == ("load", "-0.5")
    assert row["correction"] == f"correction {said['index']}: 0.5"


def test_many_files_say_what_one_says(made, tmp_path):
    """Only into how many files the proofs are divided differs."""
    whole = packed(tmp_path / "whole", made.world, aim=10_000)
    assert whole.machine("mill-0")["files"] == 1
    assert made.machine("mill-0")["files"] > 2
    assert rows_of(whole) == rows_of(made)
    for one, other in zip(made.figures["machines"], whole.figures["machines"], strict=True):
        assert {**one, "files": 0} == {**other, "files": 0}
    assert whole.check().remarks == ()


def test_one_machine_and_none(made, tmp_path):
    one = packed(tmp_path / "one", made.world, "mill-2")
    assert one.check().manifest.about.machines == ("mill-2",)
    silent = packed(tmp_path / "silent", made.world, "mill-0", "mill-8")
    assert silent.check().remarks == ()
    assert "no message of it" in silent.machine("mill-8")["not_shown"][0]
    with pytest.raises(NothingThere):
        packed(tmp_path / "none", made.world, "mill-8")


def test_a_foreign_policy_refuses_it_and_another_form_of_ones_own_does_not(made):
    with pytest.raises(Untrue, match="keys/"):
        made.check(replace(made.policy, operator=made.policy.log))
    looser = replace(made.policy, quorum="none")
    assert "another than yours" in made.check(looser).remarks[0]


# -- whatever is done to it --------------------------------------------------------------------


def test_every_file_that_is_changed_or_gone_is_found(copy):
    for name in copy.names:
        path = copy.folder / name
        data = path.read_bytes()
        path.write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
        with pytest.raises((Untrue, Unreadable)):
            copy.check()
        path.unlink()
        with pytest.raises((Untrue, Unreadable)):
            copy.check()
        path.write_bytes(data)
    for name in ("more.txt", "proofs/mill-0/x.proof", "keys/9999.entry"):
        (copy.folder / name).write_bytes(b"?")
        with pytest.raises((Untrue, Unreadable), match=name.replace(".", r"\.")):
            copy.check()
        (copy.folder / name).unlink()
    (copy.folder / PAPER).write_bytes(b"%PDF that no list names")
    with pytest.raises(Untrue, match=r"report\.pdf is not in SHA256SUMS"):
        copy.check()
    (copy.folder / PAPER).unlink()
    copy.check()


def test_a_forger_who_makes_all_lists_anew_is_found(copy):
    """Each file changed, and gone, and the hashes, figures' report and numbers made to fit."""
    good = {name: (copy.folder / name).read_bytes() for name in copy.names}
    own = {MANIFEST, SUMS, REPORT, "README.txt", "policy", "verifier.html"}
    kinds = {re.sub(r"[0-9a-f]{16,}|[0-9]+", "", name): name for name in sorted(set(good) - own)}
    assert len(kinds) > 8
    for name in kinds.values():
        path, data = copy.folder / name, good[name]
        path.write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
        copy.sealed_anew()
        with pytest.raises(Untrue):
            copy.check()
        path.unlink()
        # A birth that is proved in its range, too, is one claim less, and no false one.
        if name not in {"readings.csv", "figures.json"} and "/birth-" not in name:
            copy.sealed_anew()
            with pytest.raises(Untrue):
                copy.check()
        path.write_bytes(data)
    copy.sealed_anew()
    copy.check()


def test_a_changed_cell_row_or_figure_is_named(copy):
    readings = copy.folder / "readings.csv"
    lines = readings.read_bytes().splitlines(keepends=True)

    def forged(changed):
        readings.write_bytes(b"".join(changed))
        copy.sealed_anew()
        with pytest.raises(Untrue) as found:
            copy.check()
        return str(found.value)

    assert "readings.csv line 7" in forged(
        [*lines[:6], lines[6].replace(b"load", b"lead"), *lines[7:]]
    )
    assert "readings.csv line 8" in forged([*lines[:7], *lines[8:]])
    assert "readings.csv line 5" in forged([*lines[:4], lines[5], lines[4], *lines[6:]])
    assert "no proved message says this" in forged([*lines, lines[-1]])
    assert f"line {len(lines)}: it ends here" in forged(lines[:-1])
    readings.write_bytes(b"".join(lines))
    figures = copy.folder / "figures.json"
    said = copy.figures
    said["machines"][0]["missing_messages"] = 0
    figures.write_bytes(json.dumps(said, separators=(",", ":")).encode() + b"\n")
    copy.sealed_anew()
    with pytest.raises(Untrue, match=r"figures\.json"):
        copy.check()


def test_a_report_that_says_something_else_is_found_by_its_line(copy):
    path = copy.folder / REPORT
    html = path.read_bytes()
    path.write_bytes(html.replace(b"3 messages", b"0 messages", 1))
    assert path.read_bytes() != html
    copy.summed_anew()
    with pytest.raises(Untrue, match=r"report\.html line \d+: it is not what is proved"):
        copy.check()
    path.write_bytes(html)
    (copy.folder / PAPER).write_bytes(b"%PDF")
    copy.summed_anew()
    assert copy.check().has_paper is True
    (copy.folder / PAPER).write_bytes(b"%PDF!")
    with pytest.raises(Untrue, match=r"report\.pdf is not what it was"):
        copy.check()


def test_files_that_change_places_are_found(copy):
    folder = copy.folder
    pairs = [
        ("proofs/mill-0/00001.proof", "proofs/mill-0/00002.proof"),
        ("proofs/mill-0/00001.proof", "proofs/mill-1/00001.proof"),
        ("proofs/mill-0/birth-s1.proof", "proofs/mill-1/birth-s1.proof"),
        ("keys/0.entry", "keys/1.entry"),
    ]
    for one, other in pairs:
        for _ in range(2):
            shutil.move(folder / one, folder / "held")
            shutil.move(folder / other, folder / one)
            shutil.move(folder / "held", folder / other)
            if _ == 0:
                copy.sealed_anew()
                with pytest.raises(Untrue):
                    copy.check()
    copy.sealed_anew()
    copy.check()


def test_a_package_of_a_shorter_time_or_of_fewer_machines_is_not_taken_for_whole(copy):
    """Whatever else is made to fit: the proofs themselves are to cover what it says."""
    about = Manifest.from_bytes((copy.folder / MANIFEST).read_bytes()).about
    assert copy.follow() == (copy.folder / "figures.json").read_bytes()
    with pytest.raises(Untrue, match="and the period at"):
        copy.follow(replace(about, stop=about.stop + US))
    with pytest.raises(Untrue, match="it is to be of mill-0, from"):
        copy.follow(replace(about, start=(START - 1) * US))
    gone = copy.folder / "proofs" / "mill-1" / "00002.proof"
    held = gone.read_bytes()
    gone.unlink()
    with pytest.raises(Untrue, match="the file before it is missing"):
        copy.follow()
    gone.write_bytes((copy.folder / "proofs" / "mill-0" / "00002.proof").read_bytes())
    with pytest.raises(Untrue, match="it is to be of mill-1"):
        copy.follow()
    gone.write_bytes(held)


def test_a_key_a_correction_and_a_place_that_do_not_belong_are_named(copy):
    folder = copy.folder
    index = next(
        one["index"] for one in copy.figures["keys"]
        if (one["action"], one["name"]) == ("enrol", "mill-0")
    )  # fmt: skip
    entry, proof = (folder / "keys" / f"{index}.{kind}" for kind in ("entry", "tlog-proof"))
    held = entry.read_bytes(), proof.read_bytes()
    entry.unlink()
    with pytest.raises(Untrue, match="an entry and its tlog-proof, or neither"):
        copy.follow()
    proof.unlink()
    with pytest.raises(Untrue, match="a key entry that it rests on is not in keys"):
        copy.follow()
    entry.write_bytes(held[0])
    text = held[1].decode().split("\n")
    text[2] = text[3]
    proof.write_bytes("\n".join(text).encode())
    with pytest.raises(Untrue, match=f"keys/{index}: .*path"):
        copy.follow()
    proof.write_bytes(held[1])
    copy.follow()


@pytest.mark.parametrize(
    ("said", "cell"),
    [
        ("load", "load"),
        ("a,b", '"a,b"'),
        ('a"b', '"a""b"'),
        ("=1+1", "'=1+1"),
        ('=HYPERLINK("x","y")', '"\'=HYPERLINK(""x"",""y"")"'),
        ("@x", "'@x"),
        ("-x", "'-x"),
        ("a\nb\r\x1b[2J", "a\\nb\\r\\x1b[2J"),
        ("\t=1", "\\t=1"),
    ],
)
def test_a_cell_is_one_line_and_no_formula(said, cell):
    assert readings.cell(said) == cell


def test_a_correction_of_another_message_is_found(made, tmp_path):
    other = packed(tmp_path / "other", made.world, "mill-1")
    assert other.figures["corrections"] == []
    shutil.copytree(made.folder / "corrections", other.folder / "corrections")
    with pytest.raises(Untrue, match="it is about no message of this package"):
        other.follow()
    corrections = Corrections()
    said = Correction.from_text(
        next((made.folder / "corrections").glob("*.entry")).read_text().partition("\n\n")[0] + "\n"
    )
    corrections.add(7, said)
    place = said.subject.collector, said.subject.position
    another = record_of(next(r for r in made.world.ledger.message_rows if r.device == "mill-1"))
    with pytest.raises(Untrue, match="with another record or machine"):
        corrections.meet("mill-0", place, another, None)


def test_runs_of_two_files_are_joined_by_number_hash_and_chain():
    def message(seq, body, prev=None):
        said = SimpleNamespace(prev=prev)
        return SimpleNamespace(seq=seq, body=body, message=said)

    def joined(*files):
        session = Session("s")
        for one in files:
            session.take(one)
        return session.joined()

    a, b, c = message(0, b"a"), message(1, b"b", b"a"), message(2, b"c", b"b")
    assert joined([a, b], [b, c])[3:] == ((), ())
    assert joined([a, b], [c])[3:] == ((), ())
    assert joined([b, c], [a])[3:] == ((), ()), "in any order"
    assert joined([a], [c]).missing == ((1, 1),)
    assert joined([a, b], [message(2, b"c", b"x")]).broken == (2,)
    with pytest.raises(Untrue, match="two messages of number 1"):
        joined([a, b], [message(1, b"x", b"a"), c])


def test_the_report_shows_hostile_words_as_words(made):
    html = (made.folder / REPORT).read_text()
    assert "<img" not in html
    assert "\u202e" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;&quot;&amp;\\u202e=1+1" in html
    assert "wrong gauge &lt;b&gt;" in html
    [row] = [row for row in rows_of(made) if HOSTILE[:4] in row["metric"]]
    assert row["metric"].isprintable()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("=1+1", "'=1+1"),
        ("load", "load"),
        ("a-b", "a-b"),
        ("\tx", "\\tx"),
        (" =1", " '=1"),
        ("x;=cmd|' /C calc'!A1", "x;'=cmd|' /C calc'!A1"),
        ('x"; =1', '"x""; \'=1"'),
        ("\uff1d1", "'\uff1d1"),
    ],
)
def test_no_cell_is_a_formula_whatever_divides_cells(text, told):
    """Where a comma is a decimal sign, a spreadsheet divides at semicolons."""
    assert cell(text) == told
