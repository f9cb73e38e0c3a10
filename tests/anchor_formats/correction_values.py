"""Corrections by Hypothesis, as an operator may write them."""

from hypothesis import strategies as st

from anchor.correction import KINDS, MEANINGS, Change, Correction, Subject
from anchor.correction_words import check_plain
from anchor.errors import Malformed

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
