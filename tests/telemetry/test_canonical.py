"""One spelling of base64, strings, times and segments; every other one is refused."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.canonical import (
    END_OF_TIME,
    b64,
    is_segment,
    quote,
    time_text,
    time_us,
    unb64,
)
from telemetry.errors import NotCanonical


@given(st.binary(max_size=200))
def test_base64_comes_back_and_is_rfc_4648(data):
    assert unb64(b64(data), len(data)) == data
    assert b64(data) == base64.b64encode(data).decode()


@pytest.mark.parametrize(
    "text",
    [
        *("AA", "AA=", "AA===", "AB==", "AAB=", "A", "=", "A A=", "AAA=\n", " AAA="),
        *("AA==AA==", "AA-_", "AA\N{CYRILLIC CAPITAL LETTER A}=", "AAAA\0", "\ud800AAA"),
    ],
)
def test_other_base64_is_refused(text):
    with pytest.raises(NotCanonical):
        unb64(text)


def test_a_wrong_length_is_refused():
    with pytest.raises(NotCanonical, match="31 bytes where 32"):
        unb64(b64(bytes(31)), 32)


@given(st.text())
def test_quoted_strings_are_ascii_json_of_the_same_text(text):
    assert json.loads(quote(text)) == text
    assert quote(text).isascii()


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ('"\\/', '"\\"\\\\/"'),
        ("\b\f\n\r\t", '"\\b\\f\\n\\r\\t"'),
        ("\0\x1f\x7f~ ", '"\\u0000\\u001f\\u007f~ "'),
        ("é\u2028\uffff", '"\\u00e9\\u2028\\uffff"'),
        ("\U0001f600", '"\\ud83d\\ude00"'),
    ],
)
def test_quoted_strings_have_the_documented_spelling(text, spelled):
    assert quote(text) == spelled


def test_a_lone_surrogate_is_refused():
    with pytest.raises(NotCanonical, match="surrogate"):
        quote("a\ud800")


@given(st.integers(0, END_OF_TIME - 1))
def test_times_come_back(us):
    text = time_text(us)
    assert time_us(text) == us
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
    assert datetime.fromisoformat(text) == moment


def test_times_have_the_documented_spelling():
    assert time_text(0) == "1970-01-01T00:00:00.000000Z"
    assert time_text(END_OF_TIME - 1) == "9999-12-31T23:59:59.999999Z"
    assert time_us("2026-11-23T08:00:00.000001Z") == 1795420800000001


@pytest.mark.parametrize("us", [-1, END_OF_TIME])
def test_a_time_outside_of_the_years_is_refused(us):
    with pytest.raises(NotCanonical):
        time_text(us)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-23T08:00:00Z",
        "2026-11-23T08:00:00.000Z",
        "2026-11-23T08:00:00.000000",
        "2026-11-23T08:00:00.000000z",
        "2026-11-23t08:00:00.000000Z",
        "2026-11-23 08:00:00.000000Z",
        "2026-11-23T08:00:00,000000Z",
        "2026-11-23T08:00:00.000000Z ",
        "2026-11-23T08:00:00.00000aZ",
        "2026-11-23T08:00:00.-00001Z",
        "2026-11-23T08:00:00.00000\N{ARABIC-INDIC DIGIT ONE}Z",
        "2026-11-2\N{ARABIC-INDIC DIGIT ONE}T08:00:00.000000Z",
        "2026-02-30T08:00:00.000000Z",
        "2026-02-28T24:00:00.000000Z",
        "2016-12-31T23:59:60.000000Z",
        "1969-12-31T23:59:59.999999Z",
        "0000-01-01T00:00:00.000000Z",
        "2026-11-23T08:00:00.0000000Z",
        "+026-11-23T08:00:00.000000Z",
    ],
)
def test_other_times_are_refused(text):
    with pytest.raises(NotCanonical):
        time_us(text)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("a", True),
        ("mill-1_0", True),
        ("x" * 64, True),
        ("", False),
        ("x" * 65, False),
        ("Mill", False),
        ("mill 1", False),
        ("mill/1", False),
        ("mill\n", False),
        ("möll", False),
    ],
)
def test_segments(text, good):
    assert is_segment(text) is good
