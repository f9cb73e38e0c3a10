"""How messages read: rows, filters, numbers, lines. Nothing in them is obeyed by a terminal."""

import json

import pytest
from heard import SECOND, START, heard, sealed, state, telemetry, tree_of
from hypothesis import given
from hypothesis import strategies as st

from telemetry.properties import Properties
from telemetry.sparkplug import DataType, Metric, Payload, Value
from watch.line import visible
from watch.topics import words
from watch.topics.copied import copied
from watch.topics.machines import machine_lines, machine_state
from watch.topics.node import Kept
from watch.topics.plot import dots, plot_lines, series
from watch.topics.rows import Rows
from watch.topics.shown import hex_lines, json_lines, message_lines, text_lines
from watch.topics.sieve import Sieve
from watch.topics.structure import likely, numbers
from watch.topics.summary import summary
from watch.topics.trust import Number, number_of, standing
from watch.topics.views import about, headline, history_lines, level_lines

ANY = st.text(st.characters(codec="utf-8"), max_size=30)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY, inner, max_size=4),
    max_leaves=12,
)


def kept(payload, **rest):
    return Kept(START, payload, len(payload), **rest)


def nobody(_):
    return None


def text(lines):
    return "\n".join("".join(span for _, span in line) for line in lines)


def labels(rows):
    return ["  " * row.depth + row.label for row in rows.build()]


@pytest.fixture
def factory():
    base = "acme/berlin/machining/line-1"
    return tree_of(
        heard(f"{base}/mill-1/telemetry", telemetry()),
        heard(f"{base}/mill-1/state", state("Execute")),
        heard(f"{base}/mill-2/telemetry", telemetry("mill-2")),
        heard("weather", b"21.5"),
        heard("weather/wind", b"3"),
    )


def test_levels_that_lead_to_one_share_its_row(factory):
    assert labels(Rows(factory)) == [
        "acme/berlin/machining/line-1",
        "  mill-1",
        "    state",
        "    telemetry",
        "  mill-2/telemetry",
        "weather",
        "  wind",
    ]


def test_rows_open_and_close(factory):
    rows = Rows(factory)
    first = rows.build()[0]
    rows.turn(first.node, opened=False)
    assert labels(rows) == ["acme/berlin/machining/line-1", "weather", "  wind"]
    rows.turn_all(opened=False)
    assert labels(rows) == ["acme/berlin/machining/line-1", "weather"]
    rows.reveal(factory.find("acme/berlin/machining/line-1/mill-1/state"))
    assert "    state" in labels(rows)
    rows.turn_all(opened=True)
    assert len(rows.build()) == 7


@given(st.lists(st.text("abc/", min_size=1, max_size=7), max_size=40), st.integers(0, 30))
def test_open_rows_hold_every_topic_and_closed_ones_few(topics, most):
    tree = tree_of(*(heard(topic) for topic in topics))
    rows = Rows(tree, most_open=most)
    by_itself = rows.build()
    rows.turn_all(opened=True)
    listed = rows.build()
    assert {row.node.topic for row in listed if row.node.count} == set(topics)
    assert len(by_itself) <= max(most, sum(row.depth == 0 for row in listed))


@pytest.mark.parametrize(
    ("sought", "found"),
    [
        (Sieve("MILL-2"), {"acme/berlin/machining/line-1/mill-2/telemetry"}),
        (Sieve("+/berlin/#"), 3),
        (Sieve("weather/+"), {"weather/wind"}),
        (Sieve("", "execute"), {"acme/berlin/machining/line-1/mill-1/state"}),
        (Sieve("weather", "21"), {"weather"}),
        (Sieve("", "nowhere"), set()),
        (Sieve(), 5),
    ],
)
def test_a_sieve_goes_by_topic_and_by_content(factory, sought, found):
    rows = Rows(factory)
    rows.look_for(sought)
    topics = {row.node.topic for row in rows.build() if row.node.count and not row.branches}
    topics |= {row.node.topic for row in rows.build() if sought.takes(row.node.topic, row.node)}
    topics &= {topic for topic, _ in factory.items()}
    assert topics == found if isinstance(found, set) else len(topics) == found


def test_what_once_held_the_content_stays(factory):
    sieve = Sieve("", "Held")
    rows = Rows(factory)
    rows.look_for(sieve)
    assert rows.build() == []
    topic = "acme/berlin/machining/line-1/mill-1/state"
    for number, name in enumerate(("Held", "Execute")):
        factory.hear([heard(topic, state(name))], START + (10 + number) * SECOND)
    before = factory.folded
    assert sieve.look(factory.fold(START + 12 * SECOND), before)
    assert not sieve.look(factory.fold(START + 13 * SECOND), before)
    assert [row.label for row in rows.build()] == [topic]


