"""Live topics as lines: nothing of a message reaches the terminal as it came."""

import asyncio
import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.canonical import unb64
from telemetry.link import Arrival, Link
from telemetry.properties import NO_PROPERTIES, Properties
from watch.line import json_line, plain_line, preview, visible
from watch.plain import watch

TIME = 1_764_000_000_000_000
SIGNED = b'{"device":"m1"' + b',"sig":"' + b"A" * 86 + b"==" + b'"}'


def arrival(payload=b"p", topic="a/b", **rest):
    rest = {"qos": 1, "retain": False, "properties": NO_PROPERTIES} | rest
    return Arrival(topic=topic, payload=payload, duplicate=False, packet_id=1, epoch=1, **rest)


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        (b"", ""),
        (b'{"a":1.5}', '{"a":1.5}'),
        ("61 °C €".encode(), "61 °C €"),
        (b"\x1b[2J\x07", r"\x1b[2J\x07"),
        (b"a\nb\r\tc\0", r"a\nb\r\tc\x00"),
        (b"\xff\xfeok", r"\xff\xfeok"),
        ("\u202egnp.exe\u2028\x9b".encode(), r"\u202egnp.exe\u2028\x9b"),
        ("\U000e0041".encode(), r"\U000e0041"),
        (b"x" * 120, "x" * 120),
        (b"x" * 121, "x" * 120 + "…"),
        (b"x" * 10_000, "x" * 120 + "…"),
    ],
)
def test_a_preview_shows_what_cannot_be_printed(payload, shown):
    assert preview(payload) == shown


def test_a_plain_line_has_time_topic_size_and_shape():
    assert plain_line(arrival(SIGNED, retain=True), TIME) == (
        "2025-11-24T16:00:00.000000Z a/b 112 B signed retained " + SIGNED.decode()
    )
    line = plain_line(arrival(b"\x1b", topic="a/\x1b[1m"), TIME)
    assert line == r"2025-11-24T16:00:00.000000Z a/\x1b[1m 1 B unsigned \x1b"
    assert plain_line(arrival(b""), TIME).endswith("a/b 0 B unsigned")


@given(st.binary(max_size=200), st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_no_line_holds_anything_that_a_terminal_obeys(payload, topic):
    one = arrival(payload, topic, properties=Properties(user_properties=((topic, topic),)))
    assert plain_line(one, TIME).isprintable()
    written = json_line(one, TIME)
    assert written.isascii()
    assert written.isprintable()


@given(st.binary(max_size=200), st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_a_json_line_gives_everything_back(payload, topic):
    found = json.loads(json_line(arrival(payload, topic), TIME))
    assert found["topic"] == topic
    again = found["text"].encode() if "text" in found else unb64(found["base64"])
    assert again == payload
    assert found["size"] == len(payload)


def test_a_json_line_names_properties_and_shape():
    rich = Properties(
        payload_format_indicator=1,
        content_type="c",
        response_topic="r",
        correlation_data=b"\xff",
        user_properties=(("k", "v"),),
        message_expiry_interval=0,
    )
    found = json.loads(json_line(arrival(SIGNED, properties=rich, qos=0, retain=True), TIME))
    assert found["properties"] == {
        "payload_format_indicator": 1,
        "content_type": "c",
        "response_topic": "r",
        "correlation_data": "/w==",
        "user_properties": [["k", "v"]],
        "message_expiry_interval": 0,
    }
    assert (found["signature"], found["qos"], found["retain"]) == ("signed", 0, True)
    assert "properties" not in json.loads(json_line(arrival(), TIME))


def test_what_is_printable_stays_as_it_is():
    assert visible("äöü 漢字 🙂 \\") == "äöü 漢字 🙂 \\"


@pytest.mark.e2e
@pytest.mark.parametrize("as_json", [False, True])
def test_live_messages_come_as_lines_retained_ones_first(broker, topic_prefix, as_json):
    async def run():
        async with Link(broker.address, client_id=f"p-{uuid.uuid4().hex[:8]}") as us:
            await us.publish(f"{topic_prefix}/kept", b"old", retain=True)
            lines, ready = [], asyncio.Event()
            task = asyncio.ensure_future(
                watch(
                    address=broker.address,
                    filters=[f"{topic_prefix}/#"],
                    write=lines.append,
                    as_json=as_json,
                    count=3,
                    stop=asyncio.Event(),
                    on_ready=ready.set,
                    clock=lambda: TIME,
                )
            )
            await ready.wait()
            for number in range(5):
                await us.publish(f"{topic_prefix}/t", b"\x1b%d" % number)
            assert await asyncio.wait_for(task, 10) == 3
            await us.publish(f"{topic_prefix}/kept", b"", retain=True)
        assert len(lines) == 3
        if as_json:
            first, second, _ = map(json.loads, lines)
            assert (first["text"], first["retain"]) == ("old", True)
            assert (second["text"], second["retain"]) == ("\x1b0", False)
        else:
            assert lines[0].endswith(f"{topic_prefix}/kept 3 B unsigned retained old")
            assert lines[1].endswith(rf"{topic_prefix}/t 2 B unsigned \x1b0")

    asyncio.run(run())


@pytest.mark.e2e
def test_watching_ends_by_stop_and_by_a_pipe_that_is_gone(broker, topic_prefix):
    async def run():
        stop = asyncio.Event()
        never = {"address": broker.address, "filters": [f"{topic_prefix}/#"], "stop": stop}
        soon = asyncio.get_running_loop().call_later
        assert await watch(**never, write=print, on_ready=lambda: soon(0.05, stop.set)) == 0

        def gone(_):
            raise BrokenPipeError

        stop.clear()
        async with Link(broker.address, client_id=f"p-{uuid.uuid4().hex[:8]}") as us:
            await us.publish(f"{topic_prefix}/kept", b"old", retain=True)
            with pytest.raises(BrokenPipeError):
                await asyncio.wait_for(watch(**never, write=gone), 10)
            await us.publish(f"{topic_prefix}/kept", b"", retain=True)

    asyncio.run(run())
