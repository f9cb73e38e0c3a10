"""The outbox's contract, the same in memory and in a file."""

import threading

import pytest

from simulator.errors import OutboxDamaged, OutboxInUse, OutboxUnwritable
from simulator.outbox import Outbox
from simulator.outbox_file import FileJournal
from simulator.outbox_frame import Head
from telemetry.judgement import judge
from telemetry.keyring import Keyring, KeyStatement
from telemetry.message import Cited, parse
from telemetry.signature import SigningKey

NOW = 1_767_225_600_000_000


@pytest.fixture(params=["memory", "file"])
def make(request, tmp_path, key, topic):
    """Opens the outbox of the one machine; closed at the end."""
    opened = []

    def open_outbox(**settings):
        directory = tmp_path if request.param == "file" else None
        opened.append(Outbox(topic.machine, key, topic, directory, **settings))
        return opened[-1]

    yield open_outbox
    for outbox in opened:
        outbox.close()


def telemetry(outbox, value=1.0, **more):
    return outbox.record("telemetry", time=NOW, readings={"power": value}, **more)


def ready(outbox):
    outbox.sync()
    return outbox.ready()


def test_messages_are_signed_numbered_and_chained(make, topic, key):
    outbox = make()
    cited = Cited(7, bytes(32))
    entries = [
        outbox.record("birth", time=NOW, content=BIRTH),
        outbox.record("state", time=NOW, content={"name": "Execute", "number": 6}),
        telemetry(outbox, anchor=cited),
        outbox.record("event", time=NOW + 5, content={"name": "x"}),
    ]
    keyring = Keyring()
    keyring.apply(KeyStatement(bytes(32), "enrol", "device", topic.machine, NOW, key.public_key))
    prev = None
    for number, entry in enumerate(entries):
        judged = judge(str(topic.with_kind(entry.kind)), entry.payload, keyring)
        assert (judged.status, judged.seq, judged.session) == ("accepted", number, outbox.session)
        message = parse(entry.payload, entry.kind)
        assert message.prev == prev
        assert message.anchor == (cited if entry.kind == "telemetry" else None)
        assert judged.body_hash == entry.body_hash
        prev = entry.body_hash


BIRTH = {
    "metrics": {},
    "kind": "mill",
    "public_key": "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
}


def test_nothing_is_ready_before_it_is_durable(make):
    outbox = make()
    first = telemetry(outbox)
    if outbox.instant:  # in memory nothing has to be waited for
        assert not outbox.dirty
        assert outbox.ready() == [first]
        assert outbox.ready() == []
        return
    assert outbox.ready() == []
    assert list(outbox.waiting()) == []
    outbox.sync()
    second = telemetry(outbox)
    assert outbox.ready() == [first]
    assert list(outbox.waiting()) == [first]
    assert ready(outbox) == [second]
    assert outbox.ready() == []
    assert list(outbox.waiting()) == [first, second]


def test_a_receipt_frees_what_it_covers_once(make, receipt_for):
    outbox = make()
    entries = [telemetry(outbox, n) for n in range(6)]
    ready(outbox)
    freed = outbox.release(receipt_for([entries[0], entries[1], entries[4]]))
    assert [entry.seq for entry in freed] == [0, 1, 4]
    assert outbox.release(receipt_for([entries[0], entries[1], entries[4]])) == []
    assert [entry.seq for entry in outbox.waiting()] == [2, 3, 5]
    assert (outbox.recorded, outbox.receipted, outbox.held) == (6, 3, 3)


def test_a_receipt_that_repeats_freed_messages_still_frees_the_rest(make, receipt_for):
    """A resend that crossed with a receipt is receipted together with newer messages."""
    outbox = make()
    entries = [telemetry(outbox, n) for n in range(4)]
    ready(outbox)
    outbox.release(receipt_for(entries[:2]))
    assert [entry.seq for entry in outbox.release(receipt_for(entries))] == [2, 3]


