"""Headers of Bitcoin blocks: their own work, the floor under it, the file that pins them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ots_counterpart import LEAST_WORK, Chain, hash_of, mined

from anchor.errors import Malformed, Refused
from anchor.ledgers.ots.block import BlockHeader, read_headers, write_headers

# Bitcoin's block 358391: a public fact, and its hash says that no byte of it is mistaken.
HELLO_HEIGHT = 358_391
HELLO_HASH = "000000000000000003e892881a8cdcdc117c06d444057c98b6f04a9ee75a2319"
HELLO_HEADER = (
    "02000000b96394585a281b7e5f438fd1c9ed492645a1fd61cb3802040000000000000000"
    "007ee445d23ad061af4a36b809501fab1ac4f2d7e7a739817dd0cbb7ec661b8a1e376755f58616186272def6"
)
# Bitcoin's first block, whose every field is known to everybody.
GENESIS = (
    "01000000" + "00" * 32 + "3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a"
    "29ab5f49ffff001d1dac2b7c"
)


def test_real_headers_are_read():
    header = BlockHeader.from_hex(HELLO_HEADER, 1 << 67)
    assert header.hash == HELLO_HASH
    assert header.before == "0000000000000000040238cb61fda1452649edc9d18f435f7e1b285a589463b9"
    assert header.time == 1_432_827_678  # 2015-05-28T15:41:18Z
    first = BlockHeader.from_hex(GENESIS, 1 << 32)
    assert first.hash == "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
    assert (first.time, first.before) == (1_231_006_505, "00" * 32)
    assert first.work == 0x100010001  # difficulty 1


def test_an_old_or_made_up_easy_header_is_below_the_floor():
    with pytest.raises(Refused, match=r"2\^67 hashes.*2\^74"):
        BlockHeader.from_hex(HELLO_HEADER)
    made_up = mined(bytes(32), bytes(32), 1_700_000_000).hex()
    assert BlockHeader.from_hex(made_up, LEAST_WORK)
    with pytest.raises(Refused, match="anybody may make one up"):
        BlockHeader.from_hex(made_up)


@given(st.integers(0, 639))
def test_no_bit_of_a_header_may_change(bit):
    data = bytearray(bytes.fromhex(HELLO_HEADER))
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises((Refused, Malformed)):
        BlockHeader.from_hex(data.hex(), 1 << 67)


@pytest.mark.parametrize("bits", ["00000000", "00008004", "ffff0023", "0000801d", "01000001"])
def test_bits_that_name_no_target_are_malformed(bits):
    with pytest.raises(Malformed, match="bits"):
        BlockHeader(bytes.fromhex(HELLO_HEADER[:144] + bits + HELLO_HEADER[152:]))


@pytest.fixture
def chain():
    chain = Chain()
    for number in range(3):
        chain.mine(bytes([number]) * 32)
    yield chain
    chain.close()


def test_the_file_of_pinned_headers(chain):
    pinned = chain.pinned()
    headers = read_headers(b"# a comment\n\n" + pinned, LEAST_WORK)
    assert [header.hash for header in headers.values()] == [
        hash_of(header) for header in chain.headers_at.values()
    ]
    assert write_headers(headers) == pinned
    assert read_headers(b"") == {}


def test_what_is_no_file_of_pinned_headers(chain):
    one, two, three = chain.pinned().splitlines(keepends=True)
    for data, why in [
        (one[:-1], "ends within a line"),
        (one.replace(b"840000", b"0840000"), "without leading zeros"),
        (one.replace(b":", b" "), "line 1"),
        (one.upper(), "line 1"),
        (two + one, "go up"),
        (one + one, "go up"),
        (one + b"\xff\n", "UTF-8"),
        (one.replace(b"840000", b""), "line 1"),
        (b"#" * (1 << 20) + b"\n", "at most"),
    ]:
        with pytest.raises(Malformed, match=why):
            read_headers(data, LEAST_WORK)
    with pytest.raises(Refused, match="does not follow"):
        read_headers(one + three.replace(b"840002", b"840001"), LEAST_WORK)
    with pytest.raises(Refused, match="anybody may make one up"):
        read_headers(one)
