"""OpenTimestamps by the command: calendars given by file or flag, receipts beside the log."""

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "anchor_ledgers"))

from ots_counterpart import Calendar, Chain

from anchor.ledgers.ots_block import read_headers
from anchor.ledgers.ots_voucher import OtsVoucher

WORK = 7


@pytest.fixture
def chain():
    chain = Chain()
    yield chain
    chain.close()


@pytest.fixture
def calendar(chain):
    calendar = Calendar(chain)
    yield calendar
    calendar.close()


def anchor(command, ledger, *flags):
    return command("anchor", "--once", "--data", ledger.path, *flags)


def stored(ledger):
    return sorted((ledger.path / "log/receipts").glob("*/*"))


def state(command, ledger):
    return json.loads(command("stats", "--json", "--data", ledger.path).out)["ledgers"][0]


def table(ledger, calendar, *lines):
    text = "\n".join(("[btc]", 'kind = "ots"', f'calendars = ["{calendar.url}"]', *lines))
    (ledger.path / "ledgers.toml").write_text(f"{text}\n")


def test_a_checkpoint_goes_to_a_calendar_and_its_receipt_lies_beside_the_log(
    command, ledger, chain, calendar
):
    table(ledger, calendar, f'esplora = "{chain.url}"', f"work = {WORK}")
    for _ in range(2):
        assert anchor(command, ledger).code == 0
    assert (state(command, ledger)["pending"], stored(ledger)) == (1, [])
    calendar.mine()
    assert anchor(command, ledger).code == 0
    (receipt,) = stored(ledger)
    assert receipt.name == "btc.ots"
    assert len(calendar.submitted) == 1
    note = (ledger.path / "log/checkpoints" / receipt.parent.name).read_bytes()
    headers = read_headers(chain.pinned(), 1 << WORK)
    stamp = OtsVoucher("btc", headers).check(note, receipt.read_bytes())
    shown = state(command, ledger)
    assert (shown["stamped"], shown["pending"]) == (1, 0)
    assert stamp.lacking is None
    assert shown["newest_stamp"] is not None


def test_without_headers_a_receipt_is_stored_and_shows_no_time(command, ledger, calendar):
    flags = ("--ledger", f"ots={calendar.url}")
    anchor(command, ledger, *flags)
    calendar.mine()
    assert anchor(command, ledger, *flags).code == 0
    assert [path.name for path in stored(ledger)] == ["ots.ots"]
    shown = state(command, ledger)
    assert (shown["stamped"], shown["newest_stamp"]) == (1, None)


def test_a_calendar_that_is_down_stops_nothing_and_is_in_stats(command, ledger, calendar):
    table(ledger, calendar)
    calendar.on_submit = lambda status, body: (503, b"busy")
    assert anchor(command, ledger).code == 0
    assert "takes nothing: status 503, busy" in state(command, ledger)["last_failure"]
    assert command("audit", "--data", ledger.path).code == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("calendars = []", "no calendars"),
        ('calendars = ["http://calendar.example"]', "must be https, or http on this machine"),
        ('calendars = ["https://c.example", "https://c.example"]', "each once"),
        ('calendars = ["ftp://c.example"]', "a URL is due"),
        ('calendars = ["https://c.example"]\nheaders = "headers"', "no block headers there"),
        ('calendars = ["https://c.example"]\nheaders = "easy"', "anybody may make one up"),
        ('calendars = ["https://c.example"]\nheaders = "policy"', "not height:header"),
        ('calendars = ["https://c.example"]\nnode = "http://node.example"', "must be https"),
        ("work = 0", "work: "),
        ("hours = 3", "there is no such setting"),
    ],
)
def test_a_table_that_is_wrong_is_said(command, ledger, chain, line, said):
    chain.mine(bytes(32))
    (ledger.path / "easy").write_bytes(chain.pinned())
    (ledger.path / "ledgers.toml").write_text(f"[ots]\n{line}\n")
    done = anchor(command, ledger)
    assert (done.code, said in done.err) == (2, True), done.err
