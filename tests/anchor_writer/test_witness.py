"""The witness: C2SP tlog-witness v1, by others' vectors and by its own rules."""

import asyncio
import contextlib
import json
import socket
import threading
from collections import Counter
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256

import httpx
import pytest
from anchor_plant import key_of, witness_key
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from anchor.account import WitnessAccount
from anchor.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from anchor.cosignature import check_cosignature
from anchor.errors import Malformed
from anchor.keeping.add_checkpoint import MAX_BODY, AddCheckpoint, origin_hash
from anchor.keeping.service import run_witness
from anchor.keeping.witness import Limits, Witness, create_app
from anchor.keeping.witness_db import WitnessState
from anchor.merkle import EMPTY_ROOT, consistency_path, leaf_hash, tree_root
from anchor.note import ML_DSA_44, Note, VerifierKey, sign_note
from anchor.rate import Rate
from factoryledger.running import allow_files

LOG = key_of("example.org/log")
LEAVES = [leaf_hash(bytes([n])) for n in range(20)]
NOW = 1_764_000_000


def head(size, key=LOG, root=None):
    return sign_checkpoint(
        Checkpoint(key.name, size, tree_root(LEAVES[:size]) if root is None else root), key
    )


def request(old, size, **change):
    proof = consistency_path(LEAVES[:size], old) if 0 < old < size else ()
    fields = {"old": old, "proof": proof, "note": head(size)} | change
    return AddCheckpoint(**fields).to_bytes()


@dataclass
class Served:
    """A witness behind its real application, without a socket."""

    app: Starlette
    keys: list
    state: WitnessState

    def ask(self, method, path, content=None):
        async def go():
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://w") as http:
                return await http.request(method, path, content=content)

        return asyncio.run(go())

    def add(self, body):
        return self.ask("POST", "/add-checkpoint", body)

    def latest(self, origin=LOG.name):
        return self.ask("GET", f"/{origin_hash(origin)}/checkpoint")


@contextmanager
def serve(path, logs=None, keys=None, **options):
    keys = keys or [witness_key("w")]
    logs = logs or {LOG.name: [LOG.verifier]}
    with closing(WitnessState(path)) as state:
        app = create_app(keys=keys, logs=logs, state=state, clock=lambda: NOW, **options)
        yield Served(app, keys, state)


@pytest.fixture
def witness(tmp_path):
    with serve(tmp_path / "witness.db") as served:
        yield served


# -- vectors ------------------------------------------------------------------------------


@pytest.mark.vectors
def test_vectors_of_torchwood(vectors, tmp_path, capsys):
    """add_checkpoint_sequences.json: FiloSottile/torchwood, statuses of tlog-witness v1.0.0."""
    counts, sequences = Counter(), 0
    for number, case in enumerate(
        json.loads((vectors / "witness/add_checkpoint_sequences.json").read_text())
    ):
        log = VerifierKey.from_text(case["log_vkey"])
        sequences += 1
        with serve(tmp_path / f"{number}.db", logs={case["origin"]: [log]}) as served:
            for step in case["sequence"]:
                answer = served.add(step["body"].encode())
                allowed = step["spec_status"]
                counts[answer.status_code] += 1
                assert answer.status_code in (allowed if isinstance(allowed, list) else [allowed])
                if answer.status_code == 409:
                    assert answer.text == step["litewitness_assert"].split('"')[1].encode().decode(
                        "unicode_escape"
                    )
            assert served.latest(case["origin"]).status_code == 200
    with capsys.disabled():
        said = ", ".join(f"{status}: {count}" for status, count in sorted(counts.items()))
        print(f"\nadd-checkpoint, {sequences} sequences, by the specification: {said}")  # noqa: T201
    assert counts[200]
    assert counts.keys() & {409, 422}


@pytest.mark.vectors
def test_vectors_of_the_monkeys(vectors, tmp_path):
    """examples.json witness_monkeys: transparency-dev/witness."""
    case = json.loads((vectors / "c2sp/examples.json").read_text())["witness_monkeys"]
    key = VerifierKey.from_text(case["vkey"])
    proof = tuple(bytes.fromhex(line) for line in case["consistency_hex"])
    first, following = case["init"].encode(), case["next"].encode()
    with serve(tmp_path / "w.db", logs={"monkeys": [key]}) as served:
        assert served.add(AddCheckpoint(0, (), first).to_bytes()).status_code == 200
        bad = (*proof[:-1], bytes(32))
        assert served.add(AddCheckpoint(5, bad, following).to_bytes()).status_code == 422
        assert served.add(AddCheckpoint(5, proof, following).to_bytes()).status_code == 200
        assert served.add(AddCheckpoint(5, proof, following).to_bytes()).text == "8\n"


