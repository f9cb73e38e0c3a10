"""Corrections: the operator's word on one message, in one spelling."""

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.correction import (
    KINDS,
    MEANINGS,
    Change,
    Correction,
    CorrectionAuthority,
    Subject,
    is_correction,
    seal,
)
from anchor.correction_order import CorrectionOrder
from anchor.correction_words import check_plain
from anchor.errors import Malformed, Refused
from anchor.key_entry import OperatorAuthority, is_key_entry
from anchor.note import Note, SignerKey, sign_note

OPERATOR = SignerKey.from_seed("example.org/log/operator", bytes([2]) * 32)
OTHER = SignerKey.from_seed("example.org/log/operator", bytes([3]) * 32)
AUTHORITY = CorrectionAuthority(OPERATOR.verifier)
TIME = 1_764_000_000_123_456
SUBJECT = Subject("c0", 7, bytes(range(32)), ("press-1", "s1", 6))
CORRECTION = Correction(
    kind="correction",
    subject=SUBJECT,
    by="Erika Müller",
    meaning="authorship",
    reason='probe sat 0.3 K high: "see" DEV-17',
    time=TIME,
    change=Change("spindle_temperature", TIME - 1, "61.2", "60.90", "Cel"),
)
ENTRY = seal(OPERATOR, CORRECTION)
TEXT = Note.from_bytes(ENTRY).text

segments = st.from_regex(r"[a-z0-9_-]{1,64}", fullmatch=True)
numbers = st.integers(0, 2**63 - 1)
hashes = st.binary(min_size=32, max_size=32)
times = st.integers(0, 253_402_300_799_999_999)


def is_plain(text):
    try:
        check_plain(text, "text", 200)
    except Malformed:
        return False
    return True


plain = st.text(min_size=1, max_size=40).filter(is_plain)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
values = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.sampled_from(
    ["0", "-0", "60.90", "1e5", "1E-7", "12345678901234567890"]
)
changes = st.builds(Change, names, times, values, values, st.none() | plain).filter(
    lambda change: float(change.original) != float(change.value)
)
subjects = st.builds(
    Subject, segments, numbers, hashes, st.none() | st.tuples(segments, segments, numbers)
)


@st.composite
def corrections(draw):
    kind = draw(st.sampled_from(KINDS))
    return Correction(
        kind=kind,
        subject=draw(subjects),
        by=draw(plain),
        meaning=draw(st.sampled_from(MEANINGS)),
        reason=draw(plain),
        time=draw(times),
        change=draw(changes) if kind == "correction" else None,
        supersedes=draw(hashes if kind == "withdrawal" else st.none() | hashes),
    )


def test_a_correction_is_the_format_s():
    """Written out from docs/formats.md, independent of the code."""
    assert TEXT == (
        "factoryledger correction v1\n"
        "correction\n"
        "message c0:7\n"
        "record 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
        "machine press-1 s1 6\n"
        'metric "spindle_temperature"\n'
        "scan 2025-11-24T16:00:00.123455Z\n"
        "original 61.2\n"
        "value 60.90\n"
        'unit "Cel"\n'
        'by "Erika M\\u00fcller"\n'
        "meaning authorship\n"
        'reason "probe sat 0.3 K high: \\"see\\" DEV-17"\n'
        "time 2025-11-24T16:00:00.123456Z\n"
    )
    assert sign_note(TEXT, OPERATOR) == ENTRY
    assert AUTHORITY.read(ENTRY) == replace(CORRECTION, hash=sha256(ENTRY).digest())


@settings(deadline=None, max_examples=60)
@given(corrections())
def test_corrections_are_read_as_they_were_written(correction):
    entry = seal(OPERATOR, correction)
    assert AUTHORITY.read(entry) == replace(correction, hash=sha256(entry).digest())
    assert Correction.from_text(correction.to_text()) == correction


def test_it_is_no_key_entry_and_no_origin():
    assert is_correction(ENTRY)
    assert not is_key_entry(ENTRY)
    with pytest.raises(Malformed):
        OperatorAuthority(OPERATOR.verifier).read(ENTRY)


def test_another_s_word_is_refused():
    for forged in (
        seal(OTHER, CORRECTION),
        ENTRY.replace(b"60.90", b"60.91"),
        ENTRY.replace(b"DEV-17", b"DEV-18"),
    ):
        with pytest.raises(Refused):
            AUTHORITY.read(forged)


def test_a_second_signature_would_make_another_entry_of_one_word():
    twice = Note.from_bytes(ENTRY).with_signatures(OTHER.sign(TEXT)).to_bytes()
    with pytest.raises(Malformed, match="2 signatures"):
        AUTHORITY.read(twice)


