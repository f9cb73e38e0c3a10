"""The writer: what it appends, signs and publishes, and what it refuses to go on from."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256

import pytest
from anchor_plant import Plant, key_of
from check_log import check_log, check_signed
from crash_scenario import check_entries, copy, grow_plant, plant_at, prepare
from faults import AFTER, BEFORE, FaultyDurable

from anchor.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from anchor.errors import AnchorError, Diverged, Locked, Malformed, Missing, Refused
from anchor.keeping.anchor_db import AnchorDb, read_state
from anchor.keeping.log_folder import LogFolder
from anchor.keeping.service import run_anchor
from anchor.keeping.tail import Tail
from anchor.keeping.writer import Writer
from anchor.merkle import check_inclusion, leaf_hash
from anchor.reading.log_audit import audit_log
from anchor.reading.log_reader import LogReader
from anchor.reading.log_source import FolderSource
from anchor.tile import pack_entries


class Anchor:
    """A writer with its tail, and no witness."""

    def __init__(self, path, plant, durable=None):
        self.path = path
        self.plant = plant
        self.policy = plant.policy()
        self.db = AnchorDb(path / "anchor.db", plant.key.name, durable)
        self.folder = LogFolder(path / "log", durable)
        self.writer = Writer(self.folder, self.db, plant.key)
        self.refusals = []
        self.signed = []
        try:
            self.recover()
        except BaseException:
            self.close()
            raise

    def recover(self):
        contents = self.writer.recover(self.plant.authority, 1)
        self.tail = Tail(contents, self.refusals.append)

    def append(self):
        return self.writer.append(self.tail.next(self.plant, self.plant))

    def publish(self):
        note = self.writer.sign()
        self.signed.append(note)
        self.writer.publish(note, self.policy, 2)
        return note

    def close(self):
        self.db.close()


@pytest.fixture
def anchor(tmp_path, plant):
    with closing(Anchor(tmp_path, plant)) as opened:
        yield opened


def reopened(anchor):
    anchor.close()
    return closing(Anchor(anchor.path, anchor.plant))


def fill(anchor, batches):
    for _ in range(batches):
        anchor.plant.collector().commit()
    anchor.append()


def test_what_is_appended_is_signed_published_and_verifies(anchor):
    fill(anchor, 3)
    note = anchor.publish()
    checked = check_log(anchor.path / "log", anchor.policy)
    assert checked.entries[0] == anchor.plant.collector().entry
    assert checked.entries[1:] == [b.checkpoint for b in anchor.plant.collector().batches]
    assert anchor.db.cosigned() == [(sha256(note).digest(), 4, 2)]
    state = read_state(anchor.path / "anchor.db")
    assert (state.size, state.published, state.anchored) == (4, 4, {"one": 3})


@pytest.mark.parametrize("batches", [254, 255, 256, 511, 600])
def test_appends_across_full_tiles_verify(anchor, batches):
    fill(anchor, 100)
    anchor.publish()
    fill(anchor, batches - 100)
    anchor.publish()
    checked = check_log(anchor.path / "log", anchor.policy)
    assert checked.checkpoint.size == batches + 1
    assert check_signed(anchor.signed, anchor.plant.key.verifier, checked.leaves) == 2


def test_partial_tiles_go_only_once_the_full_one_is_there(anchor):
    """C2SP tlog-tiles: those of published sizes stay served until then."""
    for _ in range(25):
        fill(anchor, 10)
        anchor.publish()
    partials = anchor.path / "log/tile/0/000.p"
    assert len(list(partials.iterdir())) == 25
    fill(anchor, 10)
    assert partials.is_dir()
    anchor.publish()
    assert not partials.exists()
    assert not (anchor.path / "log/tile/entries/000.p").exists()
    assert sorted(p.name for p in (anchor.path / "log/tile/0/001.p").iterdir()) == ["5"]
    check_log(anchor.path / "log", anchor.policy)


def test_a_reader_at_an_old_checkpoint_goes_on_after_its_partial_tiles_are_gone(anchor):
    fill(anchor, 100)
    anchor.publish()
    reader = LogReader(FolderSource(anchor.path / "log"), anchor.plant.key.verifier)
    note, old = reader.head
    fill(anchor, 200)
    anchor.publish()
    assert not (anchor.path / "log/tile/0/000.p").exists()
    batches = anchor.plant.collector().batches
    assert [old.entry(position) for position in (1, 100)] == [
        batches[number].checkpoint for number in (0, 99)
    ]
    head = open_checkpoint(note, anchor.plant.key.verifier)
    leaf = leaf_hash(batches[99].checkpoint)
    check_inclusion(leaf=leaf, index=100, size=101, path=old.inclusion(100), root=head.root)


def test_the_same_head_is_signed_to_the_same_bytes_and_is_not_due_twice(anchor):
    assert not anchor.writer.is_due(anchor.policy)
    fill(anchor, 1)
    assert anchor.writer.is_due(anchor.policy)
    note = anchor.publish()
    assert not anchor.writer.is_due(anchor.policy)
    assert anchor.writer.append([]) == open_checkpoint(note, anchor.plant.key.verifier)
    assert anchor.writer.sign() == note
    with reopened(anchor) as again:
        assert not again.writer.is_due(anchor.policy)


def test_a_new_policy_makes_the_same_head_due_again(anchor, plant):
    fill(anchor, 1)
    anchor.publish()
    assert anchor.writer.is_due(plant.policy(["w1"], "w1"))


@pytest.mark.parametrize("entry", [b"", b"no note", b"x" * 65_536])
def test_what_is_no_entry_of_this_log_is_malformed_and_nothing_is_appended(anchor, entry):
    good = anchor.plant.collector().entry
    with pytest.raises(Malformed):
        anchor.writer.append([good, entry])
    assert anchor.writer.size == 0
    assert anchor.folder.entries_beyond(0, 10) == []


def test_a_checkpoint_of_another_log_is_no_entry(anchor, plant):
    with pytest.raises(Malformed, match="not of a collector"):
        anchor.writer.append([plant_checkpoint_elsewhere()])


def plant_checkpoint_elsewhere():
    key = key_of("example.org/other/collector/one")
    return sign_checkpoint(Checkpoint(key.name, 1, bytes(32)), key)


# -- signing over what the disk gives back ------------------------------------------------


@pytest.mark.parametrize("name", ["tile/0/000.p/4", "tile/entries/000.p/4"])
def test_nothing_is_signed_over_a_file_that_changed(anchor, name):
    fill(anchor, 3)
    path = anchor.path / "log" / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(Diverged, match="changed under the writer"):
        anchor.writer.sign()


def test_nothing_is_signed_when_entries_and_tiles_changed_together(anchor, plant):
    """A consistent rewrite of entry and tile still has another root than was committed."""
    fill(anchor, 3)
    shutil.copytree(anchor.path / "log", anchor.path / "old")
    other = Plant()
    other.collector().commit(7)
    with closing(Anchor(anchor.path / "other", other)) as rewritten:
        fill(rewritten, 2)
    shutil.rmtree(anchor.path / "log/tile")
    shutil.copytree(anchor.path / "other/log/tile", anchor.path / "log/tile")
    with pytest.raises(Diverged, match="another root at size 4"):
        anchor.writer.sign()


def test_a_written_tile_never_changes(anchor):
    fill(anchor, 3)
    with pytest.raises(Diverged, match="never changes"):
        anchor.folder.put([("tile/0/000.p/4", bytes(128))])
    anchor.folder.put([("tile/0/000.p/4", anchor.folder.read("tile/0/000.p/4"))])


def test_publish_refuses_another_tree_an_older_size_and_a_missing_quorum(anchor, plant):
    fill(anchor, 1)
    old = anchor.writer.sign()
    fill(anchor, 1)
    anchor.publish()
    with pytest.raises(Refused, match="older than the published"):
        anchor.writer.publish(old, anchor.policy, 3)
    with pytest.raises(Refused, match="quorum"):
        anchor.writer.publish(anchor.writer.sign(), plant.policy(["w1"], "w1"), 3)
    with closing(Anchor(anchor.path / "other", Plant())) as other:
        other.plant.collector().commit(5)
        fill(other, 1)
        foreign = other.writer.sign()
    with pytest.raises(Refused, match="not one of this log"):
        anchor.writer.publish(foreign, anchor.policy, 3)


# -- start --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [BEFORE, AFTER])
def test_a_log_that_stopped_while_publishing_still_audits(anchor, tmp_path, mode):
    """Each step of a second publication fails: nothing that is left looks like a cut log."""
    fill(anchor, 2)
    anchor.publish()
    fill(anchor, 2)
    note, at = anchor.writer.sign(), 0
    while True:
        at += 1
        log = tmp_path / f"{mode}{at}"
        shutil.copytree(anchor.path / "log", log)
        durable = FaultyDurable(at, mode, _fail)
        try:
            LogFolder(log, durable).publish(note)
        except OSError:
            assert audit_log(LogReader(FolderSource(log), anchor.plant.key.verifier)).findings == []
        else:
            break
    assert at > 4


def _fail():
    raise OSError("no space left")


@pytest.mark.parametrize("place", [0, 1, 40, -1])
def test_an_entry_that_the_disk_changed_is_never_written_again(anchor, place):
    """Found by the hammer: it went from a partial bundle into every wider one."""
    fill(anchor, 5)
    anchor.publish()
    bundle = anchor.path / f"log/tile/entries/000.p/{anchor.writer.size}"
    sound = bundle.read_bytes()
    changed = bytearray(sound)
    changed[place] ^= 1
    bundle.write_bytes(changed)
    anchor.plant.collector().commit()
    with pytest.raises(Diverged, match="changed under the writer"):
        anchor.append()
    bundle.write_bytes(sound)
    anchor.recover()
    anchor.append()
    anchor.publish()
    check_log(anchor.path / "log", anchor.policy)


def test_a_lost_database_is_rebuilt_from_the_folder(anchor):
    anchor.plant.request(anchor.plant.enrol_device("d1"))
    anchor.plant.collector("two").commit(4)
    fill(anchor, 300)
    anchor.publish()
    fill(anchor, 2)
    before = (anchor.db.index(), anchor.db.head(), anchor.db.ends())
    anchor.close()
    (anchor.path / "anchor.db").unlink()
    with reopened(anchor) as again:
        assert (again.db.index(), again.db.head(), again.db.ends()) == before
        assert [row[:2] for row in again.db.cosigned()] == [
            (sha256(anchor.signed[0]).digest(), anchor.writer.published.checkpoint.size)
        ]
        fill(again, 3)
        again.publish()
        checked = check_log(anchor.path / "log", anchor.policy)
        assert checked.checkpoint.size == before[1].size + 3
        check_signed(anchor.signed, anchor.plant.key.verifier, checked.leaves)


def test_an_older_database_is_brought_forward(anchor):
    fill(anchor, 2)
    with closing(AnchorDb(anchor.path / "anchor.db", anchor.plant.key.name)) as db:
        index = db.index()
    anchor.close()
    shutil.copy(anchor.path / "anchor.db", anchor.path / "old.db")
    with closing(Anchor(anchor.path, anchor.plant)) as newer:
        fill(newer, 5)
        newer.publish()
        size = newer.writer.size
    for leftover in anchor.path.glob("anchor.db*"):
        leftover.unlink()
    shutil.copy(anchor.path / "old.db", anchor.path / "anchor.db")
    with closing(Anchor(anchor.path, anchor.plant)) as again:
        assert again.writer.size == size
        assert again.db.index()[: len(index)] == index
        assert again.append().size == size


@pytest.mark.parametrize(
    "damage",
    [
        "delete from entries where position = 3",
        "update entries set number = 70 where number = 4",
        "update entries set number = 5, position = 9 where number = 4",
        "update entries set size = size + 1 where number = 4",
        "update entries set collector = 'two' where number = 4",
        "update entries set hash = zeroblob(32) where number = 4",
        "update entries set kind = 'key' where number = 4",
        "insert into entries values (99, zeroblob(32), 'key', null, null, null)",
    ],
)
def test_a_damaged_index_misleads_nobody_and_is_made_again(anchor, damage):
    fill(anchor, 5)
    anchor.publish()
    index = anchor.db.index()
    anchor.close()
    with closing(sqlite3.connect(anchor.path / "anchor.db")) as db:
        db.execute(damage)
        db.commit()
    with pytest.raises(Diverged, match=r"anchor\.db"):
        Anchor(anchor.path, anchor.plant)
    for leftover in anchor.path.glob("anchor.db*"):
        leftover.unlink()
    with closing(Anchor(anchor.path, anchor.plant)) as again:
        assert again.db.index() == index


@pytest.mark.parametrize("damage", ["garbage", "cut short"])
def test_a_database_that_is_none_is_said_in_words(anchor, damage):
    fill(anchor, 300)
    anchor.close()
    path = anchor.path / "anchor.db"
    data = path.read_bytes()
    path.write_bytes(bytes(4096) if damage == "garbage" else data[: len(data) // 2])
    with pytest.raises(AnchorError, match=r"it is made again from the log's folder"):
        Anchor(anchor.path, anchor.plant)


def test_a_folder_behind_the_database_is_refused(anchor):
    fill(anchor, 2)
    anchor.publish()
    anchor.close()
    shutil.copytree(anchor.path / "log", anchor.path / "backup")
    with closing(Anchor(anchor.path, anchor.plant)) as newer:
        fill(newer, 2)
        newer.publish()
    shutil.rmtree(anchor.path / "log")
    shutil.copytree(anchor.path / "backup", anchor.path / "log")
    with pytest.raises(Diverged, match="newest copy"):
        Anchor(anchor.path, anchor.plant)


def test_a_folder_with_another_tree_is_refused(anchor):
    fill(anchor, 2)
    anchor.close()
    other = Plant()
    other.collector().commit(9)
    with closing(Anchor(anchor.path / "other", other)) as rewritten:
        fill(rewritten, 1)
    shutil.rmtree(anchor.path / "log")
    shutil.copytree(anchor.path / "other/log", anchor.path / "log")
    with pytest.raises(Diverged, match="another root at size 3"):
        Anchor(anchor.path, anchor.plant)


def test_bundles_that_are_gone_are_refused_though_the_tiles_are_there(anchor):
    fill(anchor, 2)
    anchor.close()
    (anchor.path / "log/tile/entries/000.p/3").unlink()
    with pytest.raises(Diverged, match="does not hold them"):
        Anchor(anchor.path, anchor.plant)


@pytest.mark.parametrize("what", ["ahead", "other-root", "other-key", "garbage"])
def test_a_published_checkpoint_that_is_not_of_this_folder_is_refused(anchor, what):
    fill(anchor, 2)
    anchor.publish()
    anchor.close()
    key = anchor.plant.key if what != "other-key" else key_of("example.org/other")
    size, root = (9, bytes(32)) if what == "ahead" else (3, bytes(32))
    note = sign_checkpoint(Checkpoint(key.name, size, root), key)
    (anchor.path / "log/checkpoint").write_bytes(b"x" if what == "garbage" else note)
    with pytest.raises(Diverged):
        Anchor(anchor.path, anchor.plant)


def test_an_entry_that_someone_put_into_the_folder_is_never_taken_on(anchor):
    """Whoever can write files cannot have them signed: the rules of the tail hold for them."""
    fill(anchor, 2)
    anchor.close()
    other = Plant()
    other.operator = anchor.plant.key
    forged = other.collector("forged")
    folder = LogFolder(anchor.path / "log")
    entries = [*folder.entries(0, 3), forged.entry]
    folder.put([("tile/entries/000.p/4", pack_entries(entries))])
    with pytest.raises(Diverged, match="may not be"):
        Anchor(anchor.path, anchor.plant)


def test_files_behind_a_gap_give_way_to_the_next_append(anchor):
    """A power cut kept a later file of an append that was never committed, and lost an earlier."""
    fill(anchor, 2)
    anchor.close()
    for name in ("tile/entries/001.p/1", "tile/0/000.p/5", "tile/1/000.p/1"):
        path = anchor.path / "log" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"of an append that never was")
    with closing(Anchor(anchor.path, anchor.plant)) as again:
        fill(again, 2)
        fill(again, 252)
        again.publish()
        assert check_log(anchor.path / "log", anchor.policy).checkpoint.size == 257


def test_a_database_of_another_log_is_refused(anchor):
    fill(anchor, 1)
    anchor.close()
    with pytest.raises(Diverged, match="belongs to the log"):
        AnchorDb(anchor.path / "anchor.db", "example.org/other")


def test_a_second_process_is_told_that_the_log_is_locked(anchor, plant):
    arguments = dict(
        batches=plant,
        requests=plant,
        folder=anchor.path / "log",
        db=anchor.path / "other.db",
        key=plant.key,
        policy=anchor.policy,
        stop=asyncio.Event(),
        once=True,
    )
    with anchor.folder.lock(), pytest.raises(Locked, match="stop that one"):
        asyncio.run(run_anchor(**arguments))


def test_the_state_of_an_anchor_that_never_ran_is_missing(tmp_path):
    with pytest.raises(Missing):
        read_state(tmp_path / "anchor.db")
    (tmp_path / "anchor.db").touch()
    with pytest.raises(Missing, match="yet"):
        read_state(tmp_path / "anchor.db")


# -- steps that fail without ending the process ---------------------------------------------


def disk_full():
    raise OSError(28, "No space left on device")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    prepare(folder)
    return folder


@pytest.mark.parametrize("mode", [BEFORE, AFTER])
def test_a_step_that_fails_is_recovered_from_in_the_same_process(base, memory_path, mode, capsys):
    """The step did not persist, or did and says otherwise; more had come in meanwhile."""
    steps = failing_run(copy(base, memory_path / "count"), mode, 0)
    assert steps > 50
    for at in range(1, steps + 1):
        failing_run(copy(base, memory_path / str(at)), mode, at)
    with capsys.disabled():
        print(f"\nfailed step, {mode}: recovered from each of {steps}")  # noqa: T201 - for the log


def failing_run(path, mode, at):
    plant = plant_at(0)
    durable = FaultyDurable(at, mode, disk_full)
    anchor, failures = None, 0
    for stage in (1, 2):
        grow_plant(plant, stage)
        for _ in range(2):
            try:
                if anchor is None:
                    anchor = Anchor(path, plant, durable)
                elif failures:
                    anchor.recover()
                anchor.append()
                anchor.publish()
                break
            except OSError:
                failures += 1
                plant.request(plant.enrol_device("late"))
    assert failures == (1 if at else 0)
    checked = check_log(path / "log", anchor.policy)
    check_signed(anchor.signed, plant.key.verifier, checked.leaves)
    check_entries(plant, checked.entries)
    anchor.close()
    return durable.steps
