"""docs/commands.md says what the program does: every command, every option."""

import importlib.util
from pathlib import Path

spec = importlib.util.spec_from_file_location("page", Path(__file__).with_name("commands_page.py"))
page = importlib.util.module_from_spec(spec)
spec.loader.exec_module(page)


def test_the_page_is_the_programs_own():
    assert page.PAGE.read_text("utf-8") == page.render(), "run `make docs`"


def test_every_command_of_the_design_is_there():
    assert {name for name, _ in page.commands()} == {
        "demo", "init", "simulate", "simulate-fault", "gateway", "collect", "anchor",
        "anchor deploy", "anchor monitor",
        "witness", "ingest",
        "record", "replay", "convert", "export", "watch", "web",
        "stats", "prove", "verify", "correct", "audit",
        "tlog verify", "tlog audit", "tlog mirror",
        "device enrol", "device rotate", "device revoke", "device gateway", "device host",
        "device list",
        "keys list", "keys erase-messages", "keys protect", "keys unprotect",
        "keys revoke collector", "keys rotate collector", "keys rotate log",
        "keys rotate witness", "keys witness", "config show", "doctor", "backup", "restore",
    }  # fmt: skip


def test_every_option_and_command_is_explained():
    for name, command in page.commands():
        assert command.help, name
        for parameter in command.params:
            assert parameter.help, f"{name}: {parameter.name}"