def forgeries(outbox, entries, receipt_for):
    good = receipt_for(entries)
    yield "another digest", receipt_for(entries, bodies=bytes(32))
    yield "another device", receipt_for(entries, device="mill-02")
    yield "another session", receipt_for(entries, session="0" * 16)
    yield "one message more", receipt_for(entries, ranges=((0, len(entries)),))
    yield "one message less", receipt_for(entries, ranges=((0, len(entries) - 2),))
    yield "all that there could be", receipt_for(entries, ranges=((0, 2**63 - 1),))
    yield "shifted", receipt_for(entries, ranges=((1, len(entries)),))
    other = [e for e in entries if e.seq != 1]
    yield "other messages' digest", receipt_for(other, ranges=good.ranges)


def test_a_receipt_that_does_not_match_frees_nothing(make, receipt_for):
    outbox = make()
    entries = [telemetry(outbox, n) for n in range(5)]
    ready(outbox)
    for what, leaf in forgeries(outbox, entries, receipt_for):
        assert outbox.release(leaf) == (), what
        assert outbox.held == 5, what


def test_when_full_the_oldest_go_and_an_event_says_which(make):
    outbox = make(limit=10)
    entries = [telemetry(outbox, n) for n in range(11)]
    assert (outbox.recorded, outbox.evicted, outbox.held) == (12, 2, 10)
    assert outbox.receipted == 0
    event = next(entry for entry in ready(outbox) if entry.kind == "event")
    message = parse(event.payload, "event")
    assert message.seq == 10
    assert message.prev == entries[9].body_hash
    assert entries[10].seq == 11
    assert message.content == {
        "name": "evicted",
        "count": 2,
        "evicted": [{"session": outbox.session, "ranges": [[0, 1]]}],
    }
    assert not outbox.holds(entries[1])
    assert outbox.holds(entries[2])


def test_it_stays_within_its_bounds_however_long_nobody_answers(make):
    outbox = make(limit=20)
    for n in range(300):
        telemetry(outbox, n)
        assert outbox.held <= 20
    assert outbox.recorded == outbox.evicted + outbox.held
    told = [parse(e.payload, "event").content for e in ready(outbox) if e.kind == "event"]
    assert told


def test_it_is_bounded_in_bytes_too(make):
    outbox = make(limit_bytes=5_000)
    for n in range(100):
        telemetry(outbox, n)
    assert outbox.evicted > 0
    assert sum(len(entry.payload) for entry in ready(outbox)) < 6_500


def test_a_receipt_for_evicted_and_held_messages_frees_the_held(make, receipt_for):
    outbox = make(limit=10)
    entries = [telemetry(outbox, n) for n in range(10)]
    ready(outbox)
    telemetry(outbox)
    freed = outbox.release(receipt_for(entries))
    assert [entry.seq for entry in freed] == list(range(2, 10))
    assert (outbox.evicted, outbox.receipted) == (2, 8)


def test_evicted_messages_are_not_handed_out(make):
    outbox = make(limit=5)
    for n in range(8):
        telemetry(outbox, n)
    given = ready(outbox)
    assert given == list(outbox.waiting())
    assert len(given) == outbox.held


def test_recording_and_syncing_in_two_threads(make, receipt_for):
    outbox = make(compact_at=2_000)
    done, given = threading.Event(), []

    def keep_durable():
        while not done.is_set():
            outbox.sync()

    thread = threading.Thread(target=keep_durable)
    thread.start()
    try:
        for n in range(400):
            telemetry(outbox, n)
            fresh = outbox.ready()
            given += fresh
            if fresh:
                outbox.release(receipt_for(fresh))
    finally:
        done.set()
        thread.join()
    given += ready(outbox)
    assert [entry.seq for entry in given] == list(range(400))
    assert outbox.recorded == 400


# What only a file can do.


def reopen(outbox, tmp_path, key, topic, **settings):
    outbox.close()
    return Outbox(topic.machine, key, topic, tmp_path, **settings)


@pytest.fixture
def filed(tmp_path, key, topic):
    outbox = Outbox(topic.machine, key, topic, tmp_path)
    yield outbox
    outbox.close()


