"""Recordings into the store: same file, same roots; twice is once; broken lines end it late."""

import io
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

import collector
from collector.commit import StoreShelf
from collector.errors import StoreLocked
from collector.ingest import _Filing, ingest
from collector.resume import Source
from telemetry.errors import MalformedRecording
from telemetry.properties import Properties
from telemetry.recording import Header, Line, Writer, read

DATABASES = ("sqlite", "postgresql")

REAL = Path(collector.__file__).parent.parent.parent / "shared" / "recordings"
SESSIONS = [
    ("startup-clean_20260512_102831.log", 412),
    ("white-storage-production_20260807_111716.log", 1483),
]
START = 1_764_000_000_000_000


def run(works, file, processes=0, **how):
    return ingest(
        store_url=works.url,
        file=file,
        identity_for=works.identity_for,
        authority=works.authority,
        requests=works.requests,
        processes=processes,
        **how,
    )


def recording(path, lines, *, closed=True):
    data = io.BytesIO()
    writer = Writer(data, Header("test", ("#",), "simulated", START))
    for line in lines:
        writer.write(line)
    if closed:
        writer.close()
    path.write_bytes(data.getvalue())
    return path


def line(at, topic, payload, properties=None):
    return Line(START + at, topic, payload, 1, retain=False, properties=properties or Properties())


def own_lines(works):
    """Every kind of line: signed, twice, of a stranger, foreign, binary, own, back in time."""
    machine, stranger = works.machine("press-1"), works.machine("press-2", enrolled=False)
    messages = [machine.message() for _ in range(2100)]
    lines = [line(number * 100, *message) for number, message in enumerate(messages)]
    lines += [
        line(400_000, *messages[7]),
        line(1_500_000, *stranger.message()),
        line(1_400_000, "foreign", b"\x00\xff", Properties(content_type="x/y")),
        line(1_600_000, "ledger/checkpoint", b"ours"),
        line(9_000_000, "foreign", "grüße".encode()),
        line(9_999_999, "foreign", b"{}"),
        line(10_000_000, "foreign", b""),
    ]
    return lines


def rows(works, collector_id):
    reader = works.reader()
    try:
        return list(reader.messages(collector_id)), list(reader.batches(collector_id))
    finally:
        reader.close()


def test_twice_adds_nothing_and_two_stores_have_the_same_roots(works, another_works, tmp_path):
    file = recording(tmp_path / "own.jsonl", own_lines(works))
    another_works.requests = works.requests
    first, again, elsewhere = run(works, file), run(works, file), run(another_works, file)
    assert first.collector == f"file-{sha256(file.read_bytes()).hexdigest()[:32]}"
    assert (first.lines, first.stored, first.duplicates, first.complete) == (2107, 2105, 1, True)
    assert (first.added, again.added, elsewhere.added) == (2105, 0, 2105)
    assert first.roots == again.roots == elsewhere.roots
    assert (again.stored, again.duplicates, again.batches) == (2105, 1, first.batches)
    stats = works.reader().stats()
    assert (stats.received, stats.stored, stats.own) == (2106, 2105, 1)
    assert stats.conserved


def test_judges_change_nothing_but_the_time(works, another_works, tmp_path):
    file = recording(tmp_path / "own.jsonl", own_lines(works))
    another_works.requests = works.requests
    by_itself, helped = run(works, file), run(another_works, file, processes=2)
    assert helped == by_itself
    assert rows(another_works, helped.collector)[0] == rows(works, by_itself.collector)[0]


def test_what_comes_before_a_broken_line_stands_with_judges_too(works, tmp_path):
    file = recording(tmp_path / "own.jsonl", own_lines(works))
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:2051], b"broken\n", *lines[2051:]]))
    with pytest.raises(MalformedRecording):
        run(works, file, processes=2)
    stats = works.reader().stats()
    assert (stats.received, stats.stored) == (2050, 2050)
    assert stats.conserved


def test_batches_close_by_count_and_by_the_lines_own_times(works, tmp_path):
    result = run(works, recording(tmp_path / "own.jsonl", own_lines(works)))
    found, batches = rows(works, result.collector)
    assert [batch.size for batch in batches] == [2000, 100, 2, 2, 1]
    assert sum(batch.size for batch in batches) == len(found)


def test_receive_times_are_the_recordings_and_never_go_back(works, tmp_path):
    result = run(works, recording(tmp_path / "own.jsonl", own_lines(works)))
    found, _ = rows(works, result.collector)
    times = [row.received_at for row in found]
    assert times == sorted(times)
    lifted = [row for row in found if row.original_at is not None]
    assert [(row.received_at - START, row.original_at - START) for row in lifted] == [
        (1_500_000, 1_400_000)
    ]
    assert lifted[0].properties == '{"content_type":"x/y"}'


class Killed(BaseException):
    """The process is gone."""


class DyingShelf(StoreShelf):
    """The real shelf until so many messages would be in."""

    def __init__(self, store, most):
        super().__init__(store)
        self.most = most

    def put(self, commit):
        if commit.batch is not None and commit.batch.start + commit.batch.size > self.most:
            raise Killed
        super().put(commit)


def take_until_killed(works, store, file, most):
    source = Source(sha256(file.read_bytes()).digest())
    ledger = works.resume(store, shelf=DyingShelf(store, most)).file(source).ledger
    with file.open("rb") as data:
        filing = _Filing(ledger, read(data, "x"))
        for batch in filing.batches():
            filing.commit(batch, ())


