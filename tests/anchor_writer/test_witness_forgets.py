"""A witness whose state is older than what it cosigned, changed or gone signs nothing more."""

import asyncio
import random
import shutil
import sqlite3
from contextlib import closing

import pytest
from anchor_plant import key_of, witness_key

from anchor.checkpoint import Checkpoint, sign_checkpoint
from anchor.errors import AnchorError, Diverged, Malformed
from anchor.keeping.add_checkpoint import AddCheckpoint, Answer, Conflict, origin_hash
from anchor.keeping.durable import Durable
from anchor.keeping.service import run_witness
from anchor.keeping.witness import Witness
from anchor.keeping.witness_db import WitnessState
from anchor.keeping.witness_mark import WitnessMark, from_bytes, keys_that_remember, to_bytes
from anchor.merkle import consistency_path, leaf_hash, tree_root

LOG = key_of("example.org/log")
LEAVES = [leaf_hash(bytes([n])) for n in range(20)]
KEY, NEXT = witness_key("w"), witness_key("w-next")


def request(old, size):
    note = sign_checkpoint(Checkpoint(LOG.name, size, tree_root(LEAVES[:size])), LOG)
    path = consistency_path(LEAVES[:size], old) if 0 < old < size else ()
    return AddCheckpoint(old, tuple(path), note).to_bytes()


class Place:
    """One witness's state and mark; `open` is a start of it, as the service does it."""

    def __init__(self, folder):
        self.state, self.mark = folder / "w.db", folder / "keys" / "w.cosigned"
        self.mark.parent.mkdir()

    def start(self, *keys):
        """Start it and ask nothing; gives the keys with which it would cosign."""
        with closing(WitnessState(self.state)) as state:
            return keys_that_remember(keys or [KEY], [LOG.verifier], state, WitnessMark(self.mark))

    def cosign(self, *requests, keys=(KEY,)):
        with closing(WitnessState(self.state)) as state:
            mark = WitnessMark(self.mark)
            fit = keys_that_remember(keys, [LOG.verifier], state, mark)
            logs = {LOG.name: [LOG.verifier]}
            witness = Witness(keys=fit, logs=logs, state=state, clock=lambda: 1, mark=mark)
            return [witness.add_checkpoint(one) for one in requests]


@pytest.fixture
def place(tmp_path):
    found = Place(tmp_path)
    found.cosign(request(0, 5))
    shutil.copy(found.state, tmp_path / "older.db")
    found.cosign(request(5, 9))
    return found


def test_it_goes_on_from_its_own_state(place):
    assert place.start() == [KEY]
    assert place.cosign(request(9, 12))
    assert WitnessMark(place.mark).reached(KEY.verifier) == {LOG.name: 12}


@pytest.mark.parametrize("said", ["removed", "emptied", "older"])
def test_a_state_that_is_older_or_gone_is_none_of_its_key_s(place, said):
    if said == "removed":
        place.state.unlink()
    elif said == "emptied":
        place.state.write_bytes(b"")
    else:
        shutil.copy(place.state.with_name("older.db"), place.state)
    with pytest.raises(Diverged, match=r"has cosigned 9 entries .* keys rotate witness"):
        place.start()
    with pytest.raises(Diverged):
        place.cosign(request(5, 7))


def test_a_key_that_never_cosigned_goes_on_where_the_other_may_not(place):
    place.state.unlink()
    assert place.start(KEY, NEXT) == [NEXT]
    place.cosign(request(0, 7), keys=(KEY, NEXT))
    with pytest.raises(Diverged, match="has cosigned 9"):
        place.start(KEY)
    assert place.start(NEXT) == [NEXT]


@pytest.mark.parametrize("column", ["size", "root", "note"])
def test_a_changed_row_is_found(place, column):
    with closing(sqlite3.connect(place.state)) as state:
        (value,) = state.execute(f"select {column} from seen").fetchone()
        changed = value + 1 if column == "size" else bytes([value[0] ^ 1]) + value[1:]
        if column == "note":  # in the signature, of which the row's other columns know nothing
            changed = value[:-20] + bytes([value[-20] ^ 1]) + value[-19:]
        state.execute(f"update seen set {column} = ?", (changed,))
        state.commit()
    with pytest.raises(Diverged, match="was changed"):
        place.start()


def test_whatever_byte_changes_it_never_starts_from_less_than_it_cosigned(place):
    whole, chance = place.state.read_bytes(), random.Random(11)
    for _ in range(40):
        at = chance.randrange(len(whole))
        place.state.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        for beside in ("-wal", "-shm"):
            place.state.with_name(place.state.name + beside).unlink(missing_ok=True)
        try:
            place.start()
        except AnchorError:
            continue
        with closing(WitnessState(place.state)) as state:
            assert state.latest(LOG.name).size == 9


