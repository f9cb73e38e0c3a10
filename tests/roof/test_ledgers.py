"""Outside ledgers by the command: what pins them, what they are given, what shows it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "anchor_ledgers"))

from local_tsa import make_authority, serving


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return make_authority(tmp_path_factory.mktemp("tsa"))


@pytest.fixture
def tsa(authority):
    with serving(authority) as server:
        yield server


@pytest.fixture
def pinned(ledger, authority, tsa):
    """The ledger with an authority that is pinned beside it."""
    (ledger.path / "root.pem").write_bytes(authority.root.read_bytes())
    (ledger.path / "ledgers.toml").write_text(
        f'[office]\nkind = "tsa"\nurl = "{tsa.url}"\nroots = ["root.pem"]\nevery = 0\n'
    )
    return ledger


def stored(ledger):
    return sorted((ledger.path / "log/receipts").glob("*/*"))


def test_a_checkpoint_is_stamped_once_and_openssl_accepts_what_is_stored(
    command, pinned, tsa, authority
):
    for _ in range(2):
        assert command("anchor", "--once", "--data", pinned.path).code == 0
    (receipt,) = stored(pinned)
    assert receipt.name == "office.tsr"
    assert len(tsa.asked) == 1
    note = pinned.path / "log/checkpoints" / receipt.parent.name
    done = subprocess.run(
        ["openssl", "ts", "-verify", "-data", note, "-in", receipt, "-CAfile", authority.root],
        capture_output=True,
        check=True,
    )
    assert b"Verification: OK" in done.stdout


def test_the_command_line_names_one_with_its_root_beside(command, ledger, tsa, authority):
    failed = command("anchor", "--once", "--data", ledger.path, "--ledger", f"tsa={tsa.url}")
    assert failed.code == 2
    assert "tsa.pem" in failed.err
    (ledger.path / "tsa.pem").write_bytes(authority.root.read_bytes())
    done = command("anchor", "--once", "--data", ledger.path, "--ledger", f"tsa={tsa.url}")
    assert done.code == 0
    assert [path.name for path in stored(ledger)] == ["tsa.tsr"]


def test_a_ledger_that_lies_or_is_away_stops_nothing_and_stores_nothing(command, pinned, tsa):
    tsa.trouble = "stranger"
    assert command("anchor", "--once", "--data", pinned.path).code == 0
    assert stored(pinned) == []
    assert command("audit", "--data", pinned.path).code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[office]\nkind = 'fax'\n", "[office] says no kind: tsa, evm, ots"),
        ("[tsa]\nurl = 'http://x/'\n", "[tsa] roots: is missing"),
        ("[tsa]\nroots = ['r.pem']\nevry = 3\n", "[tsa] evry: there is no such setting"),
        ("[tsa]\nroots = ['r.pem']\n", "no root certificate there"),
        ("[tsa]\nroots = ['policy']\n", "no certificates in PEM there"),
        ("[tsa]\nroots = ['policy']\nurl = 'http://me:secret@x/'\n", "a password in a URL"),
        ("[tsa]\nroots = ['r.pem']\npolicy = '1.50.1'\n", "policy: 1.50.1 is no object id"),
        ("[tsa]\nroots = ['r.pem']\nurl = 'http://[::1'\n", "[tsa] url: a URL is due"),
        ("[tsa]\nroots = ['r.pem']\nurl = 'http://x:99999/'\n", "[tsa] url: a URL is due"),
        ("[evm]\nchain_id = 1\ncontract = 'me'\n", "[evm] contract: "),
        (
            f"[evm]\nchain_id = 1\ncontract = '0x{'1' * 40}'\naccount = '0xsecret'\n",
            "[evm] account: ",
        ),
        ("[Office]\nkind = 'tsa'\nroots = ['policy']\n", "a name is of a-z"),
        ("x = 1\n", "x stands in no table"),
        ("[", "ledgers.toml: "),
    ],
)
def test_a_file_of_ledgers_that_is_wrong_is_said(command, ledger, text, said):
    (ledger.path / "ledgers.toml").write_text(text)
    done = command("anchor", "--once", "--data", ledger.path)
    assert done.code == 2
    assert said in done.err
    assert "secret" not in done.err


def test_a_key_in_an_address_is_nowhere_said(command, pinned, tsa):
    file = pinned.path / "ledgers.toml"
    away = f"{tsa.url.rstrip('/')}/secret?key=secret"
    file.write_text(file.read_text().replace(tsa.url, away))
    for trouble in ("page", "stranger"):
        tsa.trouble = trouble
        done = command("anchor", "--once", "--data", pinned.path)
        assert "office" in done.err
        assert "secret" not in done.err
    assert "secret" not in command("stats", "--data", pinned.path).out
    assert b"secret" not in (pinned.path / "anchor.db").read_bytes()


def test_a_missing_extra_is_said(command, ledger, authority, monkeypatch):
    (ledger.path / "tsa.pem").write_bytes(authority.root.read_bytes())
    for name in [name for name in sys.modules if name.startswith("anchor.ledgers.tsa")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    done = command("anchor", "--once", "--data", ledger.path, "--ledger", "tsa=http://x/")
    assert done.code == 3
    assert "rfc3161_client is not installed; install factoryledger[tsa]" in done.err


def test_stats_show_how_far_each_ledger_is(command, pinned, tsa):
    tsa.trouble = "busy"
    command("anchor", "--once", "--data", pinned.path)
    shown = json.loads(command("stats", "--json", "--data", pinned.path).out)["ledgers"][0]
    assert (shown["submitted"], shown["stamped"], shown["pending"]) == (1, 0, 1)
    assert "HTTP status 503" in shown["last_failure"]
    assert shown["newest_stamp"] is None
    tsa.trouble = ""
    command("anchor", "--once", "--data", pinned.path)
    said = command("stats", "--data", pinned.path).out
    assert "office: 1 submitted, 1 stamped, 0 pending; newest stamp " in said
    shown = json.loads(command("stats", "--json", "--data", pinned.path).out)["ledgers"][0]
    assert 0 <= shown["newest_stamp_age"] < 600


def test_each_ledger_has_its_metrics():
    from anchor.account import AnchorAccount, LedgerAccount
    from factoryledger.metrics.anchoring import AnchorProbe

    account = AnchorAccount(ledgers={"office": LedgerAccount(submitted=3, stamped=2, newest=7)})
    samples = {
        (sample.name, sample.value)
        for family in AnchorProbe(account).families()
        for sample in family.samples
        if sample.labels == {"ledger": "office"}
    }
    assert ("factoryledger_anchor_ledger_stamped_total", 2) in samples
    assert ("factoryledger_anchor_ledger_newest_stamp_timestamp_seconds", 7) in samples


def test_a_proof_carries_the_stamp_and_verify_wants_it_pinned(command, pinned, authority, tmp_path):
    command("anchor", "--once", "--data", pinned.path)
    proof = tmp_path / "one.proof"
    assert command("prove", "--data", pinned.path, "-o", proof).code == 0
    said = command("verify", proof, "--data", pinned.path).out
    assert "ledger office had stamped a log that contains it" in said
    assert "this rests on that ledger alone" in said
    assert "says the time-stamp authority CN=Test tsa." in said
    policy, apart = pinned.path / "policy", tmp_path / "mine.toml"
    (tmp_path / "foreign.pem").write_bytes(authority.foreign.read_bytes())
    apart.write_text("[office]\nkind = 'tsa'\nroots = ['foreign.pem']\n")
    elsewhere = ("--policy", policy, "--data", tmp_path / "nothing")
    assert "no such ledger is pinned here" in command("verify", proof, *elsewhere).out
    wrong = command("verify", proof, *elsewhere, "--ledgers", apart)
    assert wrong.code == 1
    assert "The receipt of ledger office does not hold" in wrong.err
    assert "does not lead to a pinned root" in wrong.err


def test_one_changed_byte_of_a_receipt_in_a_proof_is_exit_1(command, pinned, tmp_path):
    command("anchor", "--once", "--data", pinned.path)
    proof = tmp_path / "one.proof"
    command("prove", "--data", pinned.path, "-o", proof)
    data = bytearray(proof.read_bytes())
    place = data.index(b'"receipt":"') + 700
    data[place] = ord("A") if data[place] != ord("A") else ord("B")
    proof.write_bytes(data)
    assert command("verify", proof, "--data", pinned.path).code == 1


def test_audit_checks_receipts_and_says_how_far_the_log_is_stamped(command, pinned):
    command("anchor", "--once", "--data", pinned.path)
    done = command("audit", "--data", pinned.path)
    assert done.code == 0
    assert "ledger office: 1 receipts hold; " in done.out
    (receipt,) = stored(pinned)
    data = bytearray(receipt.read_bytes())
    data[len(data) // 2] ^= 1
    receipt.write_bytes(data)
    done = command("audit", "--data", pinned.path, "--json")
    assert done.code == 1
    (finding,) = json.loads(done.out)["findings"]
    assert finding["kind"] == "receipt-false"
    assert receipt.name in finding["detail"]


def test_audit_takes_receipts_that_somebody_kept(command, pinned, tmp_path):
    command("anchor", "--once", "--data", pinned.path)
    kept, proof = tmp_path / "kept", tmp_path / "one.proof"
    shutil.copytree(pinned.path / "log", kept)
    command("prove", "--data", pinned.path, "-o", proof)
    for place in (kept, proof):
        assert command("audit", "--data", pinned.path, "--receipts", place).code == 0
    empty = command("audit", "--data", pinned.path, "--receipts", tmp_path)
    assert empty.code == 2
    assert "holds no folder receipts" in empty.err


def test_tlog_audit_passes_receipts_by(command, pinned):
    command("anchor", "--once", "--data", pinned.path)
    key = next(
        line.split(" ", 1)[1]
        for line in (pinned.path / "policy").read_text().splitlines()
        if line.startswith("log ")
    )
    assert stored(pinned)
    assert command("tlog", "audit", pinned.path / "log", "--vkey", key).code == 0
