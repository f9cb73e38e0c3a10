"""The contract is what its source compiles to; keys, fees and tickets have their rules."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("web3")
from compile_contract import COMPILED, compiled
from eth_account import Account
from evm_chain import KEYS
from hypothesis import given
from hypothesis import strategies as st

from anchor.errors import Malformed, Missing
from anchor.ledgers.evm.fees import Fees, bumped, first_fees
from anchor.ledgers.evm.keystore import keystore_address, new_keystore, open_keystore
from anchor.ledgers.evm.ticket import MAX_ATTEMPTS, Attempt, Ticket

VYPER = Path(__file__).parents[2] / ".venv-contract/bin/vyper"
_FEE = st.integers(1, 10**13)


def test_the_committed_bytecode_is_what_the_source_compiles_to():
    if not VYPER.exists():
        pytest.skip("no compiler: run `make compiler`")
    assert COMPILED.read_text("utf-8") == compiled(VYPER), "run `make contract`"


@given(base=_FEE, tip=_FEE, cap=_FEE)
def test_no_more_is_offered_than_the_cap_and_never_less_than_a_block_asks(base, tip, cap):
    fees = first_fees(base, tip, cap)
    if fees is None:
        assert base >= cap
    else:
        assert base < fees.most <= cap
        assert fees.tip <= fees.most


@given(most=_FEE, share=st.floats(0, 1), base=_FEE, tip=_FEE, cap=_FEE)
def test_who_replaces_offers_a_tenth_more_in_both_or_nothing(most, share, base, tip, cap):
    last = Fees(most, int(most * share))
    fees = bumped(last, base, tip, cap)
    if fees is None:
        assert most * 9 > cap * 8
    else:
        assert fees.most <= cap
        assert fees.tip <= fees.most
        assert fees.most * 10 >= last.most * 11
        assert fees.tip * 10 >= last.tip * 11


def attempt(nonce: int = 7, height: int = 12, **other: object) -> Attempt:
    fields = {
        "type": 2,
        "chainId": 31337,
        "nonce": nonce,
        "to": "0x" + "11" * 20,
        "value": 0,
        "data": "0x7f00e393",
        "gas": 100_000,
        "maxFeePerGas": 30,
        "maxPriorityFeePerGas": 2,
        **other,
    }
    return Attempt(height, bytes(Account.sign_transaction(fields, KEYS[0]).raw_transaction))


def test_a_ticket_round_trips_and_says_what_it_is():
    ticket = Ticket((attempt(), attempt(height=20, maxFeePerGas=40)))
    assert Ticket.from_bytes(ticket.to_bytes()) == ticket
    newest = ticket.newest
    assert (newest.nonce, newest.fees, newest.place) == (7, Fees(40, 2), (31337, b"\x11" * 20))
    assert newest.sender == bytes.fromhex(Account.from_key(KEYS[0]).address[2:])


@pytest.mark.parametrize(
    "attempts",
    [
        (),
        (attempt(),) * (MAX_ATTEMPTS + 1),
        (attempt(), attempt(8)),
        (attempt(), attempt(chainId=1)),
    ],
    ids=["none", "too many", "two nonces", "two chains"],
)
def test_a_ticket_of_what_does_not_belong_together_is_malformed(attempts):
    with pytest.raises(Malformed):
        Ticket(attempts)


def test_a_ticket_that_was_damaged_is_malformed_or_another():
    data = Ticket((attempt(),)).to_bytes()
    for cut in range(len(data)):
        with pytest.raises(Malformed):
            Ticket.from_bytes(data[:cut])
    for other in (data.upper(), data + b"\n", data.replace(b"12 0x", b"012 0x"), b"\xff"):
        with pytest.raises(Malformed):
            Ticket.from_bytes(other)
    with pytest.raises(Malformed):
        Ticket((replace(attempt(), raw=b"\x02\xc0"),))
    with pytest.raises(Malformed):
        Ticket((replace(attempt(), raw=b"\xf8"),))


def test_a_keystore_opens_with_its_passphrase_alone(tmp_path, monkeypatch):
    # Its passphrase is stretched for a second elsewhere; here that is of no use.
    monkeypatch.setenv("ETH_ACCOUNT_KDF", "pbkdf2")
    file = tmp_path / "evm.keystore"
    made, sealed = new_keystore("correct horse")
    file.touch(0o600)
    file.write_bytes(sealed)
    assert made.key.hex() not in file.read_text()
    assert open_keystore(file, "correct horse").address == made.address
    assert keystore_address(file) == bytes.fromhex(made.address[2:])
    with pytest.raises(Malformed, match="another passphrase") as refused:
        open_keystore(file, "battery staple")
    assert "battery" not in str(refused.value)
    file.chmod(0o640)
    with pytest.raises(Malformed, match="others may use this keystore"):
        open_keystore(file, "correct horse")
    with pytest.raises(Missing, match="there is no keystore"):
        open_keystore(tmp_path / "none.json", "")


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", json.dumps({"address": 3})])
def test_what_is_no_keystore_is_malformed(tmp_path, text):
    file = tmp_path / "evm.json"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(Malformed, match="version 3"):
        open_keystore(file, "")
    with pytest.raises(Malformed, match="version 3"):
        keystore_address(file)