def test_a_restart_is_a_new_session_on_the_same_chain(filed, tmp_path, key, topic, receipt_for):
    entries = [telemetry(filed, n) for n in range(5)]
    ready(filed)
    filed.release(receipt_for([entries[1], entries[4]]))
    again = reopen(filed, tmp_path, key, topic)
    assert again.session != filed.session
    assert [e.seq for e in again.waiting()] == [0, 2, 3]
    assert [e.payload for e in again.waiting()] == [entries[n].payload for n in (0, 2, 3)]
    assert (again.recorded, again.receipted, again.held) == (5, 2, 3)
    first = telemetry(again)
    message = parse(first.payload, "telemetry")
    assert (message.seq, message.prev) == (0, entries[4].body_hash)
    again.sync()
    assert [e.seq for e in again.release(receipt_for([entries[0], entries[2], entries[3]]))]
    again.close()


def test_a_receipt_over_messages_freed_before_the_restart_still_counts(
    filed, tmp_path, key, topic, receipt_for
):
    entries = [telemetry(filed, n) for n in range(4)]
    ready(filed)
    filed.release(receipt_for(entries[:2]))
    again = reopen(filed, tmp_path, key, topic)
    assert [e.seq for e in again.release(receipt_for(entries))] == [2, 3]
    again.close()


def test_compaction_keeps_counts_chain_and_what_is_held(tmp_path, key, topic, receipt_for):
    outbox = Outbox(topic.machine, key, topic, tmp_path, compact_at=3_000)
    entries = [telemetry(outbox, n) for n in range(100)]
    ready(outbox)
    size = (tmp_path / "mill-01.outbox").stat().st_size
    kept = entries[7]
    outbox.release(receipt_for([e for e in entries if e is not kept]))
    outbox.sync()
    assert (tmp_path / "mill-01.outbox").stat().st_size < size / 20
    more = telemetry(outbox)
    assert parse(more.payload, "telemetry").prev == entries[-1].body_hash
    again = reopen(outbox, tmp_path, key, topic)
    assert list(again.waiting()) == [kept, more]
    assert (again.recorded, again.receipted) == (101, 99)
    assert parse(telemetry(again).payload, "telemetry").prev == more.body_hash
    again.close()


def test_the_chain_goes_on_after_compaction_though_an_older_message_is_last_in_the_file(
    tmp_path, key, topic, receipt_for
):
    outbox = Outbox(topic.machine, key, topic, tmp_path, compact_at=0)
    entries = [telemetry(outbox, n) for n in range(9)]
    ready(outbox)
    outbox.release(receipt_for(entries[1:]))
    outbox.sync()
    again = reopen(outbox, tmp_path, key, topic)
    assert list(again.waiting()) == entries[:1]
    assert parse(telemetry(again).payload, "telemetry").prev == entries[-1].body_hash
    again.close()


def test_evictions_survive_a_restart(tmp_path, key, topic):
    outbox = Outbox(topic.machine, key, topic, tmp_path, limit=6)
    for n in range(20):
        telemetry(outbox, n)
    counts = (outbox.recorded, outbox.evicted, outbox.held)
    again = reopen(outbox, tmp_path, key, topic)
    assert (again.recorded, again.evicted, again.held) == counts
    again.close()


def test_two_processes_cannot_have_one_outbox(filed, tmp_path, key, topic):
    with pytest.raises(OutboxInUse, match="mill-01"):
        Outbox(topic.machine, key, topic, tmp_path)
    telemetry(filed)
    assert reopen(filed, tmp_path, key, topic).held == 1


def test_another_devices_file_is_refused(filed, tmp_path, key, topic):
    filed.close()
    (tmp_path / "mill-01.outbox").rename(tmp_path / "mill-02.outbox")
    with pytest.raises(OutboxDamaged, match="mill-01"):
        Outbox("mill-02", SigningKey.generate(), topic, tmp_path)


