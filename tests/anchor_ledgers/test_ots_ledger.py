"""OpenTimestamps' calendars as a ledger: honest, down, late, lying, killed at any point."""

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog
from ots_counterpart import (
    LEAST_WORK,
    PENDING,
    Calendar,
    Chain,
    append,
    counted,
    in_block,
    mined,
    promise,
)

from anchor.errors import AnchorError, Malformed, Missing, Refused, Unreachable
from anchor.ledgers.ots.block import read_headers
from anchor.ledgers.ots.chain import HeaderSource
from anchor.ledgers.ots.file import OtsFile
from anchor.ledgers.ots.ledger import OtsLedger
from anchor.ledgers.ots.ticket import Ticket
from anchor.ledgers.ots.voucher import OtsVoucher
from anchor.ledgers.ots.web import open_client

NOTE = b"example.org/log\n3\nroot\n\nsignatures\n"
PROCESS = Path(__file__).with_name("ots_process.py")


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


@pytest.fixture
def second(chain):
    calendar = Calendar(chain)
    yield calendar
    calendar.close()


class Anchor:
    """Keeps a ledger's tickets as the anchor does."""

    def __init__(self, ledger):
        self.ledger, self.tickets = ledger, []

    async def keep(self, ticket):
        self.tickets.append(ticket)

    async def advance(self, note=NOTE):
        return await self.ledger.advance(
            note, self.tickets[-1] if self.tickets else None, self.keep
        )


@asynccontextmanager
async def anchoring(*calendars, source=None, **choices):
    http = open_client()
    if source is not None:
        source = HeaderSource(source.url, http, least_work=LEAST_WORK)
    ledger = OtsLedger("btc", [one.url for one in calendars], http, source=source, **choices)
    try:
        yield Anchor(ledger)
    finally:
        await ledger.aclose()


def shown(chain, receipt):
    """What the receipt shows to who pinned all that the chain has by now."""
    return OtsVoucher("btc", read_headers(chain.pinned(), LEAST_WORK)).check(NOTE, receipt)


async def said(anchor):
    """What is said of one calendar, in an `advance` that gives no receipt."""
    with structlog.testing.capture_logs() as logs:
        assert await anchor.advance() is None
    (log,) = logs
    assert (log["event"], log["log_level"]) == ("calendar-failed", "warning")
    return log["reason"]


def test_a_checkpoint_goes_out_and_comes_back_with_a_block(chain, calendar):
    async def run():
        async with anchoring(calendar, source=chain) as anchor:
            assert await anchor.advance() is None
            assert await anchor.advance() is None
            height = calendar.mine()
            return height, await anchor.advance()

    height, receipt = asyncio.run(run())
    assert shown(chain, receipt).voucher.startswith(f"Bitcoin block {height}, ")
    assert len(calendar.submitted) == 1
    # The calendar sees a hash of the checkpoint's and a nonce, not the checkpoint's.
    assert hashlib.sha256(NOTE).digest() not in calendar.submitted
    assert OtsFile.from_bytes(receipt).timestamp.pending() == ()


def test_two_checkpoints_have_nothing_in_common_for_the_calendar(calendar):
    async def run():
        async with anchoring(calendar) as one, anchoring(calendar) as two:
            await one.advance()
            await two.advance()

    asyncio.run(run())
    assert len(set(calendar.submitted)) == 2


def test_two_calendars_become_one_tree(chain, calendar, second):
    async def run():
        async with anchoring(calendar, second, source=chain) as anchor:
            await anchor.advance()
            assert {*calendar.submitted} == {*second.submitted}
            early = calendar.mine()
            second.mine()
            return early, await anchor.advance()

    early, receipt = asyncio.run(run())
    opened = OtsFile.from_bytes(receipt)
    assert len(opened.timestamp.bitcoin()) == 2
    assert opened.timestamp.to_bytes().count(b"\xf0\x10") == 1  # one nonce, then they part
    assert f"block {early}," in shown(chain, receipt).voucher


