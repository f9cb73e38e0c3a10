"""The bytes of an outbox file: round trips, torn tails, damage."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.chain import Chain, Entry
from simulator.errors import OutboxDamaged
from simulator.outbox_frame import Gone, Head, frame, read
from telemetry.receipt import as_ranges
from telemetry.signature import SigningKey
from telemetry.sparkplug_topic import SparkplugTopic
from telemetry.topic import MachineTopic

TOPIC = MachineTopic("", "works", "north", "machining", "line-1", "mill-01", "telemetry")
SPARKPLUG = SparkplugTopic("", "works", "DDATA", "north_machining_line-1", "mill-01")
SEGMENTS = st.from_regex(r"\A[a-z0-9_-]{1,64}\Z")


def entries(count=4):
    chain = Chain(key=SigningKey.from_seed(bytes(32)), topic=TOPIC, session="s", prev=None)
    sealed = []
    for number in range(count):
        if number % 2:
            sealed.append(chain.enclose(SPARKPLUG, b"\x18" + bytes((number,)), time=number))
        else:
            sealed.append(chain.seal("telemetry", time=number, readings={"a": float(number)}))
        chain.advance(sealed[-1])
    return sealed


ENTRIES = entries()
contents = st.one_of(
    st.builds(Head, SEGMENTS, st.integers(0, 2**60), st.integers(0, 2**60),
              st.none() | st.binary(min_size=32, max_size=32)),
    st.sampled_from(ENTRIES),
    st.builds(Gone, SEGMENTS,
              st.sets(st.integers(0, 2**63 - 1), min_size=1, max_size=9).map(as_ranges),
              st.booleans()),
)  # fmt: skip


def spelled(*content):
    data = frame(Head("mill-01"), 0)
    for one in content:
        data += frame(one, len(data))
    return data


@settings(max_examples=60)
@given(st.lists(contents, max_size=6))
def test_what_is_written_is_read(written):
    found = read(spelled(*written))
    assert [one.content for one in found] == [Head("mill-01"), *written]
    assert found[-1].end == len(spelled(*written))


def test_the_frame_is_as_documented():
    """Worked by hand from the module's rule, so that a file of today is read tomorrow."""
    import zlib

    inner = b"R" + b"\x01s" + (3).to_bytes(8, "big") + (5).to_bytes(8, "big")
    rest = len(inner).to_bytes(4, "big") + (77).to_bytes(8, "big") + inner
    assert frame(Gone("s", ((3, 5),)), 77) == zlib.crc32(rest).to_bytes(4, "big") + rest
    head = b'H{"outbox":1,"device":"mill-01","recorded":2,"evicted":1,"last":null}'
    assert frame(Head("mill-01", 2, 1), 0)[16:] == head
    sealed: Entry = ENTRIES[2]
    place = b"M\x00\x01s" + (2).to_bytes(8, "big")
    assert frame(sealed, 0)[16:] == place + sealed.payload
    enclosed: Entry = ENTRIES[1]
    place = b"S\x03\x01s" + (1).to_bytes(8, "big") + len(enclosed.header).to_bytes(4, "big")
    assert frame(enclosed, 0)[16:] == place + enclosed.header.encode() + b"\x18\x01"


def test_a_tail_torn_at_any_byte_is_dropped():
    whole = spelled(ENTRIES[0])
    last = frame(ENTRIES[1], len(whole))
    for cut in range(len(last)):
        assert [one.content for one in read(whole + last[:cut])] == [Head("mill-01"), ENTRIES[0]]


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=40))
def test_a_tail_of_garbage_is_dropped(cut, garbage):
    whole = spelled(ENTRIES[0])
    last = frame(ENTRIES[1], len(whole))
    torn = whole + last[: cut % len(last)] + garbage
    found = [one.content for one in read(torn)]
    assert found[:2] == [Head("mill-01"), ENTRIES[0]]


def test_two_frames_torn_by_a_power_cut_are_dropped_together():
    """Both were written since the last sync: the second may be whole where the first is not."""
    whole = spelled(ENTRIES[0])
    first, second = frame(ENTRIES[1], len(whole)), frame(ENTRIES[2], len(whole))
    zeroed = whole + bytes(len(first)) + second
    assert [one.content for one in read(zeroed)] == [Head("mill-01"), ENTRIES[0]]


def test_a_bad_frame_that_had_been_durable_is_damage_at_every_byte():
    start = len(spelled(ENTRIES[0]))
    stop = len(spelled(*ENTRIES[:2]))
    for place in range(start, stop):
        data = bytearray(spelled(*ENTRIES[:3]))
        data[place] ^= 0x10
        with pytest.raises(OutboxDamaged, match=f"frame at byte {start} is broken"):
            read(bytes(data))


def test_what_compaction_wrote_is_durable_up_to_its_last_byte():
    rest = frame(ENTRIES[0], 0) + frame(ENTRIES[1], 0)
    length = len(frame(Head("mill-01"), 0)) + len(rest)
    data = frame(Head("mill-01"), length) + rest
    assert len(read(data)) == 3
    with pytest.raises(OutboxDamaged):
        read(data[:-1])


@pytest.mark.parametrize("data", [b"", b"x", frame(ENTRIES[0], 0), frame(Head("a"), 0)[:-1]])
def test_a_file_without_a_head_is_damage(data):
    with pytest.raises(OutboxDamaged):
        read(data)


def test_a_newer_releases_frame_says_so():
    import struct
    import zlib

    rest = struct.pack(">IQ", 2, 0) + b"Zx"
    with pytest.raises(OutboxDamaged, match="newer release"):
        read(spelled() + zlib.crc32(rest).to_bytes(4, "big") + rest)
