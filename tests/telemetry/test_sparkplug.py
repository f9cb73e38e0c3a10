"""Sparkplug payloads: bytes worked out by hand, round trips, and other people's bytes."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.errors import MalformedPayload
from telemetry.protobuf_wire import bytes_field, fields, number_field, varint
from telemetry.sparkplug import DataType, Metric, Payload, Property, Value
from telemetry.sparkplug_value import HOLDERS

BITS = {"INT8": 8, "INT16": 16, "INT32": 32, "INT64": 64}


def test_the_bytes_are_those_that_the_wire_format_has():
    """Worked out by hand from the encoding guide and the schema's field numbers."""
    metric = Metric(name="a", alias=300, timestamp=1, datatype=DataType.INT32)
    value = Value.of(DataType.INT32, -1)
    payload = Payload(
        timestamp=150, metrics=(metric, Metric(alias=1, timestamp=2, value=value)), seq=255
    )
    assert payload.to_bytes() == bytes.fromhex(
        "089601"  # timestamp 150
        "120c" "0a0161" "10ac02" "1801" "2003" "3801"  # name, alias, timestamp, type, null
        "120a" "1001" "1802" "50ffffffff0f"  # alias, timestamp, int_value 2^32-1
        "18ff01"  # seq 255
    )  # fmt: skip
    double = Metric(value=Value.of(DataType.DOUBLE, 1.0)).value
    assert double.to_bytes(10) == bytes.fromhex("69000000000000f03f")
    assert Value.of(DataType.FLOAT, 1.0).to_bytes(10) == bytes.fromhex("650000803f")
    assert Value.of(DataType.BOOLEAN, value=True).to_bytes(10) == bytes.fromhex("7001")
    assert Value.of(DataType.STRING, "é").to_bytes(10) == bytes.fromhex("7a02c3a9")


plain = st.one_of(
    st.tuples(st.just(DataType.BOOLEAN), st.booleans()),
    st.tuples(st.just(DataType.DOUBLE), st.floats(allow_nan=False)),
    st.tuples(st.just(DataType.FLOAT), st.floats(allow_nan=False, width=32)),
    st.tuples(st.sampled_from([DataType.STRING, DataType.TEXT, DataType.UUID]), st.text()),
    st.tuples(st.sampled_from([DataType.BYTES, DataType.FILE]), st.binary()),
    *(
        st.tuples(st.just(DataType[name]), st.integers(-(1 << bits - 1), (1 << bits - 1) - 1))
        for name, bits in BITS.items()
    ),
    *(
        st.tuples(st.just(DataType[f"U{name}"]), st.integers(0, (1 << bits) - 1))
        for name, bits in BITS.items()
    ),
    st.tuples(st.just(DataType.DATETIME), st.integers(0, 2**64 - 1)),
)
counts = st.none() | st.integers(0, 2**64 - 1)


@st.composite
def properties(draw):
    datatype, value = draw(plain.filter(lambda one: type(one[1]) is not bytes))
    held = draw(st.sampled_from([Value.of(datatype, value), None]))
    return Property(key=draw(st.text()), datatype=datatype, value=held)


@st.composite
def metrics(draw):
    datatype, value = draw(plain)
    return Metric(
        name=draw(st.none() | st.text()),
        alias=draw(counts),
        timestamp=draw(counts),
        datatype=draw(st.sampled_from([datatype, None])),
        is_historical=draw(st.booleans()),
        is_transient=draw(st.booleans()),
        value=draw(st.sampled_from([Value.of(datatype, value), None])),
        properties=tuple(draw(st.lists(properties(), max_size=2))),
        opaque=draw(st.sampled_from([(), ((8, b"\x08\x01"),)])),
    )


payloads = st.builds(
    Payload,
    timestamp=counts,
    metrics=st.lists(metrics(), max_size=3).map(tuple),
    seq=counts,
    uuid=st.none() | st.text(),
    body=st.none() | st.binary(),
)


@given(payloads)
def test_a_payload_comes_back(payload):
    data = payload.to_bytes()
    assert Payload.from_bytes(data) == payload
    assert Payload.from_bytes(data).to_bytes() == data


@given(plain)
def test_a_value_means_what_was_put_in(typed):
    datatype, value = typed
    found = Payload.from_bytes(
        Payload(metrics=(Metric(value=Value.of(datatype, value)),)).to_bytes()
    ).metrics[0]
    assert found.meaning(datatype) == value
    assert type(found.meaning(datatype)) is type(value)
    assert found.meaning() is None