def test_a_calendar_that_never_completes_blocks_nobody_and_is_said(chain, calendar, second):
    now = [1_000_000.0]

    async def run():
        async with anchoring(calendar, source=chain, clock=lambda: now[0]) as anchor:
            assert await anchor.advance() is None
            now[0] += 2 * 86400
            assert await anchor.advance() is None
            now[0] += 2 * 86400
            with structlog.testing.capture_logs() as logs:
                assert await anchor.advance() is None
            assert "has not led a checkpoint to Bitcoin for 4 days" in logs[0]["reason"]
            kept = anchor.tickets
        # Another calendar beside it: the same commitment, and a receipt.
        async with anchoring(calendar, second, source=chain, clock=lambda: now[0]) as anchor:
            anchor.tickets = kept
            assert await anchor.advance() is None
            second.mine()
            return await anchor.advance()

    assert shown(chain, asyncio.run(run())).lacking is None
    assert {*calendar.submitted} == {*second.submitted}


def test_a_calendar_that_is_down_is_tried_again_and_the_other_goes_on(chain, calendar, second):
    second.on_submit = lambda status, body: (503, b"busy\nwith <b>things</b>")

    async def run():
        async with anchoring(calendar, second, source=chain) as anchor:
            with structlog.testing.capture_logs() as logs:
                assert await anchor.advance() is None
                assert await anchor.advance() is None
            # Said once, in one line that nothing of the answer can break.
            (said,) = logs
            assert said["calendar"] == second.url
            assert said["reason"].endswith("status 503, busy_with _b_things_/b_")
            second.on_submit = lambda status, body: (status, body)
            assert await anchor.advance() is None
            calendar.mine()
            return await anchor.advance()

    assert shown(chain, asyncio.run(run())).lacking is None
    assert len(calendar.submitted) == 1
    assert {*second.submitted} == {*calendar.submitted}


def test_with_no_calendar_at_all_it_is_missing_and_nothing_is_forgotten(chain, calendar):
    async def run():
        calendar.on_submit = lambda status, body: (500, b"")
        async with anchoring(calendar, source=chain) as anchor:
            with pytest.raises(Missing, match="takes nothing: status 500"):
                await anchor.advance()
            calendar.on_submit = lambda status, body: (status, body)
            assert await anchor.advance() is None
            assert Ticket.from_bytes(anchor.tickets[0], NOTE).held == {}
            calendar.mine()
            assert await anchor.advance() is not None

    asyncio.run(run())


def test_a_calendar_that_is_gone_or_slow_is_missing(chain, calendar):
    gone = Calendar(chain)
    gone.close()
    calendar.delay = 0.6

    async def run():
        async with anchoring(gone, calendar, seconds=0.3) as anchor:
            with pytest.raises(Missing) as caught:
                await anchor.advance()
            assert f"calendar {gone.url} does not answer" in str(caught.value)
            assert f"calendar {calendar.url} gave no whole answer within 0.3 s" in str(caught.value)

    asyncio.run(run())


FALSE_ANSWERS = {
    "too long": (lambda honest: b"\x00" * 10_001, "more than 10000 bytes"),
    "no timestamp": (lambda honest: b"<html>", "what is no timestamp"),
    "more behind it": (lambda honest: honest + b"\x00", "1 bytes follow"),
    "cut": (lambda honest: honest[:-3], "ends at byte"),
    "nothing": (lambda honest: b"", "ends at byte 0"),
}


@pytest.mark.parametrize("name", FALSE_ANSWERS)
def test_a_malformed_answer_is_said_and_never_a_receipt(chain, calendar, name):
    change, why = FALSE_ANSWERS[name]

    async def run():
        async with anchoring(calendar, source=chain) as anchor:
            calendar.on_submit = lambda status, body: (status, change(body))
            with pytest.raises(Missing, match=why):
                await anchor.advance()
            calendar.on_submit = lambda status, body: (status, body)
            assert await anchor.advance() is None
            calendar.mine()
            calendar.on_upgrade = lambda status, body: (status, change(body))
            assert why in await said(anchor)
            calendar.on_upgrade = lambda status, body: (status, body)
            return await anchor.advance()

    assert shown(chain, asyncio.run(run())).lacking is None


