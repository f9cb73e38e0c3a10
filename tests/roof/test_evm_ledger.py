"""An EVM chain by the command: deployed once, anchored to, shown by a block's hash or a node."""

import json
import shutil
import sqlite3
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("web3")
sys.path.append(str(Path(__file__).parents[1] / "anchor_ledgers"))

from eth_account import Account
from evm_chain import running

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def chain():
    # A block a second, so that nobody has to mine by hand.
    with running("--block-time", "1") as anvil:
        yield anvil


@pytest.fixture
def keystore(ledger):
    """An account's keystore whose passphrase is not stretched for a second."""
    file = ledger.path / "keys/evm.keystore"
    for path, text in (
        (file, json.dumps(Account.encrypt(Account.create().key, "open", "pbkdf2", 1000))),
        (file.with_suffix(".passphrase"), "open\n"),
    ):
        path.touch(0o600)
        path.write_text(text)
    return file


@pytest.fixture
def pinned(ledger, keystore, command, chain):
    """The ledger, its contract on the chain, pinned beside it."""
    options = ("--every", "0", "--confirmations", "1", "--fund", "1")
    done = command("anchor", "deploy", "--node", chain.url, "--data", ledger.path, *options)
    assert done.code == 0, done.err
    assert "deployed contract 0x" in done.out
    return ledger


def stored(ledger):
    return sorted((ledger.path / "log/receipts").glob("*/*"))


def test_what_deploy_makes_is_made_once_and_for_its_owner_alone(command, ledger, chain):
    """An account without ether is named and kept; funded, it deploys; after that all is there."""
    arguments = ("anchor", "deploy", "--node", chain.url, "--data", ledger.path)
    poor = command(*arguments)
    assert poor.code == 3
    assert "cannot pay: send it some ether" in poor.err
    keys = [ledger.path / f"keys/evm.{name}" for name in ("keystore", "passphrase")]
    made = [file.read_bytes() for file in keys]
    assert [file.stat().st_mode & 0o777 for file in keys] == [0o600, 0o600]
    done = command(*arguments, "--fund", "1")
    assert done.code == 0
    assert made == [file.read_bytes() for file in keys]
    file = ledger.path / "ledgers.toml"
    before = file.read_bytes()
    table = tomllib.loads(before.decode())["evm"]
    assert table["account"] in poor.err.lower()
    assert (ledger.path / table["keystore"], ledger.path / table["passphrase_file"]) == tuple(keys)
    again = command(*arguments, "--json")
    about = {name: table[name] for name in ("chain_id", "contract", "account")}
    assert json.loads(again.out) == {**about, "gas": None}
    assert file.read_bytes() == before
    assert chain.rpc("eth_getTransactionCount", table["account"], "latest") == "0x1"
    assert made[1].decode().strip() not in poor.err + done.out + done.err + again.out


def test_a_node_that_is_not_there_is_said_without_its_key(command, ledger, keystore):
    url = "http://127.0.0.1:1/v3/a-secret-key"
    done = command("anchor", "deploy", "--node", url, "--data", ledger.path)
    assert done.code == 3
    assert "no answer from the node at http://127.0.0.1:1" in done.err
    assert "secret" not in done.err


@pytest.fixture
def anchored(pinned, command, chain):
    """The receipt of the one checkpoint, which two runs of the anchor brought."""
    for _ in range(2):
        assert command("anchor", "--once", "--data", pinned.path).code == 0
        chain.mine()
    (receipt,) = stored(pinned)
    assert receipt.name == "evm.evm"
    return receipt


@pytest.fixture
def proof(pinned, command, anchored, tmp_path):
    """A proof of the ledger's first message, with the chain's receipt in it."""
    file = tmp_path / "message.proof"
    (state,) = json.loads(command("stats", "--json", "--data", pinned.path).out)["ledgers"]
    assert (state["submitted"], state["stamped"], state["refused"]) == (1, 1, 0)
    # The anchor believes its own node's block; anybody else pins or asks.
    assert state["newest_stamp"] is not None
    with closing(sqlite3.connect(pinned.database)) as store:
        row = store.execute("select collector from messages").fetchone()
    done = command("prove", "--message", f"{row[0]}:0", "--data", pinned.path, "-o", file)
    assert done.code == 0, done.err
    return file