@given(st.sampled_from(sorted(BITS)), st.data())
def test_negative_integers_are_read_as_others_write_them_too(name, data):
    """Tahu's Java extends a negative Int8 to 32 bits, its Python does not."""
    bits = BITS[name]
    number = data.draw(st.integers(-(1 << bits - 1), -1))
    wide = number % (1 << max(bits, 32))
    holder = "int" if bits <= 32 else "long"
    assert Value(holder, wide).as_type(DataType[name]) == number


def test_a_datatype_decides_what_an_integer_means():
    assert Value("int", 255).as_type(DataType.INT8) == -1
    assert Value("int", 255).as_type(DataType.UINT8) == 255
    assert Value("int", 255).as_type(DataType.INT16) == 255
    with pytest.raises(MalformedPayload):
        Value("int", 256).as_type(DataType.INT8)
    with pytest.raises(MalformedPayload):
        Value("string", "1").as_type(DataType.INT8)
    with pytest.raises(MalformedPayload):
        Value("int", 1).as_type(DataType.STRING)


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        (DataType.INT8, 128),
        (DataType.UINT8, -1),
        (DataType.INT32, 1.0),
        (DataType.INT32, True),
        (DataType.BOOLEAN, 1),
        (DataType.STRING, b""),
        (DataType.BYTES, ""),
        (DataType.UNKNOWN, 1),
        (DataType.DATASET, b""),
    ],
)
def test_a_value_of_another_type_is_refused(datatype, value):
    with pytest.raises(ValueError, match="is no"):
        Value.of(datatype, value)


def test_a_float_too_large_for_its_type_is_infinite():
    assert Value.of(DataType.FLOAT, -1e300).raw == -math.inf
    assert Value.of(DataType.DOUBLE, -1e300).raw == -1e300


def test_others_may_write_in_any_order_and_more_than_we_know():
    metric = b"".join(
        [
            bytes_field(200, b"an extension"),
            struct.pack("<Bd", 10 + 3 << 3 | 1, 2.5),
            number_field(7, 0),  # is_null, said to be false
            bytes_field(1, b"old"),
            bytes_field(1, b"n"),  # the last of two counts
        ]
    )
    data = number_field(3, 7) + number_field(99, 5) + bytes_field(2, metric) + number_field(1, 9)
    found = Payload.from_bytes(data)
    value = Value("double", 2.5)
    assert found == Payload(timestamp=9, metrics=(Metric(name="n", value=value),), seq=7)


def test_a_null_and_an_unknown_data_type():
    metric = bytes_field(1, b"n") + number_field(4, 77) + number_field(7, 1) + number_field(10, 3)
    found = Payload.from_bytes(bytes_field(2, metric)).metrics[0]
    assert (found.name, found.datatype, found.value) == ("n", None, None)


def test_a_data_set_is_kept_and_not_looked_into():
    metric = bytes_field(2 + 15, b"rows") + bytes_field(8, b"meta")
    found = Payload.from_bytes(bytes_field(2, metric)).metrics[0]
    assert dict(found.opaque) == {17: b"rows", 8: b"meta"}
    again = Payload.from_bytes(Payload(metrics=(found,)).to_bytes()).metrics[0]
    assert (dict(again.opaque), again.value) == (dict(found.opaque), None)


BROKEN = {
    "cut short": b"\x12\x05ab",
    "number cut short": b"\x08\x80",
    "no key": b"\x80",
    "number beyond 64 bits": b"\x08" + b"\xff" * 9 + b"\x02",
    "number without end": b"\x08" + b"\x80" * 11,
    "group": b"\x0b\x0c",
    "field 0": b"\x00\x01",
    "no UTF-8": bytes_field(4, b"\xff"),
    "timestamp as bytes": bytes_field(1, b"1"),
    "metric as number": number_field(2, 1),
    "name no UTF-8": bytes_field(2, bytes_field(1, b"\xff")),
    "int_value beyond 32 bits": bytes_field(2, number_field(10, 1 << 32)),
    "int_value as bytes": bytes_field(2, bytes_field(10, b"1")),
    "double cut short": bytes_field(2, b"\x69\x00"),
    "a key without value": bytes_field(2, bytes_field(9, bytes_field(1, b"k"))),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_bytes_are_refused(name):
    with pytest.raises(MalformedPayload):
        Payload.from_bytes(BROKEN[name])


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data):
    try:
        found = Payload.from_bytes(data)
    except MalformedPayload:
        return
    assert Payload.from_bytes(found.to_bytes()) == found


@given(st.integers(0, 2**64 - 1))
def test_a_varint_comes_back(value):
    assert list(fields(b"\x08" + varint(value))) == [(1, 0, value)]


def test_every_holder_has_its_field():
    assert HOLDERS.index("bytes") + 10 == 16
