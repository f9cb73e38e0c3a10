"""Sparkplug's numbers as readings: named by the birth, whatever anybody's payload holds."""

import math

from hypothesis import given
from hypothesis import strategies as st

from telemetry.decoding import UNBORN, Reading, names_of, readings_of
from telemetry.sparkplug import DataType, Metric, Payload, Value

AT = 1_764_000_000_000  # milliseconds
HEADER = AT * 1000 + 5

WIDTHS = {
    DataType.INT8: (-128, 127),
    DataType.INT64: (-(2**63), 2**63 - 1),
    DataType.UINT16: (0, 65535),
}
FINITE = st.floats(allow_nan=False, allow_infinity=False)
TYPED = st.one_of(
    st.tuples(st.just(DataType.DOUBLE), FINITE),
    st.tuples(st.just(DataType.BOOLEAN), st.booleans()),
    *(st.tuples(st.just(kind), st.integers(low, high)) for kind, (low, high) in WIDTHS.items()),
)
NAME = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)


def metric(name=None, value=1.5, datatype=DataType.DOUBLE, **how):
    said = None if value is None else Value.of(datatype, value)
    return Metric(
        name=name, datatype=datatype if how.pop("typed", True) else None, value=said, **how
    )


def payload(*metrics, timestamp=AT):
    return Payload(timestamp=timestamp, metrics=metrics, seq=0).to_bytes()


@given(st.dictionaries(NAME, TYPED, min_size=1, max_size=6), st.randoms(), st.integers(0, 2**40))
def test_data_by_alias_say_what_the_birth_says_by_name(said, chance, first):
    """Aliases in any order, types in the birth alone: the same names and numbers come out."""
    names = list(said)
    aliases = dict(zip(names, chance.sample(range(first, first + 100), len(names)), strict=True))
    birth = payload(
        *(metric(name, value, kind, alias=aliases[name]) for name, (kind, value) in said.items())
    )
    chance.shuffle(names)
    data = payload(
        *(metric(None, said[n][1], said[n][0], alias=aliases[n], typed=False) for n in names)
    )
    found = readings_of("DDATA", data, HEADER, names_of(birth))
    assert found == [
        Reading(number, AT * 1000, name, float(said[name][1])) for number, name in enumerate(names)
    ]
    born = readings_of("DBIRTH", birth, HEADER, UNBORN)
    assert {(one.metric, one.value) for one in born} == {(one.metric, one.value) for one in found}
    assert readings_of("DDATA", data, HEADER, UNBORN) == []


@given(st.binary(max_size=200))
def test_no_payload_is_an_error(data):
    names = names_of(data)
    for kind in ("NBIRTH", "DBIRTH", "NDATA", "DDATA", "DDEATH"):
        for one in readings_of(kind, data, HEADER, names):
            assert math.isfinite(one.value)
            assert 0 <= one.time < 2**63


def test_what_is_no_number_is_left_out_and_keeps_its_place():
    data = payload(
        metric("text", "7", DataType.STRING),
        metric("null", None),
        metric("nan", math.nan),
        metric("when", AT, DataType.DATETIME),
        metric("nul\0", 1.0),
        metric(None, 1.0),
        metric("on", value=True, datatype=DataType.BOOLEAN),
    )
    assert readings_of("DDATA", data, HEADER, UNBORN) == [Reading(6, AT * 1000, "on", 1.0)]


def test_a_metric_s_own_time_goes_before_the_payload_s_and_that_before_the_header_s():
    data = payload(metric("a", timestamp=AT + 7), metric("b"), metric("c", timestamp=2**63))
    times = [one.time for one in readings_of("NDATA", data, HEADER, UNBORN)]
    assert times == [(AT + 7) * 1000, AT * 1000, HEADER]
    data = payload(metric("a"), timestamp=None)
    assert [one.time for one in readings_of("NDATA", data, HEADER, UNBORN)] == [HEADER]


def test_deaths_and_commands_say_nothing():
    data = payload(metric("a"))
    assert [readings_of(kind, data, HEADER, UNBORN) for kind in ("DDEATH", "NCMD")] == [[], []]