def test_a_proof_counts_with_its_block_pinned_or_a_nodes_word(
    command, pinned, anchored, proof, chain
):
    lines = dict(line.split(" ") for line in anchored.read_text().splitlines()[1:7])
    arguments = ("verify", proof, "--data", pinned.path)
    without = command(*arguments)
    assert without.code == 0
    assert f"has the hash {lines['block']}" in without.out
    asked = command(*arguments, "--ask")
    assert asked.code == 0
    assert "of chain 31337" in asked.out
    assert "has the hash" not in asked.out

    file = pinned.path / "ledgers.toml"
    text = file.read_text()

    def asked_of(url):
        file.write_text(text.replace(chain.url, url))
        return command(*arguments, "--ask")

    with running() as other:
        behind = asked_of(other.url)
        other.mine(60)
        refuted = asked_of(other.url)
    assert (behind.code, refuted.code) == (3, 1)
    assert "has no block" in behind.err
    assert "of chain 31337 is 0x" in refuted.out + refuted.err
    assert asked_of("http://127.0.0.1:1").code == 3
    with running("--chain-id", "5") as other:
        elsewhere = asked_of(other.url)
    assert elsewhere.code == 3
    assert "is a node of chain 5, not of 31337" in elsewhere.err

    file.write_text(text + f'blocks = ["{lines["block"]}"]\n')
    offline = command(*arguments)
    assert offline.out == asked.out


@pytest.fixture
def block(anchored, chain):
    """The height of the block that the receipt is of."""
    (named,) = [line for line in anchored.read_text().splitlines() if line.startswith("block ")]
    return int(chain.rpc("eth_getBlockByHash", named.split(" ")[1], False)["number"], 16)  # noqa: FBT003


def test_what_a_node_keeps_back_is_no_proof_that_nothing_was_anchored(
    command, pinned, block, chain
):
    """A height too late, or a node without old events: the contract's own head tells."""
    chain.mine()
    file = pinned.path / "ledgers.toml"
    text = file.read_text()
    since = tomllib.loads(text)["evm"]["since"]
    file.write_text(text.replace(f"since = {since}\n", f"since = {block + 1}\n"))
    done = command("audit", "--data", pinned.path, "--ask")
    assert done.code == 3
    assert f"gives no event of it since block {block + 1}" in done.err


def test_a_block_that_the_chain_lost_after_its_receipt_was_stored_is_said(
    command, pinned, block, chain
):
    height = int(chain.rpc("eth_blockNumber"), 16)
    chain.rpc("anvil_reorg", height - block + 1, [])
    caught = command("audit", "--data", pinned.path, "--ask", "--json")
    assert caught.code == 1
    (finding,) = json.loads(caught.out)["findings"]
    assert finding["kind"] == "receipt-false"
    assert "reorganised after the receipt was stored" in finding["detail"]


def test_a_log_rewritten_with_every_key_is_caught_by_the_contract_alone(
    command, pinned, anchored, tmp_path
):
    """All keys are stolen, the account's too, and every receipt beside the log is gone."""
    assert command("audit", "--data", pinned.path, "--ask").code == 0
    assert anchored.exists()
    forged, other = tmp_path / "forged", tmp_path / "other.jsonl"
    kept = shutil.ignore_patterns("ledger*.db*", "anchor.db*", "log", "audit*", "*.lock")
    shutil.copytree(pinned.path, forged, ignore=kept)
    command("simulate", "--machines", 3, "--duration", 5, "--seed", 8, "--out", other)
    assert command("ingest", other, "--data", forged).code == 0
    assert command("anchor", "--once", "--data", forged).code == 0
    # In itself it is whole; only what nobody in the factory holds tells.
    assert command("audit", "--data", forged).code == 0
    caught = command("audit", "--data", forged, "--ask", "--json")
    assert caught.code == 1
    (finding,) = json.loads(caught.out)["findings"]
    assert finding["kind"] in {"log-forked", "log-truncated"}
    assert "contract 0x" in finding["detail"]
    # Not even with an empty folder.
    shutil.rmtree(forged / "log")
    caught = command("audit", "--data", forged, "--ask", "--json")
    assert "log-truncated" in {one["kind"] for one in json.loads(caught.out)["findings"]}
