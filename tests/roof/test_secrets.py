"""No key ever leaves its file: not by what is printed, logged, written or seen of a process."""

import os
import sys
from base64 import b64encode
from pathlib import Path

import pytest

from factoryledger.data_dir import DataDir

PASSPHRASE = "an old mill by the stream"


def spellings(secret: bytes) -> list[bytes]:
    """Every way in which bytes may come out, with what stands around them in a key file."""
    plain = [secret, secret.hex().encode(), secret.hex().upper().encode(), repr(secret).encode()]
    # Base64 of the seed after nought, one or two bytes, without what depends on those.
    inside = [b64encode(bytes(n) + secret).rstrip(b"=")[(0, 2, 3)[n] : -2] for n in range(3)]
    return [*plain, *inside]


class Secrets:
    """The seeds of every key that a data folder ever held."""

    def __init__(self, data: Path, passphrase: Path):
        self.data, self.passphrase, self.seeds = data, passphrase, dict[bytes, str]()
        self._known = set[bytes]()

    def look(self):
        keys = DataDir(self.data, self.passphrase).keys
        for stem in keys.stems():
            content = (keys.folder / f"{stem}.key").read_bytes()
            if content not in self._known:  # to open a sealed one takes its time
                self._known.add(content)
                self.seeds[keys.read(stem).seed] = stem

    def found_in(self, content: bytes) -> list[str]:
        found = [stem for seed, stem in self.seeds.items() for s in spellings(seed) if s in content]
        return found + (["passphrase"] if PASSPHRASE.encode() in content else [])


@pytest.fixture
def secrets(tmp_path):
    passphrase = tmp_path / "passphrase"
    passphrase.write_text(f"{PASSPHRASE}\n")
    passphrase.chmod(0o600)
    return Secrets(tmp_path / "d", passphrase)


def test_the_search_finds_what_is_there(secrets, command):
    """The test of the test: a key file itself, plain, is full of it."""
    command("init", "--data", secrets.data)
    secrets.look()
    assert secrets.found_in((secrets.data / "keys" / "operator.key").read_bytes()) == ["operator"]
    for seed in secrets.seeds:
        for shift in range(3):
            assert secrets.found_in(b"x" + b64encode(bytes(shift) + seed) + b"x")


def test_nothing_secret_is_ever_printed_logged_or_left_elsewhere(
    secrets, command, tmp_path, monkeypatch
):
    """Every command of keys and devices, and those that sign, one after the other."""
    monkeypatch.setenv("FACTORYLEDGER_KEY_PASSPHRASE_FILE", str(secrets.passphrase))
    monkeypatch.setenv("FACTORYLEDGER_TRACEBACK", "1")
    place = ["--data", secrets.data]
    recording = tmp_path / "r.jsonl"
    said = b""
    script = [
        (["init", *place, "--broker-host", "127.0.0.1"], 0),
        (["simulate", "--machines", 2, "--duration", 3, "--out", recording], 0),
        (["device", "enrol", "mill-01", *place], 0),
        (["device", "rotate", "mill-01", *place], 0),
        (["device", "list", *place], 0),
        (["device", "list", "--json", *place], 0),
        (["keys", "list", *place], 0),
        (["keys", "protect", *place], 0),
        (["keys", "list", "--json", *place], 0),
        (["ingest", recording, *place], 0),
        (["anchor", "--once", *place], 0),
        (["keys", "protect", "device-mill-01", *place], 0),
        (["device", "rotate", "mill-01", *place], 0),
        (["device", "revoke", "mill-01", *place], 0),
        (["device", "revoke", "mill-01", *place], 2),
        (["keys", "rotate", "collector", "nobody", *place], 2),
        (["keys", "rotate", "log", *place], 0),
        (["keys", "rotate", "witness", "nobody", *place], 3),
        (["anchor", "--once", *place], 0),
        (["prove", *place, "-o", tmp_path / "p.proof", "--tlog-proofs", tmp_path / "t"], 3),
        (["audit", *place], 0),
        (["keys", "unprotect", *place], 0),
        (["keys", "protect", "operator", *place], 0),
    ]
    for arguments, code in script:
        ran = command(*arguments)
        assert ran.code == code, (arguments, ran.err)
        said += ran.out.encode() + ran.err.encode()
        secrets.look()
    # A key that is broken off, and a passphrase that is wrong, are told of without their words.
    (secrets.data / "keys" / "anchor.key").write_text(DataDir(secrets.data).anchor.to_text()[:-9])
    said += command("anchor", "--once", *place).err.encode()
    secrets.passphrase.write_text("a new mill\n")
    said += command("device", "enrol", "mill-02", *place).err.encode()

    assert len(secrets.seeds) >= 7
    assert secrets.found_in(said) == []
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    elsewhere = [p for p in files if p.parent.name != "keys" and p != secrets.passphrase]
    assert len(elsewhere) > 10
    found = {str(p): hits for p in elsewhere if (hits := secrets.found_in(p.read_bytes()))}
    assert found == {}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_process_is_called_with_anything_secret(secrets, program, command):
    """What `ps` shows to everybody, and what every child inherits."""
    command("init", "--data", secrets.data)
    secrets.look()
    ran = program(
        "keys", "protect", "--data", secrets.data,
        FACTORYLEDGER_KEY_PASSPHRASE_FILE=str(secrets.passphrase),
    )  # fmt: skip
    shown = b""
    while b"protect" not in shown and ran.poll() is None:
        # At first it is still the process that it was started from.
        shown = (Path("/proc") / str(ran.pid) / "cmdline").read_bytes()
    out, err = ran.communicate(timeout=120)
    assert ran.returncode == 0, err
    assert b"protect" in shown
    assert secrets.found_in(shown + out.encode() + err.encode()) == []
    assert not any(PASSPHRASE in value for value in os.environ.values())
