"""Every folder here is a bug that was, and what is to come of its input now (README.md)."""

import os
import shutil
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest
from case import EXPECTED, KINDS, Case, folders, read_case
from case_kinds import RUNS
from case_parsers import PARSERS
from case_text import agrees, difference, kept

from factoryledger.cli import run

HERE = Path(__file__).parent
CASES = [pytest.param(read_case(folder), id=folder.name) for folder in folders()]


def of(*kinds):
    return [case for case in CASES if case.values[0].kind in kinds]


@pytest.fixture
def command(capsys):
    """Run a command line in this process; gives code, stdout and stderr."""

    def call(arguments):
        capsys.readouterr()
        code = int(run(arguments))
        said = capsys.readouterr()
        return SimpleNamespace(code=code, out=said.out, err=said.err)

    return call


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """Copy a case's files to a folder that is the working folder then; no settings of others'."""
    for name in [name for name in os.environ if name.startswith("FACTORYLEDGER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def copy(case):
        folder = tmp_path / "case"
        shutil.copytree(case.folder, folder, ignore=shutil.ignore_patterns("case.toml", EXPECTED))
        monkeypatch.chdir(folder)

    return copy


def _settle(case: Case, actual: str, tmp_path: Path) -> None:
    """Compare with what is expected, or write it down where `CASES=write` says so."""
    actual = actual.replace(str(tmp_path), "TMP")
    expected = case.expected.read_text(encoding="utf-8") if case.expected.exists() else ""
    if agrees(expected, actual):
        return
    if os.environ.get("CASES") == "write":
        case.expected.write_text(kept(expected, actual), encoding="utf-8")
        pytest.skip(f"written, to be looked at: {case.expected}")
    pytest.fail(
        f"{case.says['title']} (found {case.says['found']})\n{difference(expected, actual)}\n"
        f"If this is right now: CASES=write pytest {HERE.name} -k {case.folder.name}",
        pytrace=False,
    )


@pytest.mark.parametrize("case", of("command", "parse", "messages", "log"))
def test_what_was_found_once_is_as_expected(case, copied, command, tmp_path):
    copied(case)
    _settle(case, RUNS[case.kind](case, command), tmp_path)


@pytest.mark.e2e
@pytest.mark.parametrize("case", of("replay"))
def test_what_was_played_once_is_stored_as_expected(
    case, copied, command, tmp_path, replay, ledger
):
    copied(case)
    _settle(case, RUNS["replay"](case, command, replay, ledger), tmp_path)


def test_every_case_says_in_a_sentence_what_it_is():
    cases = [case.values[0] for case in CASES]
    assert len(cases) >= 15
    assert {case.kind for case in cases} == KINDS.keys()
    for case in cases:
        assert case.expected.exists(), f"{case.folder.name} expects nothing"
        assert 20 < len(case.says["title"]) < 200
        assert date(2025, 1, 1) < case.says["found"]
    assert set(PARSERS) >= {case.says["parser"] for case in cases if case.kind == "parse"}


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("a\n", "a", True),
        ("a\n", "a\nb\n", False),
        ("a\n...\n", "a\nb\nc\n", True),
        ("a\n...\nz\n", "a\nz\n", True),
        ("a\n...\nz\n", "a\nb\n", False),
        ("took [..] s\n", "took 3.5 s\n", True),
        ("took [..] s\n", "took 3\n5 s\n", False),
        ("a.b\n", "axb\n", False),
        ("", "", True),
        ("", "a", False),
    ],
)
def test_what_an_expected_text_stands_for(expected, actual, same):
    assert agrees(expected, actual) == same


def test_what_is_written_keeps_what_may_differ():
    assert kept("took [..] s\nexit 1\n", "took 3 s\nexit 0\n") == "took [..] s\nexit 0\n"
    told = difference("took [..] s\nexit 1\n", "took 3 s\nexit 0\n")
    assert " took [..] s\n-exit 1\n+exit 0" in told


def test_a_slip_in_a_case_is_said(tmp_path):
    for says, word in (
        ('title="a"\nkind="parse"\n', "lacks found"),
        ('title="a"\nkind="x"\nfound=2026-11-28\n', "no kind"),
        ('title="a"\nkind="parse"\nfound="today"\n', "date"),
        ('title="a"\nkind="parse"\nfound=2026-11-28\nrun=[]\n', "run means nothing"),
    ):
        (tmp_path / "case.toml").write_text(says)
        with pytest.raises(ValueError, match=word):
            read_case(tmp_path)