# -- answers ------------------------------------------------------------------------------


def test_a_cosignature_verifies_and_is_kept_with_the_logs_signature(witness):
    answer = witness.add(request(0, 3))
    assert answer.status_code == 200
    assert answer.text.startswith("\u2014 witness.example/w ")
    note = Note.from_bytes(head(3) + answer.content)
    assert check_cosignature(note, witness.keys[0].verifier) == NOW
    kept = witness.latest()
    assert (kept.status_code, kept.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert kept.content == note.to_bytes()


def test_ml_dsa_44_cosigns_beside_ed25519(tmp_path):
    keys = [witness_key("w"), key_of("witness.example/pq", ML_DSA_44)]
    with serve(tmp_path / "w.db", keys=keys) as served:
        note = Note.from_bytes(head(3) + served.add(request(0, 3)).content)
    assert [check_cosignature(note, key.verifier) for key in keys] == [NOW, NOW]


def test_growth_the_same_again_and_a_conflict(witness):
    assert witness.add(request(0, 3)).status_code == 200
    assert witness.add(request(3, 3)).status_code == 200
    assert witness.add(request(3, 20)).status_code == 200
    late = witness.add(request(3, 5))
    assert (late.status_code, late.text) == (409, "20\n")
    assert late.headers["content-type"] == "text/x.tlog.size"
    assert open_checkpoint(witness.latest().content, LOG.verifier).size == 20


def other_signature(body):
    """The last character of the signature's base64 is another, still canonical."""
    text = body.decode()
    swapped = "Q" if text[-4] != "Q" else "A"
    return (text[:-4] + swapped + text[-3:]).encode()


STRANGER = key_of("example.org/stranger")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"old 0\n", 400),
        (b"old 0\n\n", 400),
        (b"old 00\n\n" + head(3), 400),
        (b"old -1\n\n" + head(3), 400),
        (b"new 0\n\n" + head(3), 400),
        (b"old 0\r\n\r\n" + head(3), 400),
        (b"old 0\nAAAA\n\n" + head(3), 400),
        (b"old 1\n" + b"A" * 43 + b"=\nx\n\n" + head(3), 400),
        (request(0, 3, proof=(bytes(32),) * 64), 400),
        (request(4, 3), 400),
        (request(0, 3, note=b"example.org/log\n3\n"), 400),
        (request(0, 3, note=head(3).replace(b"\n3\n", b"\n3\nextension\n")), 403),
        (request(0, 3, note=head(3, STRANGER)), 404),
        (other_signature(request(0, 3)), 403),
        (request(0, 3, note=head(3).replace(b"\n3\n", b"\n4\n")), 403),
        (request(0, 3, proof=(bytes(32),)), 422),
        (request(0, 0), 200),
        (b"old 0\n" + b"A" * MAX_BODY, 413),
    ],
)
def test_each_refusal_has_the_status_that_tlog_witness_gives_it(witness, body, status):
    answer = witness.add(body)
    assert answer.status_code == status, answer.text
    # Whatever was refused has left nothing behind.
    assert witness.latest().status_code == (200 if status == 200 else 404)


def signed_text(text):
    return sign_note(text, LOG)


def test_size_zero_has_the_root_of_the_empty_tree(witness):
    zero = signed_text(f"{LOG.name}\n0\n{'A' * 43}=\n")
    assert witness.add(b"old 0\n\n" + zero).status_code == 422
    assert witness.add(b"old 0\n\n" + signed_text(f"{LOG.name}\n0\nx\n")).status_code == 400
    assert tree_root([]) == EMPTY_ROOT


def test_extension_lines_are_refused(witness):
    note = signed_text(f"{LOG.name}\n3\n{'A' * 43}=\nextension\n")
    assert witness.add(b"old 0\n\n" + note).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        request(3, 5, proof=()),
        request(3, 5, proof=(bytes(32),)),
        request(3, 5, note=head(5, root=bytes(32))),
        request(3, 3, proof=(bytes(32),)),
        request(3, 4, proof=(*consistency_path(LEAVES[:4], 3), bytes(32))),
    ],
)
def test_what_does_not_continue_is_unprocessable_and_changes_nothing(witness, body):
    witness.add(request(0, 3))
    before = witness.latest().content
    assert witness.add(body).status_code == 422
    assert witness.latest().content == before


