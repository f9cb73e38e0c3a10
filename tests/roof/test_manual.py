"""Help like a manual page: every command's, whole, at 80 columns, with examples that work."""

import re
import shutil
import subprocess

import man_pages
import pytest
from command_lines import complaint
from commands_page import commands

from factoryledger.manual import EXITS, grouped, manuals

NAMES = [name for name, _ in commands()]


def test_every_command_has_its_manual_and_no_other():
    assert set(manuals()) == set(NAMES)
    for name, manual in manuals().items():
        assert 1 <= len(manual.examples) <= 3, name
        assert manual.see, name
        assert {code for code, _ in manual.exits} <= {"1", "3"}, name


def test_every_example_parses():
    for name, manual in manuals().items():
        for line, _ in manual.examples:
            said = re.sub(r"\\\n\s*", "", line).removeprefix("factoryledger ")
            assert said.startswith(name), line
            assert complaint(said) is None, line


def test_what_is_to_be_seen_is_there():
    root = man_pages.FOLDER.parent
    for name, manual in manuals().items():
        for to in manual.see:
            there = (root / to).is_file() if to.startswith("docs/") else to in NAMES
            assert there, f"{name}: {to}"
            assert to != name


def test_help_is_whole_and_fits_80_columns():
    for name, one in commands():
        context = one.context_class(one, info_name=f"factoryledger {name}", terminal_width=80)
        said = one.get_help(context)
        assert not [line for line in said.splitlines() if len(line) > 80], name
        for heading in ("Usage", "Exit codes", "Environment", "Files", "Examples", "See also"):
            assert re.search(rf"^{heading}:", said, re.MULTILINE), f"{name}: {heading}"
        for code, _ in EXITS:
            assert f"\n  {code}  " in said, name


def test_help_says_so_when_it_is_asked_for(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for words in (["tlog", "audit"], ["anchor"], ["prove"]):
        said = command(*words, "--help")
        assert said.code == 0
        assert f"Usage: factoryledger {' '.join(words)}" in said.out
        assert "\nWhere things are:\n" in said.out
        assert "\nExamples:\n  # " in said.out
        assert said.out.count("Exit codes:") == 1


def test_every_option_stands_in_one_group():
    for _, one in commands():
        shown = [term for _, rows in grouped(one, one.context_class(one)) for term, _ in rows]
        hidden = [each for each in one.params if getattr(each, "hidden", False)]
        assert len(shown) == len(one.params) - len(hidden) + 1  # and --help


def test_examples_that_need_nothing_run(command):
    """Some of them, in an empty folder; README and tutorial run others."""
    for line in (
        "simulate --machines 2 --duration 5 --out monday.jsonl",
        "ingest monday.jsonl",
        "stats",
        "anchor --once",
        "verify --page check.html",
        "tlog audit factoryledger-data/log --policy factoryledger-data/policy",
        "audit --new --json",
        "export --recording incident.jsonl --device mill-01",
        "backup backups --keys safe",
        "restore backups --keys safe --data new",
        "device enrol press-07",
        "device list --json",
        "keys list",
        "keys witness north --publish north.vkey",
        "config show --changed",
    ):
        done = command(*line.split())
        assert done.code == 0, f"{line}: {done.err}{done.out}"


def test_the_manual_pages_are_the_programs_own():
    there = {path.name: path.read_text("utf-8") for path in man_pages.FOLDER.glob("*")}
    assert there == dict(man_pages.pages()), "run `make docs`"


def test_roff_has_nothing_to_say_of_them():
    """groff, where it is, warns of nothing."""
    if shutil.which("groff") is None:
        pytest.skip("no groff here")
    pages = sorted(map(str, man_pages.FOLDER.glob("*.1")))
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8", "-z", *pages],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == ""