@given(ANY, st.binary(max_size=300))
def test_whatever_a_message_holds_every_line_is_printable(topic, payload):
    one, tree = kept(payload), tree_of(heard(topic, payload))
    node = tree.find(topic)
    held = standing(topic, one, None)
    pages = [
        message_lines(topic, one, nobody),
        hex_lines(payload),
        headline(topic, one, held, START, "newest"),
        about(topic, node, one, held, number_of(topic, one)),
        history_lines(topic, node, list(node.history), one, nobody),
        level_lines(node),
        [[("plain", summary(topic, one, nobody))]],
        [[("plain", copied(one))]],
    ]
    for page in pages:
        for line in page:
            assert all(span.isprintable() for _, span in line), line


@given(ANY, ANY, st.binary(max_size=20))
def test_properties_are_told_and_obeyed_by_nobody(name, value, data):
    properties = Properties(1, name, value, data, ((name, value),), 60)
    one = kept(b"x", properties=properties)
    lines = about("t", tree_of(heard("t")).find("t"), one, standing("t", one, None), None)
    assert all(span.isprintable() for line in lines for _, span in line)
    assert f"{visible(name)} = {visible(value)}" in text(lines)


@given(JSON)
def test_json_is_laid_out_and_not_changed(value):
    payload = json.dumps(value, ensure_ascii=False).encode()
    lines = json_lines(payload)
    if payload.decode().isprintable():
        assert json.loads(text(lines)) == value
    assert lines


def test_json_keeps_spellings_that_a_parser_would_lose():
    payload = b'{"a":1e400,"a":12345678901234567890123,"b":"\\u202e"}'
    shown = text(json_lines(payload))
    assert all(one in shown for one in ("1e400", "12345678901234567890123", '"\\u202e"'))
    assert shown.count('"a"') == 2


@pytest.mark.parametrize(
    "payload", [b"[" * 30_000 + b"]" * 30_000, b'{"a":' * 500 + b"1" + b"}" * 500]
)
def test_deep_json_is_shown_as_text(payload):
    assert json_lines(payload) == []
    assert text(text_lines(payload)) == payload.decode()
    assert numbers("t", kept(payload), nobody) == {}


@pytest.mark.parametrize(
    ("payload", "start"),
    [
        (b"", "an empty payload"),
        (b"plain words", "plain words"),
        (b'{"a":1}', "{"),
        (b"\x00\x01\xff", "000000  00 01 ff"),
        (b"\x1b[2J", "000000  1b 5b 32 4a"),
        ("\u202egnp".encode(), "\\u202egnp"),
    ],
)
def test_a_message_is_laid_out_as_what_it_is(payload, start):
    assert text(message_lines("t", kept(payload), nobody)).startswith(start)


def test_a_message_that_was_cut_says_so():
    one = Kept(START, b"x" * 100, 5000)
    assert "of 5000 bytes the first 100 are kept" in text(message_lines("t", one, nobody))


@pytest.fixture
def sparkplug():
    birth = Payload(
        timestamp=1_764_000_000_000,
        seq=0,
        metrics=(
            Metric(name="speed", alias=7, datatype=DataType.DOUBLE, value=Value("double", 1.0)),
        ),
    )
    data = Payload(seq=1, metrics=(Metric(alias=7, value=Value("double", 42.5)),))
    births = {"spBv1.0/plant/DBIRTH/edge/mill": kept(birth.to_bytes())}
    return births, kept(data.to_bytes())


def test_sparkplug_is_named_by_the_birth_that_was_heard(sparkplug):
    births, data = sparkplug
    topic = "spBv1.0/plant/DDATA/edge/mill"
    shown = text(message_lines(topic, data, births.get))
    assert "Sparkplug DDATA, 1 metrics, seq 1" in shown
    assert "speed  42.5  double" in shown
    assert numbers(topic, data, births.get) == {"speed": 42.5}
    assert summary(topic, data, births.get) == "speed 42.5"
    assert "alias 7, of no birth that was heard" in text(message_lines(topic, data, nobody))
    assert "no Sparkplug payload" in text(message_lines(topic, kept(b"\xff\xff"), births.get))


@pytest.mark.parametrize(
    ("topic", "payload", "said"),
    [
        ("t", b"", "(empty)"),
        ("t", b"21.5", "21.5"),
        ("t", telemetry(speed=1200.5, load=0.25), "speed 1200.5  load 0.25"),
        ("t", state("Held"), "Held"),
        ("t", sealed({"event": {"name": "evicted"}}), "evicted"),
        ("t", sealed({"birth": {"metrics": {"a": 1, "b": 2}}}), "2 metrics"),
        ("t", sealed({"scans": [{"readings": {"a": 1}}, {"readings": {"a": 2}}]}), "a 2"),
        ("t", state("[red]\x1b"), "[red]\\x1b"),
        ("t", b'{"readings":5}', '{"readings":5}'),
        ("t", b"\xff", "\\xff"),
    ],
)
def test_a_row_says_what_a_message_says(topic, payload, said):
    assert summary(topic, kept(payload), nobody) == said


