"""OpenTimestamps by the command: calendars given by file or flag, receipts beside the log."""

import json
import sys
import time
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "anchor_ledgers"))

from ots_counterpart import Calendar, Chain

from anchor.ledgers.ots.block import read_headers
from anchor.ledgers.ots.voucher import OtsVoucher

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


@pytest.mark.e2e
def test_an_anchor_that_is_killed_goes_on_with_what_it_had_submitted(
    ledger, chain, calendar, program, broker, topic_prefix
):
    at = ("--broker", broker.address, "--prefix", topic_prefix, "--data", ledger.path)
    table(ledger, calendar, f'esplora = "{chain.url}"', f"work = {WORK}")
    for kill in (True, False):
        running = program("anchor", *at)
        wait_until(lambda: calendar.asked > 0)  # its promise is kept by then
        if kill:
            running.kill()
            running.wait()
            calendar.mine()
            calendar.asked = 0
    wait_until(lambda: stored(ledger))
    assert len(calendar.submitted) == 1


def wait_until(true, seconds=30):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


WRONG = [
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
]


def test_a_table_that_is_wrong_is_said(command, ledger, chain):
    chain.mine(bytes(32))
    (ledger.path / "easy").write_bytes(chain.pinned())
    for line, said in WRONG:
        (ledger.path / "ledgers.toml").write_text(f"[ots]\n{line}\n")
        done = anchor(command, ledger)
        assert (done.code, said in done.err) == (2, True), done.err


@pytest.fixture
def proved(command, ledger, chain, calendar, tmp_path):
    """A proof with a receipt of `btc`, and a folder of who verifies: policy, ledgers, headers."""
    table(ledger, calendar)
    anchor(command, ledger)
    calendar.mine()
    anchor(command, ledger)
    assert stored(ledger)
    proof, mine = tmp_path / "one.proof", tmp_path / "mine"
    assert command("prove", "--data", ledger.path, "-o", proof).code == 0
    mine.mkdir()
    (mine / "policy").write_bytes((ledger.path / "policy").read_bytes())
    (mine / "headers").write_bytes(chain.pinned())
    return proof, mine


def judge(command, proved, *lines, flags=()):
    proof, mine = proved
    (mine / "ledgers.toml").write_text("\n".join(("[btc]", 'kind = "ots"', *lines, "")))
    done = command("verify", proof, "--data", mine, *flags)
    return done.code, " ".join((done.out + done.err).split())


def test_verify_counts_a_receipt_by_pinned_headers_alone(command, proved, chain):
    code, said = judge(command, proved, 'headers = "headers"', f"work = {WORK}")
    assert code == 0
    assert "says Bitcoin block 840000, " in said
    assert "ledger btc had stamped a log that contains it; this rests on that ledger alone" in said
    assert "two hours" in said
    code, said = judge(command, proved, 'headers = "headers"')
    assert (code, "anybody may make one up" in said) == (2, True)
    # Without the header it is said which one is lacking, and nothing counts.
    code, said = judge(command, proved)
    root = chain.headers_at[840_000][36:68][::-1].hex()
    assert code == 0
    assert (
        f"Bitcoin block 840000 is not counted here: its header, with the Merkle root {root}, is"
        in said
    )
    assert "There not after" not in said
    # A header of another block at that height is exit 1.
    _, mine = proved
    other = Chain()
    try:
        other.mine(bytes(32))
        (mine / "headers").write_bytes(other.pinned())
    finally:
        other.close()
    code, said = judge(command, proved, 'headers = "headers"', f"work = {WORK}")
    assert (code, "The receipt of ledger btc does not hold" in said) == (1, True)


def test_verify_asks_for_a_header_only_if_it_is_told_to(command, proved, chain):
    asked = []

    def answer(path, status, body):
        asked.append(path)
        return status, body

    chain.answer = answer
    lines = (f'node = "{chain.url}"', f"work = {WORK}")
    code, said = judge(command, proved, *lines)
    assert (code, asked, "is not counted here" in said) == (0, [], True)
    code, said = judge(command, proved, *lines, flags=("--ask",))
    assert (code, len(asked), "says Bitcoin block 840000, " in said) == (0, 2, True)
    # A server that is away or lies says nothing of the receipt.
    lines = (f'esplora = "{chain.url}"', f"work = {WORK}")
    chain.answer = lambda path, status, body: (503, b"later")
    code, said = judge(command, proved, *lines, flags=("--ask",))
    assert (code, "has no Bitcoin block 840000: status 503" in said) == (3, True)
    chain.answer = lambda path, status, body: (200, b"00" * 80 if len(body) > 70 else body)
    code, said = judge(command, proved, *lines, flags=("--ask",))
    assert (code, "does not hold" in said) == (3, False)


def test_every_changed_digit_of_a_receipt_in_a_proof_is_exit_1_or_counts_nothing(
    command, proved, chain
):
    proof, _ = proved
    whole = proof.read_bytes()
    start = whole.index(b'"receipt":"') + 11
    end = whole.index(b'"', start)
    for place in range(start, end, 37):
        changed = bytearray(whole)
        changed[place] = ord("A") if changed[place] != ord("A") else ord("B")
        proof.write_bytes(changed)
        code, said = judge(command, proved, 'headers = "headers"', f"work = {WORK}")
        assert code == 1 or (code == 0 and "is not counted here" in said), place


def test_a_key_in_a_calendars_address_is_nowhere_said(command, ledger, chain, calendar):
    """Not even where the calendar says its own address back, or sends us on."""
    honest = calendar.ask
    here = f"{calendar.url}/secret"
    echo = b"Cannot POST /secret/digest of " + here.encode()
    answers = {
        "status 404": lambda *_: (404, echo),
        "no timestamp": lambda *_: (200, b"\0"),
        "hands over": lambda method, _, body: honest(method, "/digest", body),
    }
    (ledger.path / "ledgers.toml").write_text(f'[btc]\nkind = "ots"\ncalendars = ["{here}"]\n')
    calendar.address = f"http://127.0.0.1:{calendar.port}/secret/other"
    for reason, calendar.ask in answers.items():
        done = anchor(command, ledger)
        assert reason in done.err
        assert calendar.url in done.err
        assert "secret" not in done.err
        assert "secret" not in command("stats", "--data", ledger.path).out
    calendar.close()
    assert "secret" not in anchor(command, ledger).err
    assert b"secret" not in (ledger.path / "anchor.db").read_bytes()