def test_an_attestation_of_another_digest_is_refused_and_the_honest_one_counts(
    chain, calendar, second
):
    async def run():
        async with anchoring(second) as other:
            await other.advance(b"another\n")
        async with anchoring(calendar, second, source=chain) as anchor:
            await anchor.advance()
            second.mine()
            lie, *_ = second.ready.values()
            second.on_upgrade = lambda status, body: (200, lie)
            reason = await said(anchor)
            assert f"calendar {second.url} answers falsely" in reason
            assert "leads to the Merkle root" in reason
            height = calendar.mine()
            return height, await anchor.advance()

    height, receipt = asyncio.run(run())
    assert len(OtsFile.from_bytes(receipt).timestamp.paths) == 1
    assert f"block {height}," in shown(chain, receipt).voucher


def test_a_lie_that_nobody_held_to_its_block_is_refused_by_who_verifies(chain, calendar):
    async def run():
        async with anchoring(calendar) as anchor:
            await anchor.advance()
            calendar.mine()
            calendar.on_upgrade = lambda status, body: (200, in_block(chain.next - 1))
            assert "attests 44 bytes" in await said(anchor)
            calendar.on_upgrade = lambda status, body: (200, b"\x08" + in_block(chain.next - 1))
            return await anchor.advance()

    with pytest.raises(Refused, match="does not hold"):
        shown(chain, asyncio.run(run()))


def test_a_block_that_is_gone_again_makes_no_receipt_and_its_successor_does(chain, calendar):
    async def run():
        async with anchoring(calendar, source=chain) as anchor:
            await anchor.advance()
            height = calendar.mine()
            true = chain.headers_at[height]
            chain.headers_at[height] = mined(bytes(32), bytes(32), chain.when)  # another one now
            assert "answers falsely" in await said(anchor)
            chain.headers_at[height] = true
            assert await anchor.advance() is not None

    asyncio.run(run())


def test_a_calendar_may_not_send_us_anywhere(chain, calendar, second):
    async def run():
        for address in (second.url, "https://internal.example", "file:///etc/passwd", ""):
            calendar.address = address
            async with anchoring(calendar) as anchor:
                with pytest.raises(Missing, match="hands over to"):
                    await anchor.advance()

    asyncio.run(run())
    assert second.asked == 0


def test_an_answer_that_leads_nowhere_near_bitcoin_is_refused(calendar):
    unknown = b"\x00" + bytes(range(8)) + counted(b"trust me")
    calendar.on_submit = lambda status, body: (200, append(b"x") + unknown)

    async def run():
        async with anchoring(calendar) as anchor:
            with pytest.raises(Missing, match="promises nothing that leads to Bitcoin"):
                await anchor.advance()

    asyncio.run(run())


def test_a_source_of_headers_that_is_away_or_lies_makes_no_receipt(chain, calendar):
    lies = {
        lambda path, status, body: (
            503,
            b"later",
        ): "has no Bitcoin block 840000: status 503, later",
        lambda path, status, body: (200, b"x" * 201): "more than 200 bytes",
        lambda path, status, body: (200, b"ab" * 32): "160 hexadecimal digits",
        lambda path, status, body: (200, b"no hash"): "names no hash",
        lambda path, status, body: (
            status,
            body if b"0000" in body[:4] or "height" in path else bytes(80).hex().encode(),
        ): "name no target",
    }

    async def run():
        async with anchoring(calendar, source=chain) as anchor:
            await anchor.advance()
            calendar.mine()
            for lie, why in lies.items():
                chain.answer = lie
                assert why in await said(anchor)
            chain.answer = lambda path, status, body: (status, body)
            assert await anchor.advance() is not None

    asyncio.run(run())


def test_with_everybody_away_it_is_missing_and_tried_again(chain, calendar, second):
    async def run():
        async with anchoring(calendar, second, seconds=0.3) as anchor:
            assert await anchor.advance() is None
            calendar.delay = second.delay = 0.5
            with pytest.raises(Missing, match="no whole answer within"):
                await anchor.advance()
            second.delay = 0
            assert await anchor.advance() is None  # one is enough to wait for

    asyncio.run(run())


