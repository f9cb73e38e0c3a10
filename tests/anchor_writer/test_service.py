"""The anchor and the witness as services: rounds, retries, refusals, starts and stops."""

import asyncio
import contextlib
import shutil
import socket
from contextlib import closing

import httpx
import pytest
from anchor_plant import Plant, key_of, open_net, witness_key
from check_log import check_log, check_signed, cosigners

from anchor.checkpoint import Checkpoint, sign_checkpoint
from anchor.errors import Diverged, Locked, Malformed, Missing
from anchor.keeping.add_checkpoint import AddCheckpoint
from anchor.keeping.anchor_db import read_state
from anchor.keeping.durable import held
from anchor.keeping.publisher import Clocks, Publisher
from anchor.keeping.service import run_anchor, run_witness
from anchor.merkle import consistency_path, leaf_hash, tree_root
from anchor.policy import Policy, Witness, write_policy
from telemetry.backoff import Backoff
from telemetry.errors import LinkLost


class Running:
    """One anchor with its plant and its witnesses."""

    def __init__(self, path, witnesses=("w1", "w2"), quorum="all"):
        self.path = path
        self.plant = Plant()
        self.net = open_net(self.plant, path, witnesses)
        self.policy = self.plant.policy(witnesses, quorum)
        self.announced = []

    async def announce(self, note):
        self.announced.append(note)

    async def run(self, **options):
        async with self.net.client() as http:
            await run_anchor(
                **{
                    "batches": self.plant,
                    "requests": self.plant,
                    "folder": self.path / "log",
                    "db": self.path / "anchor.db",
                    "key": self.plant.key,
                    "policy": self.policy,
                    "stop": asyncio.Event(),
                    "once": True,
                    "publish": self.announce,
                    "http": http,
                }
                | options
            )

    def once(self, **options):
        asyncio.run(self.run(**options))

    def check(self):
        checked = check_log(self.path / "log", self.policy)
        check_signed(self.net.sent, self.plant.key.verifier, checked.leaves)
        return checked


@pytest.fixture
def running(tmp_path):
    running = Running(tmp_path)
    with closing(running.net):
        yield running


def test_once_appends_cosigns_publishes_and_announces(running):
    running.plant.collector().commit(3)
    running.once()
    checked = running.check()
    assert checked.checkpoint.size == 2
    assert len(running.announced) == 1
    assert sorted(cosigners(running.announced[0])) == [
        "example.org/log",
        "witness.example/w1",
        "witness.example/w2",
    ]
    assert read_state(running.path / "anchor.db").anchored == {"one": 1}


def test_a_start_announces_again_and_signs_nothing_new(running):
    """Whoever was told last may have lost it: the retained topic is set again."""
    running.plant.collector().commit()
    running.once()
    sent = len(running.net.sent)
    running.once()
    assert running.announced[0] == running.announced[1]
    assert len(running.net.sent) == sent


def test_an_empty_log_publishes_nothing(running):
    running.once()
    assert running.announced == []
    assert not (running.path / "log/checkpoint").exists()