def test_a_file_that_is_no_database_is_said_in_words(place):
    place.state.write_bytes(b"no database" * 1000)
    with pytest.raises(AnchorError, match="no whole database any more"):
        place.start()


def test_the_mark_is_on_the_disk_before_a_cosignature_leaves(place):
    """A crash between state and mark leaves the state ahead, which is no forgetting."""

    class Failing(Durable):
        def replace(self, path, data):
            raise OSError(28, "No space left on device")

    with closing(WitnessState(place.state)) as state:
        mark = WitnessMark(place.mark, Failing())
        logs = {LOG.name: [LOG.verifier]}
        witness = Witness(keys=[KEY], logs=logs, state=state, clock=lambda: 1, mark=mark)
        with pytest.raises(OSError, match="No space"):
            witness.add_checkpoint(request(9, 12))
        with pytest.raises(Conflict):
            witness.add_checkpoint(request(9, 12))
        with pytest.raises(OSError, match="No space"):  # nor the same size, again
            witness.add_checkpoint(request(12, 12))
    assert place.start() == [KEY]
    assert place.cosign(request(12, 12))


def test_a_smaller_size_never_takes_the_mark_back(place):
    mark = WitnessMark(place.mark)
    mark.reach([KEY.verifier], LOG.name, 3)
    assert WitnessMark(place.mark).reached(KEY.verifier) == {LOG.name: 9}
    with pytest.raises(Answer):
        place.cosign(request(5, 7))


def test_a_mark_has_one_spelling_and_is_never_guessed_at(place):
    data = place.mark.read_bytes()
    assert to_bytes(from_bytes(data)) == data
    for bad in (b"", data[:-1], data + data.split(b"\n")[1] + b"\n", data.replace(b" 9 ", b" 09 ")):
        place.mark.write_bytes(bad)
        with pytest.raises(Malformed):
            WitnessMark(place.mark)


def test_the_service_refuses_to_start(place, tmp_path):
    place.state.unlink()

    async def serve():
        await run_witness(
            db=place.state, key=KEY, logs=[LOG.verifier], host="127.0.0.1", port=0,
            stop=asyncio.Event(), mark=place.mark,
        )  # fmt: skip

    with pytest.raises(Diverged, match="keys rotate witness"):
        asyncio.run(serve())


def test_a_state_without_a_mark_is_marked_at_the_start(place):
    """As after an upgrade, or a kill between state and mark: then the state may be lost."""
    place.mark.unlink()
    assert place.start(KEY, NEXT) == [KEY, NEXT]
    mark = WitnessMark(place.mark)
    assert mark.reached(KEY.verifier) == {LOG.name: 9}
    assert mark.reached(NEXT.verifier) == {}, "it has cosigned nothing yet"
    place.state.unlink()
    with pytest.raises(Diverged, match="has cosigned 9"):
        place.start()


def test_what_the_mark_did_not_take_leaves_by_no_other_way(tmp_path):
    """Neither as an answer nor as the latest checkpoint, until the mark is written."""
    place = Place(tmp_path)
    hashed = origin_hash(LOG.name)
    with closing(WitnessState(place.state)) as state:
        mark = WitnessMark(place.mark)
        logs = {LOG.name: [LOG.verifier]}
        witness = Witness(keys=[KEY], logs=logs, state=state, clock=lambda: 1, mark=mark)
        place.mark.parent.rename(tmp_path / "away")
        with pytest.raises(OSError, match="No such file"):
            witness.add_checkpoint(request(0, 5))
        with pytest.raises(OSError, match="No such file"):
            witness.latest(hashed)
        (tmp_path / "away").rename(place.mark.parent)
        assert witness.latest(hashed)
    assert WitnessMark(place.mark).reached(KEY.verifier) == {LOG.name: 5}


def test_two_states_of_one_mark_are_refused(place, tmp_path):
    """Each would write the mark as it knows it, and take the other's back."""
    mark = {"mark": place.mark, "key": NEXT, "logs": [LOG.verifier], "host": "127.0.0.1", "port": 0}

    async def both():
        stop, up = asyncio.Event(), asyncio.Event()
        first = run_witness(db=tmp_path / "one.db", stop=stop, on_ready=up.set, **mark)
        running = asyncio.create_task(first)
        await up.wait()
        at_once = asyncio.Event()
        at_once.set()
        try:
            await run_witness(db=tmp_path / "two.db", stop=at_once, **mark)
        finally:
            stop.set()
            await running

    with pytest.raises(AnchorError, match=r"the mark .* is being written by another process"):
        asyncio.run(both())
