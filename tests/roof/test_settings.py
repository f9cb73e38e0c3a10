"""Settings: a flag beats the environment, the environment the file, the file the default."""

import json
from pathlib import Path

import pytest
from settings_page import PAGE, render

from factoryledger.cli import run
from factoryledger.errors import WrongUsage
from factoryledger.installation import Installation
from factoryledger.settings import Settings
from factoryledger.settings_shown import shown_settings
from factoryledger.settings_sources import read_settings
from simulator.delivery import RESEND_AFTER


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write_file(text):
    Path("factoryledger.toml").write_text(text)


def test_each_source_beats_the_next(monkeypatch):
    assert read_settings().machines == 20
    write_file("machines = 30\nseed = 3\ninterval = 0.5\n")
    monkeypatch.setenv("FACTORYLEDGER_MACHINES", "40")
    monkeypatch.setenv("FACTORYLEDGER_SEED", "4")

    settings = read_settings(machines=50, seed=None)

    assert (settings.machines, settings.seed, settings.interval) == (50, 4, 0.5)


def test_each_setting_says_where_it_comes_from(monkeypatch):
    write_file("machines = 30\n\nseed = 3\n[retention]\naccepted = 9\n")
    monkeypatch.setenv("FACTORYLEDGER_MACHINES", "40")
    shown = {one.name: one for one in shown_settings(interval=2.0)}
    assert set(shown) == set(Settings.model_fields)
    origins = {name: one.origin.said for name, one in shown.items()}
    assert {name: said for name, said in origins.items() if said != "default"} == {
        "machines": "FACTORYLEDGER_MACHINES",
        "seed": "factoryledger.toml:3",
        "retention": "factoryledger.toml:4",
        "interval": "--interval",
    }
    assert (shown["machines"].value, shown["interval"].text) == (40, "2.0 s")
    assert shown["retention"].value == {"accepted": 9.0}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ledger:swordfish@db.plant/ledger",
        "postgresql://ledger:sword:f@swordfish@db.plant/ledger",
        "postgresql://ledger@db.plant/ledger?sslmode=require&password=swordfish",
    ],
)
def test_a_password_in_a_url_is_not_shown(monkeypatch, url):
    monkeypatch.setenv("FACTORYLEDGER_DATABASE", url)
    shown = str([one.to_dict() for one in shown_settings()])
    assert "ledger" in shown
    assert "swordfish" not in shown


def test_config_show_prints_what_is_set(capsys):
    write_file('broker = "mqtts://broker.plant"\n')
    assert run(["config", "show", "--changed"]) == 0
    assert capsys.readouterr().out.split() == [
        "Broker", "broker", '"mqtts://broker.plant"', "factoryledger.toml:1",
    ]  # fmt: skip
    assert run(["config", "show", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {"name": "every", "value": 1.0, "unit": "s", "from": "default", "where": "default"} in (
        shown
    )
    write_file("seed = -1\n")
    assert run(["config", "show"]) == 2


def test_the_page_is_as_the_program_renders_it():
    assert PAGE.read_text("utf-8") == render(), "run `make docs`"


def test_settings_cannot_be_changed_afterwards():
    settings = read_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.machines = 3


@pytest.mark.parametrize(
    ("flags", "variables", "file", "complaint"),
    [
        ({"machines": 0}, {}, "", "--machines: .*greater than or equal to 1"),
        ({"anchored_within": float("inf")}, {}, "", "--anchored-within: .*less than or equal"),
        ({}, {"FACTORYLEDGER_FLUSH_COUNT": "many"}, "", "FACTORYLEDGER_FLUSH_COUNT: .*integer"),
        ({}, {}, "colour = 'red'\n", "factoryledger.toml:1: there is no setting colour; .*show"),
        ({}, {}, "\nmachine = 3\n", "factoryledger.toml:2: .* setting machine; is it machines"),
        ({}, {}, "clock = 'sun'\n", "factoryledger.toml:1: .*'system' or 'recording', not 'sun'"),
        ({}, {}, "prefix = '''\nseed = -1\n'''\nseed = -1\n", "factoryledger.toml:4: .*not -1"),
        ({}, {}, "[retention]\nunsigned = -1\n", "factoryledger.toml:1: unsigned: .*not -1"),
        ({}, {}, "[retention]\nunsignd = 1\n", "factoryledger.toml:1: unsignd: .*'unsigned'"),
        ({}, {"FACTORYLEDGER_MACHINE": "3"}, "", "FACTORYLEDGER_MACHINE: .*is it .*_MACHINES"),
        ({}, {"FACTORYLEDGER_RETENTION": "30"}, "", "FACTORYLEDGER_RETENTION: .*dictionary"),
        ({}, {"FACTORYLEDGER_RETENTION": "x"}, "", "FACTORYLEDGER_RETENTION: write it as JSON"),
        ({"seed": -1}, {"FACTORYLEDGER_SEED": "2"}, "seed = 3\n", "--seed: .*not -1"),
        ({}, {}, "machines = \n", "factoryledger.toml: .*line 1"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch, flags, variables, file, complaint):
    write_file(file)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(WrongUsage, match=complaint):
        read_settings(**flags)


def test_a_brokers_password_comes_from_the_first_line_of_its_file(monkeypatch):
    Path("secret").write_text("swordfish\nnot this\n")
    monkeypatch.setenv("FACTORYLEDGER_BROKER_USER", "collector")
    monkeypatch.setenv("FACTORYLEDGER_BROKER_PASSWORD_FILE", "secret")

    credentials = Installation(read_settings()).credentials

    assert (credentials.username, credentials.password) == ("collector", "swordfish")
    assert "swordfish" not in repr(credentials)


def test_an_empty_password_file_is_named(monkeypatch):
    Path("secret").write_text("\n")
    monkeypatch.setenv("FACTORYLEDGER_BROKER_PASSWORD_FILE", "secret")

    with pytest.raises(WrongUsage, match="secret: no password"):
        _ = Installation(read_settings()).credentials


def test_machines_send_again_before_they_give_up_waiting():
    settings = read_settings()
    assert settings.resend_after == RESEND_AFTER < settings.drain