def test_a_machine_has_the_state_that_it_said_last(factory):
    node = factory.find("acme/berlin/machining/line-1/mill-1/state").parent
    assert machine_state(node) == "Execute"
    assert machine_state(factory.root) is None
    listed = text(machine_lines(factory.root))
    assert listed == "● Execute               2 messages  acme/berlin/machining/line-1/mill-1"
    assert machine_lines(factory.find("weather")) == []


@given(JSON)
def test_numbers_are_found_by_their_path(value):
    found = numbers("t", kept(json.dumps(value).encode()), nobody)
    assert all(isinstance(number, float) for number in found.values())
    for path, number in ({} if not isinstance(value, dict) else value).items():
        if type(number) is float and "." not in path and "[" not in path and path:
            assert found[path] == number


def test_numbers_of_readings_come_before_counters():
    found = list(numbers("t", kept(telemetry(a=1.5, b=True)), nobody))
    assert found == ["seq", "readings.a"]
    assert likely(found) == "readings.a"
    assert likely(["x"]) == "x"
    assert likely([]) is None
    assert numbers("t", kept(b"-1.5e3"), nobody) == {"value": -1500.0}
    assert numbers("t", kept(b"[1,[2],NaN]"), nobody) == {}
    assert len(numbers("t", kept(json.dumps(list(range(999))).encode()), nobody)) == 256
    assert numbers("t", kept(b"1" * 5000), nobody) == {}


@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.floats(allow_nan=False, allow_infinity=False))),
    st.integers(1, 40),
    st.integers(1, 12),
)
def test_a_plot_has_its_size_and_its_dots(points, width, height):
    points.sort(key=lambda point: point[0])
    drawn = dots(points, width, height)
    assert [len(row) for row in drawn] == [width] * height
    assert any(row.strip() for row in drawn) == bool(points)
    assert plot_lines(points, width, height)


def test_a_plot_goes_from_low_to_high():
    (low, high) = reversed(dots([(0, 0.0), (1, 1.0)], 2, 2))
    assert [high[0] == " ", high[1] == " "] == [True, False]
    assert [low[0] == " ", low[1] == " "] == [False, True]


def test_a_series_follows_one_number_through_the_history():
    history = [Kept(START + n, b'{"a":%d}' % n, 7) for n in range(3)] + [kept(b"no json")]
    assert series("t", history, "a", nobody) == [(START, 0.0), (START + 1, 1.0), (START + 2, 2.0)]


class Judge:
    def __init__(self, status):
        self._status = status

    def status(self, topic, payload, properties):
        return self._status


def test_a_signature_is_told_by_shape_and_by_keys():
    signed, plain = kept(telemetry()), kept(b"x")
    assert standing("t", plain, None).word == "unsigned"
    assert "no keys at hand" in standing("t", signed, None).sentence
    assert standing("t", signed, Judge("accepted")).word == "verified"
    assert standing("t", signed, Judge("bad-signature")).role == "bad"
    assert standing("t", signed, Judge("something-new")).word == "something-new"
    assert standing("t", Kept(START, b"x", 99), Judge("accepted")).word == "not verified"


@pytest.mark.parametrize(
    ("payload", "number"),
    [
        (telemetry(seq=41), Number("mill-1", "s1", 41)),
        (b'{"device":"m","session":"s","seq":1}', None),
        (sealed({"device": "m", "session": "s", "seq": True}), None),
        (sealed({"device": 1, "session": "s", "seq": 1}), None),
        (sealed([1]), None),
    ],
)
def test_a_signed_message_says_which_it_is(payload, number):
    assert number_of("t", kept(payload)) == number


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b'{\n  "a": 1\n}', '{"a":1}'),
        (b"one\nrm -rf /\n", "one\\nrm -rf /\\n"),
        (b"\x1b]52;c;x\x07", "\\x1b]52;c;x\\x07"),
        (b"\xffab", "\\xffab"),
    ],
)
def test_what_is_copied_is_one_line(payload, said):
    assert copied(kept(payload)) == said


@given(st.integers(0, 10**15))
def test_counts_sizes_and_ages_are_short(number):
    assert len(words.count(number)) <= 5
    assert len(words.size(number)) <= 6
    assert len(words.age(number)) <= 4 or number >= 1000 * 86_400_000_000  # days
    assert len(words.rate(number / 997)) <= 5


def test_text_has_its_lines_and_no_tabs():
    assert text_lines(b"\xff") == []
    assert text(text_lines(b"a\r\nb\tc")) == "a\nb   c"