@pytest.mark.parametrize(
    "changed",
    [
        TEXT.replace("v1\n", "v2\n"),
        TEXT.replace("\ncorrection\n", "\nerasure\n"),
        TEXT.replace("c0:7", "c0:07"),
        TEXT.replace("c0:7", "C0:7"),
        TEXT.replace("0001", "000A"),
        TEXT.replace("press-1 s1 6", "press-1 s1"),
        TEXT.replace("press-1 s1 6", "press-1 s1 6 7"),
        TEXT.replace("value 60.90", "value 61.20"),
        TEXT.replace("value 60.90", "value NaN"),
        TEXT.replace("value 60.90", "value 1e999"),
        TEXT.replace("value 60.90", "value 060.9"),
        TEXT.replace("value 60.90", "value +60.9"),
        TEXT.replace("\\u00fc", "ü"),
        TEXT.replace("\\u00fc", "\\u00FC"),
        TEXT.replace('"Erika', '" Erika'),
        TEXT.replace("Erika", "\\u202eErika"),
        TEXT.replace("Erika", "Er\\u200bika"),
        TEXT.replace("Erika", "Er\\nika"),
        TEXT.replace("Erika", "\\ud800"),
        TEXT.replace('"Erika M\\u00fcller"', '""'),
        TEXT.replace("meaning authorship", "meaning certain"),
        TEXT.replace("time 2025-11-24T", "time 2025-11-24 "),
        TEXT.replace('unit "Cel"\n', 'unit "Cel"\nunit "K"\n'),
        TEXT + "more\n",
        TEXT.removesuffix("time 2025-11-24T16:00:00.123456Z\n"),
        TEXT.replace("\ncorrection\n", "\nannotation\n"),
        "factoryledger correction v1\n",
    ],
)
def test_what_the_writer_would_not_write_is_refused(changed):
    assert changed != TEXT
    with pytest.raises(Malformed):
        AUTHORITY.read(sign_note(changed, OPERATOR))


@pytest.mark.parametrize(
    "change",
    [
        {"reason": ""},
        {"reason": "  "},
        {"reason": "x" * 2001},
        {"reason": "\x1b[2Jgone"},
        {"by": "Eve\u2066"},
        {"by": "x" * 201},
        {"change": None},
        {"change": Change("m", TIME, "61.2", "61.20")},
        {"change": Change("", TIME, "61.2", "61.3")},
        {"kind": "withdrawal", "change": None},
        {"kind": "annotation"},
        {"time": -1},
        {"supersedes": b"short"},
        {"subject": replace(SUBJECT, leaf=b"")},
        {"subject": replace(SUBJECT, collector="a/b")},
        {"subject": replace(SUBJECT, machine=("a b", "s", 1))},
    ],
)
def test_what_no_reader_would_take_is_not_signed(change):
    with pytest.raises(Malformed):
        seal(OPERATOR, replace(CORRECTION, **change))


def numbered(number, **change):
    return replace(CORRECTION, hash=bytes([number]) * 32, **change)


def test_a_correction_is_superseded_by_name_and_once():
    order = CorrectionOrder()
    first = numbered(1)
    order.add(first)
    assert order.standing(SUBJECT, "spindle_temperature", TIME - 1) == first.hash
    with pytest.raises(Refused, match="in the log already"):
        order.add(first)
    with pytest.raises(Refused, match="has to supersede"):
        order.add(numbered(2))
    second = numbered(3, supersedes=first.hash)
    order.add(second)
    assert order.standing(SUBJECT, "spindle_temperature", TIME - 1) == second.hash
    with pytest.raises(Refused, match="superseded already"):
        order.add(numbered(4, supersedes=first.hash))
    order.add(numbered(5, kind="withdrawal", change=None, supersedes=second.hash))
    assert order.standing(SUBJECT, "spindle_temperature", TIME - 1) is None
    order.add(numbered(6))
    assert set(order.superseded) == {first.hash, second.hash}


def test_only_what_is_there_of_the_same_message_is_superseded():
    order = CorrectionOrder()
    order.add(numbered(1))
    with pytest.raises(Refused, match="not in the log before it"):
        order.add(numbered(2, supersedes=bytes(32)))
    elsewhere = replace(SUBJECT, position=8)
    with pytest.raises(Refused, match="no other's"):
        order.add(numbered(2, subject=elsewhere, supersedes=bytes([1]) * 32))
    order.add(numbered(2, subject=elsewhere))
    assert len(order.known) == 2