def test_damage_names_the_file_and_is_not_repaired(filed, tmp_path, key, topic):
    for n in range(3):
        telemetry(filed, n)
        filed.sync()
    filed.close()
    path = tmp_path / "mill-01.outbox"
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    with pytest.raises(OutboxDamaged, match=r"mill-01\.outbox.*durable"):
        Outbox(topic.machine, key, topic, tmp_path)
    assert path.read_bytes() == data


class FullDisk(FileJournal):
    """A disk that takes the first bytes of a write, then has no room: /dev/full, half-way."""

    def append(self, contents):
        contents = list(contents)
        import os
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (os.fstat(self._descriptor).st_size + 40, hard))
        try:
            super().append(contents)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_fails_half_way_leaves_the_file_whole(tmp_path, key, topic):
    import signal

    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    outbox = Outbox(topic.machine, key, topic, tmp_path)
    try:
        first = telemetry(outbox)
        good, outbox._journal.__class__ = outbox._journal.__class__, FullDisk
        with pytest.raises(OutboxUnwritable, match="mill-01"):
            telemetry(outbox)
        outbox._journal.__class__ = good
        assert outbox.recorded == 1
        second = telemetry(outbox)
        assert parse(second.payload, "telemetry").seq == 1
        assert parse(second.payload, "telemetry").prev == first.body_hash
        again = reopen(outbox, tmp_path, key, topic)
        assert list(again.waiting()) == [first, second]
        again.close()
    finally:
        signal.signal(signal.SIGXFSZ, before)


def test_nothing_is_taken_after_a_failed_sync(tmp_path):
    """What the kernel dropped once it will not report twice: only a restart re-reads."""
    journal = FileJournal("mill-01", tmp_path)
    journal.load()
    descriptor = journal._descriptor
    journal._descriptor = 10_000  # a descriptor that cannot be synced
    journal.size += 1
    with pytest.raises(OutboxUnwritable, match="restart"):
        journal.sync()
    journal._descriptor = descriptor
    with pytest.raises(OutboxUnwritable, match="restart"):
        journal.append([Head("mill-01")])
    journal.close()


def test_the_folder_is_made_and_one_that_cannot_be_is_named(tmp_path, key, topic):
    Outbox(topic.machine, key, topic, tmp_path / "a" / "b").close()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutboxUnwritable, match="file"):
        Outbox(topic.machine, key, topic, tmp_path / "file" / "c")


def under_another_key(make, key, topic):
    """An outbox that holds three messages of a key that has ended, and its new key."""
    outbox, new = make(), SigningKey.generate()
    for _ in range(3):
        telemetry(outbox)
    held = ready(outbox)
    before = outbox.session
    outbox.take_key(new, {key.key_id})
    assert outbox.session != before
    return outbox, new, held


def test_what_a_key_that_has_ended_signed_is_announced_and_let_go_once_delivered(make, key, topic):
    """No receipt frees it any more, and it must not hold back what the new key signs."""
    outbox, new, held = under_another_key(make, key, topic)
    assert not outbox.drop(held[0])  # not before it was announced
    outbox.give_up(NOW, None)
    [event] = ready(outbox)
    assert (event.kind, event.key_id) == ("event", new.key_id)
    assert b'"name":"evicted","count":3' in event.payload
    assert list(outbox.waiting()) == [*held, event]
    assert [outbox.drop(entry) for entry in (*held, event, held[0])] == [True] * 3 + [False] * 2
    assert (outbox.held, outbox.evicted, outbox.receipted) == (1, 3, 0)
    keyring = Keyring()
    keyring.apply(KeyStatement(bytes(32), "enrol", "device", topic.machine, NOW, new.public_key))
    judged = judge(str(topic.with_kind("event")), event.payload, keyring)
    assert (judged.status, judged.seq) == ("accepted", 0)
    assert parse(event.payload, "event").prev == held[-1].body_hash


def test_an_outbox_whose_own_key_has_ended_keeps_what_it_holds(make, key):
    outbox = make(ended={key.key_id})
    entry = telemetry(outbox)
    outbox.give_up(NOW, None)
    assert not outbox.drop(entry)
    assert outbox.held == 1
