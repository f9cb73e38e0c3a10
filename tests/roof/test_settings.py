"""Settings: a flag beats the environment, the environment the file, the file the default."""

from pathlib import Path

import pytest

from factoryledger.errors import WrongUsage
from factoryledger.installation import Installation
from factoryledger.settings import read_settings
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


def test_settings_cannot_be_changed_afterwards():
    settings = read_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.machines = 3


@pytest.mark.parametrize(
    ("flags", "variables", "file", "complaint"),
    [
        ({"machines": 0}, {}, "", "--machines: .*greater than or equal to 1"),
        ({"anchored_within": float("inf")}, {}, "", "--anchored-within: .*less than or equal"),
        ({}, {"FACTORYLEDGER_FLUSH_COUNT": "many"}, "", "FACTORYLEDGER_FLUSH_COUNT .*integer"),
        ({}, {}, "colour = 'red'\n", "factoryledger.toml: there is no setting colour"),
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
