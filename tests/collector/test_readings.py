"""The view `readings`: what payloads say, found by index, and no row that stops a query."""

import pytest

from telemetry.message import Scan
from telemetry.signature import seal, split

DATABASES = ("sqlite", "postgresql")

HOUR = 3600 * 1_000_000


def readings(store, where="1 = 1", values=()):
    query = f"SELECT device, time, metric, value, collector, position FROM readings WHERE {where}"
    with store.reading() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query, values)]


def tamper(store, statement, values=()):
    with store.writing() as connection:
        assert connection.exec_driver_sql(statement, values).rowcount > 0


def test_readings_and_scans_are_rows(works, store, feed):
    machine = works.machine("press-1")
    at = 1_764_000_000_123_456
    scans = [Scan(at, {"torque": 1.5, "speed": 2}), Scan(at + 1, {"torque": -1e300})]
    single = [Scan(at + 2, {"torque": 3.0})]
    feed.take(
        machine.message(value=61.25, time=at + 7),
        machine.message(scans=scans, time=at + 8),
        machine.message(scans=single, time=at + 9),
    )
    collector = feed.ledger.head.collector
    assert sorted(readings(store), key=lambda row: (row[5], row[1])) == [
        ("press-1", at + 7, "temperature", 61.25, collector, 0),
        ("press-1", at, "torque", 1.5, collector, 1),
        ("press-1", at, "speed", 2.0, collector, 1),
        ("press-1", at + 1, "torque", -1e300, collector, 1),
        ("press-1", at + 2, "torque", 3.0, collector, 2),
    ]


def test_a_scan_under_an_escaped_name_is_indexed_too(works, store, feed):
    machine = works.machine("press-1")
    _, plain = machine.message(scans=[Scan(1_764_000_000_000_000, {"a": 1.0})])
    body = split(plain)[0].replace(b'"scans"', b'"sc\\u0061ns"')
    taken = feed.take((str(machine.topic), seal(machine.key, machine.topic, body)))
    assert taken.batch is not None
    with store.reading() as connection:
        rows = connection.exec_driver_sql("SELECT position, number, time FROM scans").all()
    assert [tuple(row) for row in rows] == [(0, 0, 1_764_000_000_000_000)]


@pytest.mark.parametrize("name", ["device", "time", "readings", "scans"])
@pytest.mark.parametrize("scans", [False, True])
def test_a_member_counts_however_its_name_is_spelled(works, store, feed, name, scans):
    """Every letter of it, everywhere, as an escape; and the next message reads as ever."""
    machine = works.machine("press-1")
    at = 1_764_000_000_000_000
    several = [Scan(at, {"a": 1.0, "b": 2.0}), Scan(at + 1, {"a": 3.0})]
    body = split(machine.message(scans=several if scans else None, value=1, time=at)[1])[0]
    escaped = "".join(f"\\u{ord(letter):04X}" for letter in name)
    body = body.replace(f'"{name}":'.encode(), f'"{escaped}":'.encode())
    assert feed.take((str(machine.topic), seal(machine.key, machine.topic, body))).stored == 1
    assert feed.take(machine.message(value=7, time=at + 9)).statuses == {"accepted": 1}
    one = [(at, "temperature", 1.0)]
    many = [(at, "a", 1.0), (at, "b", 2.0), (at + 1, "a", 3.0)]
    expected = [*(many if scans else one), (at + 9, "temperature", 7.0)]
    assert sorted(row[1:4] for row in readings(store)) == expected


@pytest.mark.parametrize("scans", [False, True])
def test_metrics_are_named_as_they_are_meant(works, store, feed, scans):
    machine = works.machine("press-1")
    at = 1_764_000_000_000_000
    several = [Scan(at, {"AA": 1.5, "BB": 2.5}), Scan(at + 1, {"AA": 3.5})]
    body = split(machine.message(scans=several if scans else several[:1], time=at)[1])[0]
    body = body.replace(b"AA", b"temp\\u00e9rature").replace(b"BB", b"\\u0074emp")
    feed.take((str(machine.topic), seal(machine.key, machine.topic, body)))
    names = sorted((row[1] - at, row[2], row[3]) for row in readings(store))
    first = [(0, "temp", 2.5), (0, "température", 1.5)]
    assert names == ([*first, (1, "température", 3.5)] if scans else first)


def test_only_accepted_messages_are_read(works, store, feed):
    machine, stranger = works.machine("press-1"), works.machine("press-2", enrolled=False)
    feed.take(machine.message(), stranger.message(), machine.message(seq=0, value=7))
    assert [row[:1] + row[2:4] for row in readings(store)] == [("press-1", "temperature", 0.0)]


def test_readings_inside_another_kind_of_message_mean_nothing(works, store, feed):
    machine = works.machine("press-1")
    body = split(machine.message()[1])[0]
    topic = machine.topic.with_kind("state")
    state = b'"state":{"name":"Execute","number":6},"readings":'
    body = body.replace(b'"readings":', state)
    feed.take((str(topic), seal(machine.key, topic, body)), machine.message())
    with store.reading() as connection:
        assert connection.exec_driver_sql("SELECT status FROM messages").scalars().all() == [
            "accepted",
            "accepted",
        ]
    assert [row[5] for row in readings(store)] == [1]