def test_another_root_at_the_size_that_was_cosigned_is_a_conflict(witness):
    """tlog-witness v1, add-checkpoint: 409 where the sizes are equal and the roots are not."""
    witness.add(request(0, 3))
    before = witness.latest().content
    answer = witness.add(request(3, 3, note=head(3, root=bytes(32))))
    assert (answer.status_code, answer.text) == (409, "3\n")
    assert witness.latest().content == before


def test_signatures_by_unknown_keys_are_ignored_and_not_handed_on(witness):
    stranger = Note.from_bytes(head(3, STRANGER)).signatures[0]
    note = Note.from_bytes(head(3)).with_signatures(stranger).to_bytes()
    assert witness.add(request(0, 3, note=note)).status_code == 200
    kept = Note.from_bytes(witness.latest().content)
    assert [s.name for s in kept.signatures] == [LOG.name, "witness.example/w"]


def test_a_witness_may_know_a_log_by_several_keys(tmp_path):
    other = LOG.from_seed(LOG.name, bytes([9]) * 32)
    with serve(tmp_path / "w.db", logs={LOG.name: [LOG.verifier, other.verifier]}) as served:
        assert served.add(request(0, 2, note=head(2, other))).status_code == 200
        both = Note.from_bytes(head(3)).with_signatures(*Note.from_bytes(head(3, other)).signatures)
        assert served.add(request(2, 3, note=both.to_bytes())).status_code == 200
        false = Note(both.text, (both.signatures[0], Note.from_bytes(head(4, other)).signatures[0]))
        # A line under a pinned key that does not hold spoils a note that is good otherwise.
        assert served.add(request(3, 3, note=false.to_bytes())).status_code == 403


def test_logs_do_not_share_state(tmp_path):
    two = key_of("example.org/two")
    logs = {LOG.name: [LOG.verifier], two.name: [two.verifier]}
    with serve(tmp_path / "w.db", logs=logs) as served:
        assert served.add(request(0, 9)).status_code == 200
        assert served.add(request(0, 2, note=head(2, two))).status_code == 200
        assert open_checkpoint(served.latest(two.name).content, two.verifier).size == 2
        assert open_checkpoint(served.latest().content, LOG.verifier).size == 9


def test_a_restart_remembers(tmp_path):
    with serve(tmp_path / "w.db") as served:
        served.add(request(0, 9))
    with serve(tmp_path / "w.db") as served:
        assert served.add(request(0, 5)).text == "9\n"
        assert served.add(request(9, 10)).status_code == 200


def test_what_is_not_served(witness):
    assert witness.ask("GET", "/healthz").text == "ok\n"
    assert witness.ask("GET", "/add-checkpoint").status_code == 405
    assert witness.ask("GET", f"/{sha256(b'unknown').hexdigest()}/checkpoint").status_code == 404
    assert witness.ask("GET", f"/{origin_hash(LOG.name).upper()}/checkpoint").status_code == 404
    assert witness.latest().status_code == 404


def test_what_it_cannot_keep_it_does_not_cosign_and_says_so(witness):
    """As on a full disk: SQLite refuses to write, once, and takes it when it is asked again."""

    def writable(word):
        with closing(witness.state._engine.raw_connection()) as connection:
            connection.driver_connection.execute(f"PRAGMA query_only={word}")

    writable("ON")
    refused = witness.add(request(0, 3))
    assert (refused.status_code, "ask again" in refused.text) == (503, True)
    writable("OFF")
    assert witness.latest().status_code == 404
    assert witness.add(request(0, 3)).status_code == 200