def test_a_calendar_with_many_slow_promises_takes_no_more_time_than_one(chain, calendar):
    def many(status, body):
        calendar.delay = 0.2
        return status, b"".join(
            b"\xff" + append(bytes([n])) + promise(calendar.url) for n in range(7)
        ) + append(b"\x07") + promise(calendar.url)

    calendar.on_submit = many

    async def run():
        async with anchoring(calendar, seconds=0.5) as anchor:
            assert await anchor.advance() is None
            with pytest.raises(Missing, match=r"no whole answer within 0\.5 s"):
                await anchor.advance()

    asyncio.run(run())
    assert calendar.asked < 5


@pytest.mark.parametrize("node", [False, True])
def test_headers_come_from_a_node_or_an_esplora_server(chain, node):
    for number in range(3):
        chain.mine(bytes([number]) * 32)

    async def run():
        async with open_client() as http:
            source = HeaderSource(chain.url, http, node=node, least_work=LEAST_WORK)
            assert await source.headers([840_002, 840_000, 840_002]) == {
                height: header
                for height, header in read_headers(chain.pinned(), LEAST_WORK).items()
                if height != 840_001
            }
            with pytest.raises(Missing, match="no Bitcoin block 840003"):
                await source.header(840_003)
            two = chain.headers_at[840_002].hex().encode()
            chain.answer = lambda path, status, body: (status, two if len(body) > 70 else body)
            with pytest.raises(Refused, match="another header than the one"):
                await source.header(840_001)

    asyncio.run(run())


@pytest.mark.parametrize(
    "answer",
    [
        (404, b"Cannot GET /secret/block-height/1"),
        (200, b"no hash"),
        (200, b"0" * 64),
        (200, b"0" * 1000),
    ],
)
def test_a_key_in_the_address_of_a_source_is_not_said(chain, answer):
    chain.ask = lambda *_: answer

    async def asked():
        async with open_client() as http:
            source = HeaderSource(f"{chain.url}/secret", http, least_work=LEAST_WORK)
            await source.headers([1])

    with pytest.raises(AnchorError) as raised:
        asyncio.run(asked())
    chain.close()
    with pytest.raises(Unreachable) as away:
        asyncio.run(asked())
    assert chain.url in str(away.value)
    assert "secret" not in f"{raised.value} {away.value}"


@pytest.mark.parametrize("wrong", ["http://x.example/secret", "https://x.example/secret?secret"])
def test_a_key_in_an_address_that_is_refused_is_not_said(wrong):
    with pytest.raises(Malformed, match=r"x\.example") as raised:
        OtsLedger("btc", [wrong], open_client())
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        "http://calendar.example",
        "ftp://127.0.0.1",
        "https://",
        "https://me:secret@calendar.example",
        "https://calendar.example/?x",
        "http://127.0.0.1.calendar.example",
        "http://localhost.example",
        "calendar.example",
        "https://[",
    ],
)
def test_an_address_is_https_or_of_this_machine(address):
    with pytest.raises(Malformed):
        OtsLedger("btc", [address], open_client())


def test_a_redirect_is_not_followed_and_nothing_packed_is_taken(chain, calendar, second):
    calendar.on_submit = lambda status, body: (307, b"")
    calendar.headers = {"Location": f"{second.url}/digest"}

    async def run():
        async with anchoring(calendar) as anchor:
            with pytest.raises(Missing, match="status 307"):
                await anchor.advance()
            calendar.on_submit = lambda status, body: (status, body)
            calendar.headers = {"Content-Encoding": "gzip"}
            with pytest.raises(Missing, match="packed"):
                await anchor.advance()

    asyncio.run(run())
    assert second.submitted == []