def test_metric_names_come_unescaped(works, store, feed):
    machine = works.machine("press-1")
    scans = [Scan(1_764_000_000_000_000, {'naïve "ñ" \t😀': 1.0})]
    feed.take(machine.message(scans=scans))
    assert [row[2] for row in readings(store)] == ['naïve "ñ" \t😀']


@pytest.mark.parametrize(
    "payload",
    [
        None,
        b"",
        b"\xff\xfe\x00",
        b"{",
        b'{"readings":{"a":1}',
        b"[1,2,3]",
        b"7",
        b'"text"',
        b"null",
        b'{"device":"press-1","time":7,"readings":7,"scans":7}',
        b'{"device":"press-1","readings":"\\\\","scans":"\\\\","time":"{"}',
        b'{"re\\u0061dings":"{","sc\\u0061ns":["{",{"readings":"["}]}',
        b'{"re\\u0061dings":{"a":1},"sc\\u0061ns":[[1],{"readings":{"b":1}}]}',
        b'{"device":"press-1","time":"2025","readings":[1,2],"scans":[[1]]}',
        b'{"device":{"x":1},"time":null,"readings":{"a":"b","c":null,"d":{"e":1}}}',
        b"[" * 1500,
    ],
)
def test_a_tampered_payload_fails_no_query_and_shows_nothing(works, store, feed, payload):
    machine = works.machine("press-1")
    scans = [Scan(1_764_000_000_000_000, {"a": 1.0})]
    feed.take(machine.message(), machine.message(scans=scans), machine.message(value=5))
    tamper(store, "UPDATE messages SET payload = ? WHERE position < 2", (payload,))
    assert [row[3] for row in readings(store)] == [5.0]
    assert feed.take(machine.message()).stored == 1


@pytest.mark.sqlite
@pytest.mark.parametrize("payload", ["text instead of bytes", 12, 3.5])
def test_a_payload_of_another_type_fails_no_query_and_shows_nothing(works, store, feed, payload):
    machine = works.machine("press-1")
    feed.take(machine.message(), machine.message(value=5))
    tamper(store, "UPDATE messages SET payload = ? WHERE position = 0", (payload,))
    assert [row[3] for row in readings(store)] == [5.0]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE messages SET device = 'press-2' WHERE position = 0",
        "UPDATE messages SET time = time + 1 WHERE position = 0",
        "UPDATE messages SET status = 'unsigned' WHERE position = 0",
    ],
)
def test_a_row_counts_only_where_its_payload_says_the_same(works, store, feed, change):
    machine = works.machine("press-1")
    feed.take(machine.message(), machine.message())
    tamper(store, change)
    assert [row[5] for row in readings(store)] == [1]


@pytest.mark.sqlite
@pytest.mark.parametrize("number", [-(2**63), 2**62, "] $", b"\xff", 0.5])
def test_a_scan_number_of_another_type_fails_no_query(works, store, feed, number):
    tamper_with_scan(works, store, feed, number)


@pytest.mark.parametrize("number", [-1, -(2**31), 7, 2**31 - 1])
def test_a_tampered_scan_number_fails_no_query(works, store, feed, number):
    tamper_with_scan(works, store, feed, number)


def tamper_with_scan(works, store, feed, number):
    machine = works.machine("press-1")
    scans = [Scan(1_764_000_000_000_000, {"a": 1.0}), Scan(1_764_000_000_000_001, {"b": 1.0})]
    feed.take(machine.message(scans=scans))
    tamper(store, "UPDATE scans SET number = ?, time = 3 WHERE number = 1", (number,))
    assert [row[2] for row in readings(store)] == ["a"]


@pytest.mark.sqlite
def test_a_time_of_another_type_shows_nothing(works, store, feed):
    machine = works.machine("press-1")
    feed.take(machine.message(), machine.message())
    tamper(store, "UPDATE messages SET time = 'late' WHERE position = 0")
    assert [row[5] for row in readings(store)] == [1]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-400", 0.0),
        ("1e-999999", 0.0),
        ("-0.0e-99999999999999999999", 0.0),
        ("5e-324", 5e-324),
        ("2e-324", 0.0),
        ("3e-324", 5e-324),
        ("1e-99", 1e-99),
        ("1" + "0" * 50 + "e-340", 1e-290),
        ("1.7976931348623157e308", 1.7976931348623157e308),
        ("9007199254740993", 9007199254740992.0),
        ("-9223372036854775808", -9.223372036854775808e18),
    ],
)
def test_numbers_are_what_every_reader_takes_them_for(works, store, feed, text, value):
    machine = works.machine("press-1")
    body = split(machine.message()[1])[0].replace(b":0.0", b":" + text.encode())
    feed.take((str(machine.topic), seal(machine.key, machine.topic, body)))
    assert [row[3] for row in readings(store)] == [value]
    assert float(text) == value


@pytest.mark.sqlite
def test_one_machines_hour_is_an_index_search_in_each_arm(works, store, feed):
    query = (
        "EXPLAIN QUERY PLAN SELECT metric, avg(value) FROM readings "
        "WHERE device = ? AND time >= ? AND time < ? GROUP BY metric"
    )
    with store.reading() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(query, ("press-1", 0, HOUR))]
    searches = [line for line in plan if "(device=? AND time>? AND time<?)" in line]
    assert len(searches) == 3
    assert not [line for line in plan if line.startswith(("SCAN m", "SCAN s "))]
