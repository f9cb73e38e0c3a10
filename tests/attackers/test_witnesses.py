"""A hostile witness: whatever it answers, the anchor goes on with its quorum and says which it is.

Single answers are `anchor_writer/test_witness_client.py`'s; here a witness of three is hostile
over real sockets, for a whole round.
"""

import asyncio
import contextlib

import httpx
import pytest
from anchor_plant import Net, Plant, key_of, witness_key
from check_log import check_log, cosigners
from hostile_witness import hostile

from anchor.checkpoint import Checkpoint, sign_checkpoint
from anchor.cosignature import cosign
from anchor.errors import Missing
from anchor.keeping.anchor_db import read_state
from anchor.keeping.service import run_anchor
from anchor.keeping.witness_db import WitnessState
from anchor.note import Note
from anchor.policy import Policy, Witness, write_policy

HONEST = ("w1", "w2")
LIAR = "w3"


class Mixed(Net):
    """Honest witnesses in this process; whoever is on 127.0.0.1 over its sockets."""

    def __init__(self, keys):
        super().__init__(keys)
        self.wire = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request):
        if request.url.host == "127.0.0.1":
            return await self.wire.handle_async_request(request)
        return await super().handle_async_request(request)


def cosigned(text, time=1_764_000_000, key=None):
    line = cosign(key or witness_key(LIAR), text, time)
    return Note("\n", (line,)).to_bytes().removeprefix(b"\n\n")


def submitted(body):
    """The text of the checkpoint that the log wants cosigned."""
    return Note.from_bytes(body.partition(b"\n\n")[2]).text


def on_post(answer):
    """Behave until the checkpoint comes."""

    def manner(http, body):
        return answer(http, body) if http.command == "POST" else http.say(404)

    return manner


def always(status, body=b"", **headers):
    return lambda http, _: http.say(status, body, **headers)


def endless(http, _):
    http.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not http.server.ended.is_set():
        http.wfile.write(bytes(1 << 16))


def stall(http, _):
    http.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf")
    http.server.ended.wait(60)


def drip(http, _):
    http.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    while not http.server.ended.wait(0.02):
        http.wfile.write(b"x")


def huge_headers(http, _):
    http.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 5_000_000 + b"\r\n\r\n")


def another_tree(http, body):
    origin, size, _ = submitted(body).split("\n", 2)
    head = Checkpoint(origin, int(size), bytes(32))
    text = Note.from_bytes(sign_checkpoint(head, key_of("x"))).text
    http.say(200, cosigned(text))


def a_head_of_another_key(http, _):
    head = Checkpoint("example.org/log", 10**6, bytes(32))
    http.say(200, sign_checkpoint(head, key_of("x").from_seed("example.org/log", bytes(32))))


HOSTILE = {
    "garbage": always(200, b"\x1b[2J\xff\0" * 1000),
    "garbage for a cosignature": on_post(always(200, b"\x1b[2J\xff\0" * 1000)),
    "a body without end": on_post(endless),
    "a body that stalls": on_post(stall),
    "headers that drip": on_post(drip),
    "headers of megabytes": on_post(huge_headers),
    "silence from the start": stall,
    "another tree cosigned": on_post(another_tree),
    "no time": on_post(lambda http, body: http.say(200, cosigned(submitted(body), 0))),
    "another's key": on_post(
        lambda http, body: http.say(200, cosigned(submitted(body), key=witness_key("w1")))
    ),
    "a conflict of the same size": on_post(always(409, b"2\n")),
    "a conflict of a size ahead": on_post(always(409, b"999999\n")),
    "a conflict of 2^64": on_post(always(409, b"18446744073709551616\n")),
    "a conflict of no size": on_post(always(409, b"\x1b[2J")),
    "a refusal that clears the screen": on_post(always(422, b"\x1b[2J\nall is well\n")),
    "a head that our key did not sign": a_head_of_another_key,
    "sent to a file": on_post(always(302, Location="file:///etc/passwd")),
    "sent elsewhere": on_post(always(307, Location="http://127.0.0.1:1/")),
}


def policy_of(plant, url, quorum):
    known = [Witness(name, witness_key(name).verifier, f"http://{name}") for name in HONEST]
    known.append(Witness(LIAR, witness_key(LIAR).verifier, url))
    return Policy.from_bytes(
        write_policy(plant.key.verifier, plant.operator.verifier, known, quorum)
    )


@contextlib.contextmanager
def round_of(folder, manner, quorum):
    """One look of the anchor, with the liar among its witnesses; gives what came of it."""
    plant, announced = Plant(), []
    net = Mixed([plant.key])
    with contextlib.closing(net), hostile(manner) as url:
        for name in HONEST:
            net.add(name, WitnessState(folder / f"{name}.db"))
        policy = policy_of(plant, url, quorum)
        plant.collector().commit(3)

        async def announce(note):
            announced.append(note)

        async def go():
            async with net.client() as http:
                await run_anchor(
                    batches=plant,
                    requests=plant,
                    folder=folder / "log",
                    db=folder / "anchor.db",
                    key=plant.key,
                    policy=policy,
                    stop=asyncio.Event(),
                    once=True,
                    publish=announce,
                    http=http,
                )
            await net.wire.aclose()

        yield policy, announced, lambda: asyncio.run(asyncio.wait_for(go(), 60))


@pytest.mark.parametrize("manner", HOSTILE.values(), ids=HOSTILE)
def test_the_anchor_goes_on_with_its_quorum(manner, tmp_path):
    with round_of(tmp_path, manner, 2) as (policy, announced, run):
        run()
    (note,) = announced
    assert len(cosigners(note)) == 3, "the log, and the two that are honest"
    assert list(policy.open(note).times) == list(HONEST)
    check_log(tmp_path / "log", policy)


QUICK = ["garbage", "another tree cosigned", "a conflict of a size ahead", "no time"]


@pytest.mark.parametrize("manner", [HOSTILE[name] for name in QUICK], ids=QUICK)
def test_it_never_publishes_below_its_quorum_and_says_who_is_missing(manner, tmp_path):
    with (
        round_of(tmp_path, manner, "all") as (_, announced, run),
        pytest.raises(Missing, match=r"w3|answer: \['w1', 'w2'\]") as missing,
    ):
        run()
    assert str(missing.value).isprintable()
    assert announced == []
    assert not (tmp_path / "log/checkpoint").exists()
    assert read_state(tmp_path / "anchor.db").size == 2


def test_a_witness_that_dates_back_counts_and_moves_no_bound(tmp_path):
    """Its word is one of three: what is known of the time is what the quorum says."""

    def dated_back(http, body):
        http.say(200, cosigned(submitted(body), 1))

    with round_of(tmp_path, on_post(dated_back), 2) as (policy, announced, run):
        run()
    times = policy.open(announced[0]).times
    assert sorted(times.values())[1] > 1_700_000_000, "the second word of two that are due"