def test_who_goes_away_in_the_middle_of_a_request_leaves_no_trace(witness):
    messages = [
        {"type": "http.request", "body": request(0, 3)[:40], "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive():
        return messages.pop(0)

    async def send(_message):
        pass

    scope = {
        "type": "http", "method": "POST", "path": "/add-checkpoint", "headers": [],
        "query_string": b"", "client": None,
    }  # fmt: skip
    asyncio.run(witness.app(scope, receive, send))
    assert witness.latest().status_code == 404


# -- who asks too often, or too slowly --------------------------------------------------------


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_log_is_answered_so_often_and_no_other_suffers(tmp_path):
    two, clock = key_of("example.org/two"), Clock()
    logs = {LOG.name: [LOG.verifier], two.name: [two.verifier]}
    limits = Limits(by_log=Rate(0.5, 2, clock))
    with serve(tmp_path / "w.db", logs=logs, limits=limits) as served:
        # What the log did not sign takes nothing from it.
        for _ in range(5):
            assert served.add(other_signature(request(0, 3))).status_code == 403
        assert [served.add(request(n, n + 1)).status_code for n in (0, 1, 2)] == [200, 200, 429]
        late = served.add(request(2, 3))
        assert (late.status_code, late.headers["retry-after"]) == (429, "2")
        assert served.add(request(0, 2, note=head(2, two))).status_code == 200
        assert open_checkpoint(served.latest().content, LOG.verifier).size == 2
        clock.now = 2.0
        assert served.add(request(2, 3)).status_code == 200


def test_an_address_is_answered_so_often(tmp_path):
    clock = Clock()
    account = WitnessAccount()
    limits = Limits(by_address=Rate(1, 3, clock))
    with serve(tmp_path / "w.db", limits=limits, account=account) as served:
        statuses = [served.add(b"").status_code for _ in range(5)]
        assert statuses == [400, 400, 400, 429, 429]
        clock.now = 1.0
        assert served.add(request(0, 3)).status_code == 200
        assert account.answers == {400: 3, 429: 2, 200: 1}
        assert served.latest().status_code == 200, "reading is free"


def test_a_flood_of_names_costs_bounded_memory():
    rate = Rate(1, 1, Clock(), names=100)
    assert [rate.wait("a"), rate.wait("a")] == [0, 1]
    for n in range(1000):
        assert rate.wait(str(n)) == 0
    assert len(rate._buckets) == 100


@given(st.lists(st.floats(0, 3), max_size=40), st.integers(1, 5))
def test_no_more_pass_than_burst_and_rate_allow(pauses, burst):
    clock = Clock()
    rate, passed = Rate(2, burst, clock), 0
    for pause in pauses:
        clock.now += pause
        waited = rate.wait("a")
        passed += not waited
        if waited:
            clock.now += waited
            assert rate.wait("a") == 0, "Retry-After keeps its word"
            passed += 1
        assert passed <= burst + 2 * clock.now + 1e-6


@asynccontextmanager
async def running(path, **options):
    """A witness on a real socket; gives its port and what it counts."""
    stop, ready, account = asyncio.Event(), asyncio.Event(), WitnessAccount()
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        serving = asyncio.create_task(
            run_witness(
                db=path / "w.db",
                key=witness_key("w"),
                logs=[LOG.verifier],
                host="",
                port=0,
                sockets=[listener],
                stop=stop,
                on_ready=ready.set,
                account=account,
                **options,
            )
        )
        await ready.wait()
        try:
            yield listener.getsockname()[1], account
        finally:
            stop.set()
            await serving


class Client:
    """One connection to a witness, kept."""

    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer

    @classmethod
    async def to(cls, port):
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, old, size):
        """Ask for a cosignature; gives the status, 0 where the other side just hung up."""
        body = request(old, size)
        head = f"POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ncontent-length: {len(body)}\r\n\r\n"
        try:
            self._writer.write(head.encode() + body)
            answer = await self._reader.readuntil(b"\r\n\r\n")
            lines = answer.decode().lower().split("\r\n")
            length = next(line for line in lines if line.startswith("content-length: "))
            await self._reader.readexactly(int(length.split()[1]))
        except (ConnectionError, asyncio.IncompleteReadError):
            return 0, []
        return int(lines[0].split()[1]), lines

    async def close(self):
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


def test_a_thousand_clients_at_once_are_all_answered(tmp_path):
    """Each asks for a step of the log's growth; one of them has each, and no size goes back."""
    allow_files(4096, "both ends of a thousand connections")

    async def go():
        async with running(tmp_path) as (port, account):
            clients = [await Client.to(port) for _ in range(1000)]
            assert (await clients[0].ask(0, 3))[0] == 200
            statuses = Counter()
            for size in range(4, 8):
                asked = (client.ask(size - 1, size) for client in clients)
                statuses.update(status for status, _ in await asyncio.gather(*asked))
            assert (await clients[-1].ask(7, 8))[0] == 200
            for client in clients:
                await client.close()
        return statuses, account

    statuses, account = asyncio.run(go())
    # The same growth again, by whoever comes second, conflicts and changes nothing.
    assert set(statuses) == {200, 409}
    assert (statuses.total(), statuses[200]) == (4000, 4)
    assert account.answers == statuses + Counter({200: 2})
    with closing(WitnessState(tmp_path / "w.db")) as state:
        assert state.latest(LOG.name).size == 8


def test_one_client_too_many_is_told_to_come_again_and_takes_nobody_s_place(tmp_path):
    """Up to as many again hear 503, more are hung up on; who is there is served all the while."""

    async def go():
        async with running(tmp_path, most_clients=20) as (port, account):
            there = [await Client.to(port) for _ in range(20)]
            assert (await there[0].ask(0, 3))[0] == 200
            crowd = [await Client.to(port) for _ in range(60)]
            told = await asyncio.gather(*(client.ask(3, 4) for client in crowd))
            assert [(await client.ask(3, 3))[0] for client in there] == [200] * 20
            polite = [lines for status, lines in told if status == 503]
            assert len(polite) == 20
            assert all({"retry-after: 5", "connection: close"} <= {*lines} for lines in polite)
            assert Counter(status for status, _ in told) == {503: 20, 0: 40}
            assert account.answers[503] == 60
            # As soon as one goes there is room, and nothing of the crowd was heeded.
            await there.pop().close()
            late = await Client.to(port)
            while (await late.ask(3, 5))[0] == 503:
                await late.close()
                late = await Client.to(port)
            for client in (*there, *crowd, late):
                await client.close()

    asyncio.run(asyncio.wait_for(go(), 60))
    with closing(WitnessState(tmp_path / "w.db")) as state:
        assert state.latest(LOG.name).size == 5


def test_who_is_too_many_and_asks_nothing_is_soon_gone(tmp_path):
    async def go():
        async with running(tmp_path, most_clients=1, patience=0.2) as (port, _):
            first = await Client.to(port)
            assert (await first.ask(0, 3))[0] == 200
            silent, writer = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.suppress(ConnectionError):
                assert await silent.read() == b""
            writer.close()
            assert (await first.ask(3, 4))[0] == 200
            await first.close()

    asyncio.run(asyncio.wait_for(go(), 60))


@pytest.mark.parametrize("begun", [b"", b"POST /add-checkpoint HTT", b"half a body"])
def test_a_client_that_does_not_finish_its_request_is_cut_off(tmp_path, begun):
    """And one that does is answered meanwhile, on the same witness."""
    if begun == b"half a body":
        begun = b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 100\r\n\r\nold 0"

    async def go():
        async with running(tmp_path, patience=0.3) as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(begun)
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
                for old in (0, 3):
                    answer = await http.post("/add-checkpoint", content=request(old, 3))
                    assert answer.status_code == 200
                async with asyncio.timeout(30):
                    with contextlib.suppress(ConnectionError):
                        assert await reader.read() == b""
                # A connection that was in time once has its time anew for each request.
                assert (await http.post("/add-checkpoint", content=request(3, 4))).is_success
            writer.close()

    asyncio.run(go())


# -- the race that tlog-witness names -------------------------------------------------------


def test_the_race_of_two_requests_never_rolls_back(tmp_path):
    """Both are read and signed for before either is kept; the smaller comes second."""
    state = WitnessState(tmp_path / "w.db")
    at_once = threading.Barrier(8)
    witness = Witness(
        keys=[witness_key("w")],
        logs={LOG.name: [LOG.verifier]},
        state=state,
        clock=lambda: NOW,
    )
    witness.add_checkpoint(request(0, 3))
    outcomes = []

    def submit(size):
        body = request(3, size)
        at_once.wait()
        try:
            witness.add_checkpoint(body)
            outcomes.append((size, 200))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is compared below
            outcomes.append((size, getattr(error, "status", repr(error))))

    with closing(state):
        for _ in range(3):
            outcomes.clear()
            threads = [threading.Thread(target=submit, args=(size,)) for size in range(4, 12)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            won = [size for size, status in outcomes if status == 200]
            assert len(won) <= 1
            assert all(status in (200, 409) for _, status in outcomes)
            latest = open_checkpoint(witness.latest(origin_hash(LOG.name)), LOG.verifier).size
            if won:
                first = won[0]
            assert latest == first


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=15))
def test_whatever_is_asked_a_size_never_goes_back(tmp_path_factory, asked):
    """A state machine against the rule: 200 exactly when `old` is what was cosigned last."""
    state = WitnessState(tmp_path_factory.mktemp("w") / "w.db")
    witness = Witness(
        keys=[witness_key("w")], logs={LOG.name: [LOG.verifier]}, state=state, clock=lambda: NOW
    )
    size = 0
    with closing(state):
        for old, new in asked:
            due = 400 if old > new else 200 if old == size else 409
            try:
                witness.add_checkpoint(request(old, new))
                status = 200
                size = new
            except Exception as error:  # noqa: BLE001 - whatever it is, it is compared below
                status = getattr(error, "status", error)
            assert status == due


@given(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_requests_have_one_spelling(old, proof):
    asked = AddCheckpoint(old, tuple(proof), head(3))
    body = asked.to_bytes()
    assert AddCheckpoint.from_bytes(body) == asked
    with pytest.raises(Malformed):
        AddCheckpoint.from_bytes(b"old 0" + body)