def test_a_ticket_that_is_none_or_anothers_is_not_gone_on_with(calendar):
    async def run():
        async with anchoring(calendar) as anchor:
            await anchor.advance()
            good = anchor.tickets[-1]
            anchor.tickets = [good]
            with pytest.raises(Refused, match="of another checkpoint"):
                await anchor.advance(b"another\n")
            for bad in (b"", b"{}", good[:-1], good.replace(b'"version":1', b'"version":2')):
                anchor.tickets = [bad]
                with pytest.raises(Malformed, match="no ticket"):
                    await anchor.advance()

    asyncio.run(run())


# --- killed ------------------------------------------------------------------------------


def step(folder, calendar, chain, kill=""):
    """One `advance` in a process of its own, that kills itself at a point; its exit code."""
    command = [sys.executable, str(PROCESS), str(folder), calendar.url, chain.url, kill]
    return subprocess.run(command, check=False, timeout=60).returncode


@pytest.mark.parametrize("kill", ["kept-first", "asked", "kept-answer", "receipt"])
def test_killed_at_any_point_it_goes_on_with_the_same_commitment(tmp_path, chain, calendar, kill):
    (tmp_path / "note").write_bytes(NOTE)
    assert step(tmp_path, calendar, chain, kill) == (0 if kill == "receipt" else -signal.SIGKILL)
    first = Ticket.from_bytes((tmp_path / "ticket").read_bytes(), NOTE)
    assert step(tmp_path, calendar, chain) == 0
    calendar.mine()
    if kill == "receipt":
        assert step(tmp_path, calendar, chain, kill) == -signal.SIGKILL
        assert not (tmp_path / "receipt").exists()
    assert step(tmp_path, calendar, chain) == 0
    receipt = (tmp_path / "receipt").read_bytes()
    assert shown(chain, receipt).lacking is None
    # Only an answer that was never kept is asked for again, and then for the same commitment.
    assert {*calendar.submitted} == {first.commitment}
    assert len(calendar.submitted) == (2 if kill == "asked" else 1)


# --- the stock client --------------------------------------------------------------------

OTS = Path(__file__).parents[2] / ".venv-oracles" / "bin" / "ots"


def ots(*arguments, home):
    command = [str(OTS), *map(str, arguments)]
    ran = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "HOME": str(home)},
    )
    return ran.returncode, ran.stdout + ran.stderr


needs_ots = pytest.mark.skipif(not OTS.exists(), reason="`make oracles` has not made the client")


@needs_ots
def test_the_stock_client_verifies_our_receipt(tmp_path, chain, calendar):
    async def run():
        async with anchoring(calendar, source=chain) as anchor:
            await anchor.advance()
            calendar.mine()
            return await anchor.advance()

    checkpoint, receipt = tmp_path / "checkpoint", tmp_path / "checkpoint.ots"
    checkpoint.write_bytes(NOTE)
    receipt.write_bytes(asyncio.run(run()))
    node = f"http://me:secret@127.0.0.1:{chain.port}"
    code, said = ots("--no-cache", "--bitcoin-node", node, "verify", receipt, home=tmp_path)
    assert (code, "Success! Bitcoin block 840000 attests" in said) == (0, True), said
    checkpoint.write_bytes(NOTE + b"\n")
    code, said = ots("--no-cache", "--bitcoin-node", node, "verify", receipt, home=tmp_path)
    assert (code, "does not match original" in said) == (1, True), said


@needs_ots
def test_our_calendar_speaks_as_the_stock_client_expects(tmp_path, chain, calendar):
    file = tmp_path / "file"
    file.write_bytes(NOTE)
    said = ots("--no-cache", "stamp", "-c", calendar.url, "-m", "1", file, home=tmp_path)
    assert said[0] == 0, said
    stamped = tmp_path / "file.ots"
    (path,) = OtsFile.from_bytes(stamped.read_bytes()).timestamp.pending()
    assert (path.attestation.tag, path.attestation.address) == (PENDING, calendar.url)
    assert promise(calendar.url) in stamped.read_bytes()
    calendar.mine()
    said = ots("--no-cache", "-l", calendar.url, "upgrade", stamped, home=tmp_path)
    assert said[0] == 0, said
    assert shown(chain, stamped.read_bytes()).lacking is None