async def until(condition):
    """Wait for a condition; a bound against hanging, not on speed."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for is in files
            await asyncio.sleep(0.005)


def test_it_runs_until_it_is_stopped_and_goes_on_with_what_comes(running):
    async def go():
        stop, ready = asyncio.Event(), asyncio.Event()
        options = dict(once=False, every=0.01, stop=stop, on_ready=ready.set)
        task = asyncio.create_task(running.run(**options))
        await ready.wait()
        for count in (1, 2, 3):
            running.plant.collector().commit()
            await until(lambda count=count: len(running.announced) == count)
        stop.set()
        await task

    asyncio.run(go())
    assert running.check().checkpoint.size == 4


# -- witnesses that are down ----------------------------------------------------------------


def test_without_a_quorum_entries_go_on_and_are_published_once_it_is_back(running):
    async def go():
        stop = asyncio.Event()
        task = asyncio.create_task(running.run(once=False, every=0.01, stop=stop))
        running.plant.collector().commit()
        await until(lambda: len(running.announced) == 1)
        running.net.down.add("w2")
        running.plant.collector().commit()
        await until(lambda: read_state(running.path / "anchor.db").size == 3)
        running.plant.collector().commit()
        await until(lambda: read_state(running.path / "anchor.db").size == 4)
        published = read_state(running.path / "anchor.db").published
        running.net.down.clear()
        await until(lambda: len(running.announced) == 2)
        stop.set()
        await task
        return published

    assert asyncio.run(go()) == 2
    assert running.check().checkpoint.size == 4


def test_once_without_a_quorum_is_missing_and_says_who(running):
    running.net.down.add("w2")
    running.plant.collector().commit()
    with pytest.raises(Missing, match=r"witnesses that answer: \['w1'\]"):
        running.once()
    assert running.net.sent == []
    assert read_state(running.path / "anchor.db").size == 2
    assert not (running.path / "log/checkpoint").exists()
    running.net.down.clear()
    running.once()
    assert running.check().checkpoint.size == 2


def test_a_quorum_of_some_does_not_need_all(tmp_path):
    running = Running(tmp_path, ("w1", "w2", "w3"), 2)
    with closing(running.net):
        running.net.down.add("w2")
        running.plant.collector().commit()
        running.once()
        assert len(cosigners(running.announced[0])) == 3
        running.check()


def test_without_witnesses_the_log_signs_alone(tmp_path):
    running = Running(tmp_path, (), "none")
    with closing(running.net):
        running.plant.collector().commit()
        running.once()
        assert cosigners(running.announced[0]) == ["example.org/log"]


def test_a_new_witness_in_the_policy_is_asked_for_the_head_that_was_published(tmp_path):
    running = Running(tmp_path)
    with closing(running.net):
        running.plant.collector().commit()
        running.policy = running.plant.policy(["w1"], "w1")
        running.once()
        running.policy = running.plant.policy(["w1", "w2"], "all")
        running.once()
        assert len(cosigners(running.announced[-1])) == 3
        running.policy = running.plant.policy(["w1"], "w1")
        assert running.check().checkpoint.size == 2
        assert len(list((tmp_path / "log/checkpoints").iterdir())) == 2


# -- restored backups -----------------------------------------------------------------------


@pytest.fixture
def restored(running):
    """An older copy of folder and database, and a store that has gone another way since."""
    running.plant.collector().commit()
    running.once()
    shutil.copytree(running.path / "log", running.path / "backup/log")
    shutil.copy(running.path / "anchor.db", running.path / "backup/anchor.db")
    running.plant.collector().commit()
    running.once()
    shutil.rmtree(running.path / "log")
    shutil.copytree(running.path / "backup/log", running.path / "log")
    shutil.copy(running.path / "backup/anchor.db", running.path / "anchor.db")
    running.plant.collector().batches.pop()
    running.plant.request(running.plant.enrol_device("d"))
    return running


def test_a_restored_backup_never_forks_the_log(restored):
    sent = list(restored.net.sent)
    for _ in range(2):
        with pytest.raises(Diverged, match="old copy"):
            restored.once()
    assert restored.net.sent == sent


def test_a_restored_backup_signs_nothing_while_its_witnesses_are_silent(restored):
    sent = list(restored.net.sent)
    restored.net.down.update(["w1", "w2"])
    with pytest.raises(Missing):
        restored.once()
    restored.net.down.clear()
    with pytest.raises(Diverged, match="another tree of 3 entries"):
        restored.once()
    assert restored.net.sent == sent


# -- what does not stop it, and what does ------------------------------------------------------


class Flaky:
    """An announcer that loses its link a few times."""

    def __init__(self, failures):
        self.failures = failures
        self.told = []

    async def __call__(self, note):
        if self.failures:
            self.failures -= 1
            raise LinkLost("the connection went")
        self.told.append(note)


def test_an_announcement_that_fails_is_made_again(running):
    flaky = Flaky(2)
    running.plant.collector().commit()
    running.once(publish=flaky)
    assert len(flaky.told) == 1
    assert len(running.net.sent) == 2


def test_once_gives_up_on_announcing_and_says_so(running):
    running.plant.collector().commit()
    with pytest.raises(Missing, match="could not be announced"):
        running.once(publish=Flaky(100))
    assert running.check().checkpoint.size == 2


class BrokenStore(Plant):
    """A store that cannot be read a few times."""

    failures = 1

    def collectors(self):
        if self.failures:
            self.failures -= 1
            raise OSError(5, "Input/output error")
        return super().collectors()


def test_a_store_that_cannot_be_read_is_read_again(running):
    async def go():
        stop = asyncio.Event()
        task = asyncio.create_task(running.run(once=False, every=0.01, stop=stop, batches=store))
        await until(lambda: running.announced)
        stop.set()
        await task

    store = BrokenStore()
    store.collector().commit()
    asyncio.run(go())
    assert store.failures == 0
    store.failures = 1
    with pytest.raises(OSError, match="Input"):
        running.once(batches=store)


def test_a_policy_of_another_log_or_without_operator_is_malformed(running):
    other = key_of("example.org/other").verifier
    operator = running.plant.operator.verifier
    for policy in (
        write_policy(other, operator, [], "none"),
        write_policy(running.plant.key.verifier, None, [], "none"),
    ):
        with pytest.raises(Malformed):
            running.once(policy=Policy.from_bytes(policy))


def test_the_wait_between_tries_grows_and_ends_with_success():
    now = [0.0]

    class Due:
        published = None

        def is_due(self, _policy):
            return True

    publisher = Publisher(
        writer=Due(),
        policy=Plant().policy(["w1"], "w1"),
        clients=[],
        clocks=Clocks(lambda: 0, lambda: now[0]),
        backoff=Backoff(first=1.0, limit=4.0, chance=lambda: 1.0),
    )
    waits = []
    for _ in range(4):
        assert not asyncio.run(publisher.advance())
        waits.append(publisher.wait)
        assert "cannot be met" in publisher.failure
        now[0] += publisher.wait
    assert waits == [1.0, 2.0, 4.0, 4.0]


# -- the witness over a socket ----------------------------------------------------------------


def listening():
    return socket.create_server(("127.0.0.1", 0))


@contextlib.asynccontextmanager
async def served_witness(path, plant, listener):
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(
        run_witness(
            db=path / "witness.db",
            key=witness_key("w1"),
            logs=[plant.key.verifier],
            host="127.0.0.1",
            port=0,
            stop=stop,
            on_ready=ready.set,
            sockets=[listener],
        )
    )
    await asyncio.wait_for(ready.wait(), 30)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    stop.set()
    await asyncio.wait_for(task, 30)


def test_anchor_and_witness_meet_over_http(tmp_path):
    """Real sockets; the witness is restarted in between and remembers."""

    async def go():
        for count in (1, 2):
            async with served_witness(tmp_path, running.plant, listening()) as url:
                witness = Witness("w1", witness_key("w1").verifier, url)
                running.policy = Policy.from_bytes(
                    write_policy(
                        running.plant.key.verifier,
                        running.plant.operator.verifier,
                        [witness],
                        "w1",
                    )
                )
                running.plant.collector().commit()
                await running.run(http=None)
                assert len(running.announced) == count
                async with httpx.AsyncClient() as http:
                    assert (await http.get(f"{url}/healthz")).text == "ok\n"

    running = Running(tmp_path, (), "none")
    with closing(running.net):
        asyncio.run(go())
        assert check_log(tmp_path / "log", running.policy).checkpoint.size == 3


def test_requests_at_once_over_sockets_never_roll_back(tmp_path):
    """The race of tlog-witness: sizes N and N+K at the same moment, over real connections."""
    plant = Plant()
    leaves = [leaf_hash(bytes([n])) for n in range(40)]

    def body(old, size):
        root = tree_root(leaves[:size])
        note = sign_checkpoint(Checkpoint(plant.key.name, size, root), plant.key)
        proof = consistency_path(leaves[:size], old) if old else ()
        return AddCheckpoint(old, proof, note).to_bytes()

    async def go():
        async with (
            served_witness(tmp_path, plant, listening()) as url,
            httpx.AsyncClient(base_url=url) as http,
        ):
            sizes, at = [], 0
            for round_ in range(6):
                bodies = {size: body(at, size) for size in range(at + 1, at + 6)}
                answers = await asyncio.gather(
                    *(http.post("/add-checkpoint", content=data) for data in bodies.values())
                )
                won = [s for s, a in zip(bodies, answers, strict=True) if a.status_code == 200]
                lost = [a for a in answers if a.status_code != 200]
                assert len(won) == 1, round_
                at = won[0]
                assert {(a.status_code, a.text) for a in lost} == {(409, f"{at}\n")}
                sizes.append(at)
            return sizes

    sizes = asyncio.run(go())
    assert sizes == sorted(set(sizes))


def test_a_second_witness_on_one_state_is_locked_out(tmp_path, plant):
    listener = listening()
    with (
        closing(listener),
        held(tmp_path / "witness.db.lock", "x"),
        pytest.raises(Locked, match="witness state"),
    ):
        asyncio.run(
            run_witness(
                db=tmp_path / "witness.db",
                key=witness_key("w1"),
                logs=[plant.key.verifier],
                host="127.0.0.1",
                port=0,
                stop=asyncio.Event(),
            )
        )


def test_an_address_that_is_taken_is_an_os_error(tmp_path, plant):
    with closing(listening()) as listener, pytest.raises(OSError, match="in use"):
        asyncio.run(
            run_witness(
                db=tmp_path / "witness.db",
                key=witness_key("w1"),
                logs=[plant.key.verifier],
                host="127.0.0.1",
                port=listener.getsockname()[1],
                stop=asyncio.Event(),
            )
        )