@pytest.mark.parametrize("cut", [1, 1999, 2000, 2001, 2102, 2104])
def test_one_that_was_interrupted_goes_on_to_the_same_roots(works, another_works, tmp_path, cut):
    """Killed anywhere: only whole batches are there, and the rest follows them exactly."""
    lines = own_lines(works)
    another_works.requests = works.requests
    file = recording(tmp_path / "own.jsonl", lines)
    whole = run(another_works, file)

    with works.open() as store, pytest.raises(Killed):
        take_until_killed(works, store, file, cut)
    result = run(works, file)
    assert result.roots == whole.roots
    assert result.stored == whole.stored
    assert works.reader().stats().conserved


def test_a_cut_recording_is_taken_as_far_as_it_goes(works, tmp_path):
    file = recording(tmp_path / "cut.jsonl", own_lines(works)[:10], closed=False)
    file.write_bytes(file.read_bytes() + b'{"received":"20')
    result = run(works, file)
    assert (result.stored, result.complete, result.skipped) == (10, False, 0)
    assert result.cut == f"{file}, line 12: the recording was cut short here, it has no end mark"


def test_a_broken_line_ends_it_after_all_before_it_is_committed(works, tmp_path):
    file = recording(tmp_path / "own.jsonl", own_lines(works)[:10])
    content = file.read_bytes().split(b"\n")
    content.insert(7, b'{"received":"yesterday"}')
    file.write_bytes(b"\n".join(content))
    for _ in range(2):
        with pytest.raises(MalformedRecording) as caught:
            run(works, file)
        assert (caught.value.file, caught.value.line) == (str(file), 8)
        stats = works.reader().stats()
        assert (stats.stored, stats.batches) == (6, 1)
        assert stats.conserved


def test_a_broken_line_is_skipped_the_same_whether_one_goes_on_at_once_or_later(
    works, another_works, tmp_path
):
    lines = own_lines(works)
    another_works.requests = works.requests
    content = recording(tmp_path / "own.jsonl", lines).read_bytes().splitlines(keepends=True)
    broken = [*content[:501], b"broken\n", *content[501:2103], b"{}\n", *content[2103:]]
    file = tmp_path / "broken.jsonl"
    file.write_bytes(b"".join(broken))
    at_once = run(works, file, keep_going=True)
    # The two lines, and the end mark that does not fit any more.
    assert (at_once.skipped, at_once.complete, at_once.cut) == (3, False, None)
    assert [reason.split(": ")[0] for reason in at_once.reasons] == [
        f"{file}, line {number}" for number in (502, 2105, 2111)
    ]
    assert (at_once.lines, at_once.stored, at_once.duplicates) == (2107, 2105, 1)

    with pytest.raises(MalformedRecording, match="line 502"):
        run(another_works, file)
    later = run(another_works, file, keep_going=True)
    assert later.roots == at_once.roots
    assert (later.stored, later.added) == (2105, 1605)
    assert [batch.size for batch in rows(works, at_once.collector)[1]] == [500, 1600, 1, 1, 2, 1]


class StoppedOnce:
    """A log whose first extension is interrupted, as by Ctrl-C."""

    def __init__(self, log):
        self.log, self.stopped = log, False

    def __getattr__(self, name):
        return getattr(self.log, name)

    def extend(self, records):
        if not self.stopped:
            self.stopped = True
            raise KeyboardInterrupt
        return self.log.extend(records)


def test_a_batch_that_was_interrupted_is_left_to_the_next_ingest(works, tmp_path):
    """Trying it again on the way out counted its lines twice, and could commit it half judged."""
    lines = [line(number * 1_000_000, "foreign", b"%d" % number) for number in range(3)]
    file = recording(tmp_path / "three.jsonl", lines)

    def stopped(collector_id):
        identity = works.identity_for(collector_id)
        return replace(identity, log=lambda size, tile: StoppedOnce(identity.log(size, tile)))

    with pytest.raises(KeyboardInterrupt):
        ingest(
            store_url=works.url,
            file=file,
            identity_for=stopped,
            authority=works.authority,
            requests=works.requests,
        )
    assert works.reader().stats().received == 0
    run(works, file)
    stats = works.reader().stats()
    assert (stats.received, stats.stored) == (3, 3)
    assert stats.conserved


@pytest.mark.sqlite
def test_a_running_collector_keeps_ingest_out(works, tmp_path):
    file = recording(tmp_path / "own.jsonl", [])
    with works.open(), pytest.raises(StoreLocked):
        run(works, file)


def test_an_empty_recording_has_no_batch(works, tmp_path):
    result = run(works, recording(tmp_path / "empty.jsonl", []))
    assert (result.stored, result.batches, result.roots, result.complete) == (0, 0, (), True)


@pytest.mark.vectors
@pytest.mark.parametrize(("name", "count"), SESSIONS)
def test_real_sessions_give_one_message_a_line_and_the_same_roots(
    works, another_works, name, count
):
    file = REAL / name
    if not file.is_file():
        pytest.skip("the shared recordings are not beside the project")
    results = [run(works, file), run(works, file), run(another_works, file)]
    results.append(run(another_works, file))
    assert {(result.lines, result.stored) for result in results} == {(count, count)}
    assert len({result.roots for result in results}) == 1
    assert [result.added for result in results] == [count, 0, count, 0]
    found, _ = rows(works, results[0].collector)
    assert {row.status for row in found} == {"unsigned"}
    assert works.reader().stats().conserved
