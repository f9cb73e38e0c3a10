"""Blocks of code on every page: commands are the program's own, data is read by its readers."""

import ast
import json
import re
import tomllib

import pages
import pytest
from command_lines import complaint

from factoryledger.ledger_file import pinned, read_ledgers
from factoryledger.settings import Settings
from factoryledger.settings_sources import read_settings
from simulator.scenario_file import read_scenario

PAGES = pages.all_pages()
ASSIGNED = r"(?:[A-Z_]+=\S+ )*"
COMMAND = re.compile(
    rf"^\$? ?(?:sudo (?:-\w+ \S+ )*|.*\bexec \S+ |.*\bmake |)?{ASSIGNED}factoryledger (?P<said>.*)$"
)
KNOWN = {
    "",
    "diff",
    "sh",
    "console",
    "text",
    "python",
    "toml",
    "ini",
    "yaml",
    "json",
    "promql",
    "html",
    "c",
}
BLOCKS = [block for name, text in PAGES.items() for block in pages.blocks(name, text)]
SPANS = [span for name, text in PAGES.items() for span in pages.spans(name, text)]


def of(*languages):
    return [pytest.param(one, id=str(one)) for one in BLOCKS if one.language in languages]


def commands(block):
    """The command lines of ours in a block, without what the shell does with them."""
    text = block.text.replace("\\\n", " ")
    for line in text.splitlines():
        found = COMMAND.match(line.strip())
        if found and not found["said"].endswith(" v1"):  # which is a format's first line
            yield found["said"]


COMMANDS = [
    pytest.param(said, id=f"{block}:{said[:40]}") for block in BLOCKS for said in commands(block)
]


@pytest.mark.parametrize("said", COMMANDS)
def test_a_command_of_a_block_is_one(said):
    assert complaint(said) is None


def test_commands_in_sentences_are_ones_too():
    wrong = []
    for span in SPANS:
        found = re.match(rf"{ASSIGNED}factoryledger (?P<said>[a-z].*)", span.text)
        shown = found is None or re.search(r" v\d|COMMAND| FILE holds", span.text)
        if not shown and (said := complaint(found["said"])):
            wrong.append(f"{span}: {said}")
    assert not wrong, "\n".join(wrong)


def test_what_is_no_command_is_noticed():
    assert complaint("prove --device D --from T --to T -o FILE") is None
    assert complaint("tlog audit DIR --vkey KEY | jq . # looks") is None
    assert complaint("prove --devise D")
    assert complaint("proof")
    assert complaint("tlog prove")
    assert complaint("stats all of it")
    assert complaint("prove --device")
    assert len(COMMANDS) > 30


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_says_in_which_language_it_is(block):
    assert block.language in KNOWN


@pytest.mark.parametrize("block", of("python"))
def test_python_is_python(block):
    ast.parse(block.text)


def test_json_is_json():
    for block in BLOCKS:
        if block.language == "json":
            json.loads(block.text)


@pytest.mark.parametrize("block", of("toml"))
def test_toml_is_what_its_reader_takes(block, tmp_path, monkeypatch):
    """Settings by the settings, ledgers by the ledger file; others' by their own."""
    said = tomllib.loads(block.text)
    if set(said) & set(Settings.model_fields):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "factoryledger.toml").write_text(block.text, "utf-8")
        assert read_settings()
    elif block.page == "docs/ledgers.md":
        file = tmp_path / "ledgers.toml"
        file.write_text(block.text.replace("…", "0" * 56), "utf-8")
        assert pinned(read_ledgers(file), file)


def test_yaml_of_a_scenario_is_one():
    """The yaml of these pages is a scenario's."""
    of_scenarios = {"docs/scenarios.md", "docs/sparkplug.md"}
    found = [one for one in BLOCKS if one.language == "yaml" and one.page in of_scenarios]
    assert len(found) > 5
    for block in found:
        assert read_scenario(block.text, str(block))
